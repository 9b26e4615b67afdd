import dataclasses
import json
import sys

import numpy as np
import pytest

from rushes.calibration import store
from rushes.calibration.calibration import Calibration, Origin, measure
from rushes.calibration.performers import Performer, PerformerTracker
from rushes.capture import loop
from rushes.capture.analysis import TrackingAnalyser, open_analyser
from rushes.capture.drawing.overlay import Overlay
from rushes.capture.outputs import Outputs
from rushes.errors import MisuseError, NothingFitsError, UserError
from rushes.tracking.face import UNITS
from tests.support.actors import MadeUpTracker, made_up_actor
from tests.support.command import command_line
from tests.support.performing import AT_REST, OPEN, RESTING, PerformingTracker
from tests.support.runtime import BrightSquare, write_clip

ORIGIN = Origin("2026-03-01T10:00:00+01:00", "00ff", {"face_units": "aa"})
JAW, BROW, PUCKER = (UNITS.index(unit) for unit in RESTING)
BLINKING = made_up_actor(angles_deg=(3, -10, 1), jawOpen=0.9, browInnerUp=0.0, mouthPucker=0.9)
WRONG = made_up_actor(jawOpen=1.0, browInnerUp=1.0, mouthPucker=1.0)


def calibrated() -> Calibration:
    """Of a performer whose jaw rests at 0.2 and opens to 0.6, with a blink and one wrong frame in a hundred."""
    return measure("anna", ORIGIN, [AT_REST] * 90 + [BLINKING] * 20, [AT_REST] * 90 + [OPEN] * 30 + [WRONG])


ANNA = (Performer("anna", calibrated()),)


def corrected(*faces):
    """Faces of a tracker after the correction."""
    tracker = PerformerTracker(MadeUpTracker(list(faces)), ANNA)
    return tracker.track(np.zeros((4, 4, 3), np.uint8), 0.0)


def test_rest_is_0_and_the_end_of_the_motion_is_1():
    """By the median and a percentile: neither a blink nor a wrong frame counts."""
    [rest], [middle], [top], [beyond] = (
        corrected(face) for face in (AT_REST, made_up_actor(jawOpen=0.4), OPEN, WRONG)
    )  # fmt: skip

    assert [float(face.units[JAW]) for face in (rest, middle, top, beyond)] == pytest.approx([0, 0.5, 1, 1], abs=1e-4)
    assert rest.units.max() == pytest.approx(0, abs=1e-4)
    assert rest.units.dtype == np.float32


def test_a_unit_that_hardly_moved_has_no_gain():
    """The brow rose by 0.15, which would be enlarged seven times with its noise: its offset alone is subtracted."""
    [face] = corrected(OPEN)

    assert float(face.units[BROW]) == pytest.approx(0.15, abs=1e-4)
    assert set(calibrated().gain) == {"jawOpen"}
    assert len(calibrated().unmoved()) == 51


def test_the_head_at_rest_looks_ahead():
    """The constant part of the angles is a person's own; the place stays."""
    [rest], [turned] = corrected(AT_REST), corrected(OPEN)

    assert (rest.head.yaw_deg, rest.head.pitch_deg, rest.head.roll_deg) == pytest.approx((0, 0, 0))
    assert (turned.head.yaw_deg, turned.head.pitch_deg) == pytest.approx((20, 0))
    np.testing.assert_array_equal(turned.head.translation_m, OPEN.head.translation_m)


@pytest.mark.parametrize("share", [1.0, 0.6, 0.1, 0.0])
def test_a_lost_face_eases_to_neutral(share):
    """A tracker eases its own values to 0; so do the corrected ones, without a jump of the head to its constant."""
    eased = dataclasses.replace(
        OPEN, units=OPEN.units * np.float32(share), state="easing",
        head=dataclasses.replace(OPEN.head, yaw_deg=23 * share, pitch_deg=-10 * share, roll_deg=share),
    )  # fmt: skip
    tracker = MadeUpTracker([OPEN])
    tracker.wait = lambda _: [eased]
    wrapped = PerformerTracker(tracker, ANNA)
    wrapped.track(np.zeros((4, 4, 3), np.uint8), 0.0)
    [face] = wrapped.wait(1.0)

    assert float(face.units[JAW]) == pytest.approx(share, abs=1e-3)
    assert (face.head.yaw_deg, face.head.pitch_deg) == pytest.approx((20 * share, 0), abs=1e-3)
    assert face.state == "easing"


