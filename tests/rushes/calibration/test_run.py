import threading

import numpy as np
import pytest

from rushes.calibration.calibration import Calibration, Origin, measure
from rushes.calibration.run import calibrate
from rushes.calibration.session import Session
from rushes.calibration.steps import HARDLY_READ, MOTIONS, NEUTRAL, hardly_read, stem_of, to_repeat
from rushes.capture.frames import Frame
from rushes.errors import NothingFitsError, UserError
from rushes.tracking.face import UNITS
from tests.support.actors import MadeUpTracker
from tests.support.performing import AT_REST, OPEN, PerformingTracker, Stage
from tests.support.runtime import write_clip

ORIGIN = Origin("2026-03-01T10:00:00+01:00", "00ff", {"face_units": "aa"})
PROMPTS = [NEUTRAL.prompt, *(step.prompt for step in MOTIONS)]


def measured(session):
    return measure("anna", ORIGIN, session.at_rest, session.in_motion)


def lines(capsys):
    return [line for line in capsys.readouterr().err.splitlines() if line.strip()]


def test_a_session_has_two_parts(tmp_path, capsys):
    """They start with the first face; each prompt is shown once, in order."""
    clip, found = write_clip(tmp_path / "clip.mp4", frames=50), []
    session = Session(neutral_s=1.0, motion_s=2.0)
    calibrate(
        str(clip), PerformingTracker(seen_from=3), lambda _: session, lambda one: found.append(measured(one)), print
    )

    assert (len(session.at_rest), len(session.in_motion)) == (13, 25)
    assert found[0].neutral["jawOpen"] == pytest.approx(0.2)
    assert found[0].gain == {"jawOpen": pytest.approx(2.5)}
    assert found[0].angles_deg == (3, -10, 1)
    assert lines(capsys) == PROMPTS


class Empty:
    """A camera before which nobody sits; it gives pictures, or none."""

    name, live = "camera 0", True

    def __init__(self, picture):
        self.picture = picture

    def frames(self):
        """A frame every ten seconds."""
        for number in range(100):
            yield Frame(number, 10.0 * number, self.picture)

    def close(self):
        """See `FrameSource`."""


@pytest.mark.parametrize("picture", [None, np.zeros((4, 4, 3), np.uint8)])
def test_a_camera_that_sees_nobody_is_not_waited_for_for_ever(monkeypatch, picture):
    """With pictures or without, for a minute."""
    monkeypatch.setattr("rushes.calibration.run.open_source", lambda *_: Empty(picture))
    tracker = MadeUpTracker([])
    with pytest.raises(NothingFitsError, match="camera 0 sees no face"):
        calibrate("0", tracker, lambda _: Session(), measured, print)

    assert [seen for _, seen in tracker.times_s] == [picture is not None] * 8


@pytest.fixture
def stage(monkeypatch):
    """A camera whose clock the test moves."""
    given = Stage()
    monkeypatch.setattr("rushes.calibration.run.open_source", lambda *_: given)
    yield given
    given.close()


@pytest.mark.parametrize("lost", ["face", "dark"])
def test_time_stands_while_no_face_is_seen(stage, capsys, lost):
    """All steps get their seconds of a face; the terminal names what is missing, and repeats the prompt."""
    session = Session(neutral_s=2.0, motion_s=10.0)
    running = threading.Thread(target=calibrate, args=("0", stage, lambda _: session, measured, print))
    running.start()
    stage.run(1.0)
    stage.face = AT_REST
    stage.run(1.0)
    setattr(stage, lost, None if lost == "face" else True)
    stage.run(30.0)
    at_s, taken = session.time_s, len(session.at_rest)
    setattr(stage, lost, AT_REST if lost == "face" else False)
    stage.run(1.5)
    stage.face = OPEN
    stage.run(10.5)
    running.join(30)

    missing = "waiting for a face before camera 0" if lost == "face" else "waiting for a picture of camera 0"
    assert 0.9 <= at_s <= 1.3
    assert taken >= 10
    assert lines(capsys) == ["waiting for a face before camera 0", PROMPTS[0], missing, *PROMPTS]
    assert not running.is_alive()


def test_the_frames_before_the_neutral_face_do_not_count():
    """Whoever has just sat down may still talk."""
    session = Session(neutral_s=1.0, motion_s=1.0, lead_s=3.0)
    for number in range(41):
        session.add(AT_REST if number >= 24 else OPEN, 0.125)

    assert {face.units[UNITS.index("jawOpen")] for face in session.at_rest} == {AT_REST.units[UNITS.index("jawOpen")]}
    assert (len(session.at_rest), session.ended) == (8, True)


@pytest.mark.parametrize(
    ("time_s", "name", "left_s"),
    [
        (0.0, "Get ready", 3.0),
        (2.75, "Get ready", 0.25),
        (3.0, "Neutral", 5.0),
        (8.0, "Brows up", 2.0),
        (28.0, "Lips and cheeks", 0.0),
    ],
)
def test_each_step_has_a_countdown(time_s, name, left_s):
    """By the clock of the session."""
    session = Session(lead_s=3.0, time_s=time_s)
    number, left = session.now()

    assert (session.plan[number][0].name, left) == (name, pytest.approx(left_s))


def test_each_unit_belongs_to_one_step():
    """So that each has a movement, and one to repeat."""
    stems = [stem for step in MOTIONS for stem in step.stems]

    assert sorted(stems) == sorted({stem_of(unit) for unit in UNITS})
    assert set(stems) > HARDLY_READ


def _unmoved(networks, *units):
    return Calibration(
        performer="anna", date="2026-11-30", model_digest="ab", networks=networks, angles_deg=(0.0, 0.0, 0.0),
        neutral=dict.fromkeys(UNITS, 0.0), gain={unit: 1.0 for unit in UNITS if unit not in units},
    )  # fmt: skip


def test_what_to_repeat_is_named():
    """By its prompt; what MediaPipe's network hardly reads is not worth a repetition."""
    found = _unmoved({"face_units": "aa"}, "browDownLeft", "browDownRight", "noseSneerLeft", "jawLeft", "tongueOut")
    repeated = {step.name: units for step, units in to_repeat(found)}

    assert repeated == {"Brows down": ["browDownLeft", "browDownRight"], "Jaw to the sides": ["jawLeft"]}
    assert hardly_read(found) == ["noseSneerLeft", "tongueOut"]


def test_every_unit_may_be_worth_a_repetition_for_a_model_of_the_family_tracking():
    """It reads what MediaPipe's network does not."""
    found = _unmoved({"face_units": "aa", "tracking graph": "bb"}, "noseSneerLeft", "tongueOut")

    assert hardly_read(found) == []
    assert [units for _, units in to_repeat(found)] == [["noseSneerLeft"], ["tongueOut"]]


def test_a_session_that_fails_ends_with_its_error(stage):
    """Without a page nobody is asked for another."""

    def fail(_):
        message = "the head is turned"
        raise UserError(message)

    stage.face = AT_REST
    pacer = threading.Thread(target=stage.run, args=(3.0,))
    pacer.start()
    with pytest.raises(UserError, match="the head is turned"):
        calibrate("0", stage, lambda _: Session(neutral_s=1.0, motion_s=1.0), fail, print)
    pacer.join(30)