def test_too_few_frames_are_refused():
    """A median of three frames is a guess."""
    with pytest.raises(NothingFitsError, match=r"a face in 9 frames of the range of motion, and 10 are needed"):
        measure("anna", ORIGIN, [AT_REST] * 10, [OPEN] * 9)


def test_a_head_that_is_turned_away_is_refused():
    """Its angles are not a person's own."""
    turned = made_up_actor(angles_deg=(40, 0, 0))
    with pytest.raises(UserError, match=r"turned by 40, 0, 0 degrees .*look straight at the camera and start again"):
        measure("anna", ORIGIN, [turned] * 10, [OPEN] * 10)


@pytest.fixture
def models(tmp_path, monkeypatch):
    """An empty model store."""
    monkeypatch.setenv("RUSHES_MODELS", str(tmp_path / "models"))
    return tmp_path / "models"


class Bundle:
    """A bundle with one landmark network."""

    def __init__(self, sha256="aa"):
        file = type("File", (), {"role": "face_units", "sha256": sha256})
        self.manifest = type("Manifest", (), {"files": {"units.tflite": file}})


def full(**more):
    return calibrated().model_copy(update=more)


def test_it_is_stored_beside_the_models(models):
    """By the name of the performer, in any case, and with any character; the latest counts."""
    messages = []
    store.write_calibration(full(performer="Anna / Ø", date="earlier"))
    path = store.write_calibration(full(performer="Anna / Ø"))

    assert path.parent == models / "performers"
    assert store.find_calibration("anna / ø", Bundle(), messages.append) == full(performer="Anna / Ø")
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    assert messages == []


@pytest.mark.usefixtures("models")
def test_whoever_is_not_calibrated_is_named():
    """With the command that helps; capture goes on."""
    messages = []

    assert store.find_calibration("anna", Bundle(), messages.append) is None
    assert messages == ["anna is not calibrated: rushes calibrate --performer anna"]


@pytest.mark.parametrize(("typed", "stored"), [("Andr\u00e9", "andre\u0301"), ("ANDRE\u0301", "Andr\u00e9")])
def test_both_spellings_of_an_accent_are_one_performer(models, typed, stored):
    """Files on macOS have letters with accents after them, and keyboards give one character."""
    assert store.calibration_path(typed) == store.calibration_path(stored)
    assert models in store.calibration_path(typed).parents


@pytest.mark.parametrize(
    ("performer", "shown"), [("anna", "anna"), ("Anna B", '"Anna B"'), ("Andr\u00e9", "Andr\u00e9"), ("a;b", '"a;b"')]
)
def test_the_command_that_helps_can_be_pasted(performer, shown):
    """Also into cmd.exe, which knows double quotes alone."""
    assert store.hint(performer) == f"rushes calibrate --performer {shown}"


def test_a_recording_that_cannot_be_removed_is_a_users_error(models):
    """It would be that of another session: nothing is written."""
    (models / "performers" / "anna.npz").mkdir(parents=True)

    with pytest.raises(UserError, match=r"anna\.npz cannot be written: "):
        store.write_calibration(full())
    assert not (models / "performers" / "anna.json").exists()


@pytest.mark.usefixtures("models")
def test_other_landmark_networks_do_not_take_it():
    """Their units have other scales."""
    messages = []
    store.write_calibration(full())

    assert store.find_calibration("anna", Bundle("bb"), messages.append) is None
    assert "was calibrated with other networks" in messages[0]


def test_a_store_that_cannot_be_written_is_noticed_before_the_session(models):
    """And nothing is made there for a session that may not be finished."""
    store.check_writable("anna")
    assert not (models / "performers").exists()

    models.mkdir(parents=True, exist_ok=True)
    (models / "performers").write_text("")
    with pytest.raises(UserError, match=r"performers cannot be written to.*RUSHES_MODELS"):
        store.check_writable("anna")


def test_a_file_that_cannot_be_opened_is_named_with_the_reason(models):
    """It may be a calibration."""
    (models / "performers" / "anna.json").mkdir(parents=True)
    with pytest.raises(UserError, match="is a folder"):
        store.find_calibration("anna", Bundle(), print)


@pytest.mark.usefixtures("models")
@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"gain": {"jawOpen": 1e300}}', "\x00"])
def test_a_file_that_is_damaged_is_a_users_error(text):
    """It names the file and the command that makes another."""
    path = store.write_calibration(full())
    path.write_text(text)

    with pytest.raises(UserError, match=r"anna.json is not a calibration that can be read: rushes calibrate"):
        store.find_calibration("anna", Bundle(), print)


@pytest.mark.usefixtures("models")
@pytest.mark.parametrize(("field", "value"), [("gain", {"jawOpen": 100.0}), ("neutral", {"jawOpen": float("nan")}),
                                              ("angles_deg", [90, 0, 0])])  # fmt: skip
def test_impossible_values_are_refused(field, value):
    """A file may come from anywhere; a gain of 100 would shake a character."""
    path = store.write_calibration(full())
    path.write_text(json.dumps(json.loads(path.read_text()) | {field: value}))

    with pytest.raises(UserError, match="not a calibration"):
        store.find_calibration("anna", Bundle(), print)


@pytest.mark.parametrize("name", ["", "  ", "x" * 61])
def test_a_name_is_needed(name):
    """Of a length that a file system takes."""
    with pytest.raises(MisuseError, match="--performer: the name has"):
        store.calibration_path(name)


@pytest.mark.usefixtures("models")
def test_a_name_is_short_enough_for_a_file():
    """A Chinese character takes nine bytes in it; a name that is printed as an example is stored."""
    long = "\u5b89\u5a1c" * 30
    with pytest.raises(MisuseError, match=r"takes 540 bytes in the name of a file, and 200 are allowed") as caught:
        store.calibration_path(long)
    short = str(caught.value).rpartition("such as to ")[2]

    assert store.write_calibration(full(performer=short)).is_file()
    assert store.write_calibration(full(performer=long[:22])).is_file()


@pytest.mark.parametrize("note", ["not calibrated", ""])
def test_a_capture_notes_that_it_is_not_calibrated(clip, classifier, tmp_path, monkeypatch, note):
    """In the summary, a line of its own, and in the picture."""
    messages, drawn, edges = [], [], np.zeros((0, 2), int)
    monkeypatch.setattr(loop, "Overlay", lambda *given: drawn.append(given[1]) or Overlay(*given))
    analyser = TrackingAnalyser(MadeUpTracker([made_up_actor(0, at=(70, 60), size=60)]), classifier, edges, note)
    loop.capture(str(clip), analyser, Outputs(json_to=str(tmp_path / "out.jsonl")), log=messages.append)

    assert messages[1:] == ([note] if note else [])
    assert drawn == [note]
    assert "\n" not in messages[0]


def test_the_note_is_drawn_in_the_corner():
    """At the bottom left, and nowhere else."""
    picture = np.full((360, 640, 3), 200, np.uint8)
    changed = np.any(Overlay(note="not calibrated").draw(picture, ()) != picture, axis=2)
    rows, columns = np.nonzero(changed)

    assert rows.min() > 300
    assert columns.max() < 160
    assert changed.sum() > 500
    assert not np.any(Overlay().draw(picture, ()) != picture)


@pytest.fixture
def rushes(models, tmp_path, monkeypatch, capsys):  # noqa: ARG001  # its variable
    """Runs a command line with a made-up performer in the place of the tracker."""
    from tests.support import model_store  # noqa: PLC0415  # only here

    monkeypatch.setenv("RUSHES_MODELS", str(model_store.fill(tmp_path / "models")))
    monkeypatch.setattr("rushes.faces.face_search.open_finder", lambda _: BrightSquare())
    monkeypatch.setattr("rushes.capture.analysis.open_tracker", lambda *_: (PerformingTracker(), np.zeros((0, 2), int)))
    monkeypatch.setattr("rushes.calibration.store.networks_of", lambda *_: {"face_units": "aa"})
    monkeypatch.chdir(tmp_path)
    write_clip(tmp_path / "clip.mp4", frames=50)
    return command_line(monkeypatch, capsys)


def test_a_performer_is_calibrated_by_a_command(rushes, tmp_path):
    """It prints the file, and what it found."""
    status, out, err = rushes(
        "calibrate", "--performer", "anna", "--source", "clip.mp4", "--neutral", "1", "--motion", "2"
    )

    assert status == 0
    assert out.strip() == str(tmp_path / "models" / "performers" / "anna.json")
    assert "1 of 52 units moved and have a gain; the head rests at yaw 3.0, pitch -10.0, roll 1.0 degrees" in err
    assert json.loads((tmp_path / "models" / "performers" / "anna.json").read_text())["performer"] == "anna"


@pytest.mark.parametrize(("performer", "date"), [("Anna", True), ("ben", False)])
def test_a_capture_with_a_performer_applies_it(rushes, tmp_path, monkeypatch, performer, date):
    """It is given to the analyser, and its date stands on the slate; without one a line names the command."""
    given = []

    def opened(model, _, performers, __):
        given.extend(performers)
        return TrackingAnalyser(PerformingTracker(), model.classifier, np.zeros((0, 2), int))

    monkeypatch.setattr("rushes.capture.analysis.open_analyser", opened)
    rushes("calibrate", *["--performer", "anna", "--source", "clip.mp4", "--neutral", "1", "--motion", "2"])
    words = f"capture --source clip.mp4 --performer {performer} --record take01 --json out.jsonl"
    status, _, err = rushes(*words.split())
    slate = json.loads((tmp_path / "take01" / "slate.json").read_text())

    assert status == 0
    assert [(one.name, one.calibration is not None) for one in given] == [(performer, date)]
    assert slate["performer"] == performer
    assert bool(slate["calibrated"]) == date
    assert (f"{performer} is not calibrated: rushes calibrate --performer {performer}" in err) == (not date)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--performer anna", "--performer has no effect here: add --units"),
        ("--scene 12", "--scene has no effect here: add --record FOLDER"),
        ("--take 3 --units", "--take has no effect here: add --record FOLDER"),
        ("--film lossless --units", "--film has no effect here: add --record FOLDER"),
        ("--actors 2", "--actors has no effect here: add --units"),
        ("--fov 60", "--fov has no effect here: add --units"),
        ("--backend opencv --web=0 --poll 9", "--poll has no effect here: add --registry"),
        ("--unsure 0.1", "--unsure has no effect here: add --collect"),
        ("--collect-rate 2", "--collect-rate has no effect here: add --collect"),
        ("--names vrm --curves out.csv", "--names has no effect here: add --drive vmc://HOST:PORT"),
        ("--names vrm --drive livelink://127.0.0.1", "--names has no effect here: add --drive vmc://HOST:PORT"),
        ("--tracking mediapipe", "--tracking has no effect here: add --units"),
        ("--drive vmc://127.0.0.1?actor=1", "there is no actor 1, since they count from 0: add --actors 2"),
    ],
)
def test_options_without_use_are_refused(rushes, words, message):
    """Before anything is opened."""
    status, _, err = rushes("capture", "--source", "clip.mp4", *words.split())

    assert status == 2
    assert message in err


@pytest.mark.parametrize(
    ("words", "status", "message"),
    [
        ("--performer anna --source clip.mp4 --neutral 9", 3, "a face in 0 frames of the range of motion"),
        ("--performer anna --source none.mp4", 2, "none.mp4"),
        ("--source clip.mp4", 2, "--performer"),
    ],
)
def test_mistakes_are_named(rushes, tmp_path, words, status, message):
    """And nothing is stored."""
    found, _, err = rushes("calibrate", *words.split())

    assert (found, message in err) == (status, True), err
    assert not (tmp_path / "models" / "performers").exists()


def test_a_calibration_reaches_every_output(monkeypatch):
    """`open_analyser` wraps the tracker, and drops the note."""

    class Networks:
        class face:  # noqa: N801  # an attribute of theirs
            triangles = np.zeros((0, 3), int)

    monkeypatch.setattr("rushes.capture.analysis.open_landmarks", lambda *_: Networks)
    monkeypatch.setattr("rushes.capture.analysis._tracker", lambda *_: MadeUpTracker([OPEN]))
    model = type("Model", (), {"bundle": None, "classifier": None})
    options = sys.modules["rushes.capture.analysis"].Tracking()
    plain, corrected_one = open_analyser(model, options), open_analyser(model, options, ANNA)
    picture = np.zeros((4, 4, 3), np.uint8)

    assert (plain.note, corrected_one.note) == ("not calibrated", "")
    assert float(plain.tracker.track(picture, 0)[0].units[JAW]) == pytest.approx(0.6)
    assert float(corrected_one.tracker.track(picture, 0)[0].units[JAW]) == pytest.approx(1.0)
