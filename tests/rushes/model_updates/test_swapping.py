import itertools
import json
import os
import signal
import threading
from types import SimpleNamespace

import pytest

from rushes.capture import loop
from rushes.capture.outputs import Outputs, Take
from rushes.errors import RushesError
from rushes.model_updates.frame_budget import MIN_KNOWN, TRIAL_FRAMES
from rushes.store.store import origin_of
from rushes.store.swap_backs import read_swap_backs
from tests.support.follows import FPS, Paced, frames
from tests.support.mjpeg import mjpeg_camera

INTERVAL_S = 1 / FPS


def test_every_frame_is_given_out_once(following):
    """Before, at and after two swaps; each analysis names the model that made it."""
    found = following.run(frames(0, 5))
    following.promote(8)
    found += following.run(frames(5, 8))
    following.promote(7)
    found += following.run(frames(8, 12))

    assert found == [*((number, 7) for number in range(5)), *((number, 8) for number in (5, 6, 7)),
                     *((number, 7) for number in range(8, 12))]  # fmt: skip
    assert following.lines == [
        "expression v8 is in use from frame 5 on, after expression v7",
        "expression v7 is in use from frame 8 on, after expression v8",
    ]


def test_a_live_capture_loses_no_frame_in_a_swap(following, tmp_path):
    """A camera over HTTP, the follower on its thread: every picture that was not dropped for a later one has a line."""
    swapped = threading.Event()
    following.analysers[8] = Paced(following.clock)
    analyse = following.analysers[8].analyse

    def last(frame):
        if len(following.analysers[8].seen) == 5:
            swapped.set()
            signal.raise_signal(signal.SIGINT)
        return analyse(frame)

    following.analysers[8].analyse = last
    following.follower.start(interval_s=0.1)
    outputs = Outputs(json_to=str(tmp_path / "out.jsonl"))
    with mjpeg_camera(rate=25) as stream:
        threading.Timer(0.3, lambda: following.registry.aliases.update(champion=8)).start()
        summary = loop.capture(stream.url, following.swapping, outputs)
    following.follower.close()
    lines = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    numbers = [line["frame"] for line in lines if "error" not in line]
    versions = [line["model"]["version"] for line in lines]

    assert swapped.is_set()
    assert numbers == sorted(set(numbers))
    assert len(numbers) == summary.frames == numbers[-1] + 1 - summary.dropped
    assert versions == sorted(versions)
    assert set(versions) == {7, 8}


def test_lines_of_a_take_name_their_model(following, clip, tmp_path):
    """The slate has the one with which it began."""
    analyse = following.analyser(7).analyse
    following.analyser(7).analyse = lambda frame: (frame.number == 3 and following.promote(8)) or analyse(frame)
    outputs = Outputs(json_to=os.devnull, record=Take(tmp_path / "take01"))
    loop.capture(str(clip), following.swapping, outputs, origin=origin_of(following.follower.running))
    lines = [json.loads(line) for line in (tmp_path / "take01" / "lines.jsonl").read_text().splitlines()]

    assert [line["model"]["version"] for line in lines] == [7] * 4 + [8] * 6
    assert json.loads((tmp_path / "take01" / "slate.json").read_text())["model_version"] == "expression v7"


@pytest.mark.parametrize("error", [ValueError("operands"), RushesError("the graph fails")])
def test_a_version_that_raises_is_swapped_back(following, error):
    """The frame on which it raised is analysed by the one before; it is reported and not tried again."""
    found = following.run(frames(0, 5))
    following.analysers[8] = Paced(following.clock, fails=error)
    following.promote(8)
    found += following.run(frames(5, 8))
    following.promote(8)
    found += following.run(frames(8, 10))

    assert found == [(number, 7) for number in range(10)]
    assert (following.analysers[8].seen, following.prepared) == ([5], [8])
    assert following.lines[1].startswith(
        "expression v8 was swapped back to expression v7, and is not tried again until expression@champion names "
        "another version: frame 5 failed: "
    )
    assert str(error) in following.lines[1]
    assert following.lines[1].endswith("To stay with expression v7: rushes pin expression@7")
    following.promote(9)
    assert following.run(frames(10, 11)) == [(10, 9)]


def test_a_version_that_raises_later_is_swapped_back_too(following):
    """After its trial, as long as the one before is there; a fault of the first one ends the capture, as without it."""
    following.run(frames(0, 5))
    following.promote(8)
    found = following.run(frames(5, 5 + TRIAL_FRAMES + 10))
    following.analysers[8].fails = ValueError("late")
    found += following.run(frames(5 + TRIAL_FRAMES + 10, 90))
    following.analysers[7].fails = ValueError("none to take over")

    assert [version for _, version in found] == [8] * (TRIAL_FRAMES + 10) + [7] * (75 - TRIAL_FRAMES)
    with pytest.raises(ValueError, match="none to take over"):
        following.run(frames(90, 91))


@pytest.mark.parametrize("later", [0, TRIAL_FRAMES + 10])
def test_a_frame_that_no_version_can_analyse_blames_none(following, tmp_path, later):
    """On trial or long after it: the capture ends, as with the first version, and the next one begins with the new."""
    following.run(frames(0, 5))
    following.promote(8)
    following.run(frames(5, 5 + later))
    for version in (7, 8):
        following.analyser(version).fails = ValueError("operands")
    with pytest.raises(ValueError, match="operands"):
        following.run(frames(5 + later, 6 + later))

    assert read_swap_backs(tmp_path / "store/expression") == {}
    assert not [line for line in following.lines if "swapped back" in line]


def test_a_change_that_fails_is_swapped_back(following, monkeypatch):
    """Between two frames, before any frame is analysed."""

    def change(_):
        raise TypeError

    monkeypatch.setattr(following.follower, "_prepare", lambda *_: change)
    following.promote(8)

    assert following.run(frames(0, 2)) == [(0, 7), (1, 7)]
    assert "v8 was swapped back to expression v7" in following.lines[0]


@pytest.mark.parametrize(
    ("before_s", "after_s", "swapped_back"),
    [
        (0.010, 0.041, True),  # above the camera's interval of 40 ms
        (0.010, 0.039, True),  # within it, but far above the version before
        (0.015, 0.039, False),
        (0.001, 0.019, False),  # many times as long, but without strain
        (0.001, 0.021, True),
        (0.060, 0.100, False),  # neither can keep to the interval
        (0.060, 0.200, True),
    ],
)
def test_a_version_that_is_too_slow_is_swapped_back(following, before_s, after_s, swapped_back):
    """Once so many frames are late that 95 % of the trial cannot be in time; frames of a face count."""
    following.analyser(7).took_s = before_s
    following.run(frames(0, MIN_KNOWN))
    following.analysers[8] = Paced(following.clock, after_s)
    following.promote(8)
    versions = [version for _, version in following.run(frames(MIN_KNOWN, 100))]

    assert versions == ([8] * 4 + [7] * (76) if swapped_back else [8] * 80)
    assert [line for line in following.lines if "swapped back" in line] == following.lines[1:]
    assert ("4 of 4 frames took more than" in following.lines[-1]) == swapped_back


def test_a_few_late_frames_are_borne(following):
    """5 % of a trial, such as while another process starts."""
    following.run(frames(0, MIN_KNOWN))
    late = itertools.chain([0.2] * 3, itertools.repeat(0.01))
    slow = following.analysers[8] = Paced(following.clock)
    analyse = slow.analyse
    slow.analyse = lambda frame: setattr(slow, "took_s", next(late)) or analyse(frame)
    following.promote(8)

    assert {version for _, version in following.run(frames(MIN_KNOWN, 200))} == {8}


@pytest.mark.parametrize(("live", "face"), [(True, False), (False, True)])
def test_no_budget_of_films_and_of_frames_without_a_face(following, live, face):
    """A film waits, and a frame without a face does not run the new network."""
    following.run(frames(0, MIN_KNOWN, live=live))
    following.analysers[8] = Paced(following.clock, 1.0, face=face)
    following.promote(8)

    assert {version for _, version in following.run(frames(MIN_KNOWN, 100, live=live))} == {8}


def test_a_rollback_reaches_a_version_on_trial(following):
    """Also where nobody is before the camera, and the trial does not end; the first one can still take over."""
    following.run(frames(0, MIN_KNOWN))
    following.analysers[8] = Paced(following.clock, face=False)
    following.promote(8)
    found = following.run(frames(MIN_KNOWN, 100))
    following.analysers[9] = Paced(following.clock, fails=ValueError())
    following.promote(9)
    found += following.run(frames(100, 102))

    assert [version for _, version in found] == [8] * 80 + [7] * 2
    assert "expression v9 was swapped back to expression v7" in following.lines[2]


def test_a_version_prepared_for_one_that_was_swapped_back_is_prepared_again(following, monkeypatch):
    """The part of an analyser that stays depends on the version that runs."""
    following.run(frames(0, 5))
    following.promote(8)
    following.run(frames(5, 6))
    prepare = following.prepare

    def meanwhile(bundle, running):
        if following.prepared == [8]:
            following.analysers[8].fails = ValueError()
            following.run(frames(6, 7))
        return prepare(bundle, running)

    monkeypatch.setattr(following.follower, "_prepare", meanwhile)
    following.promote(9)
    found = following.run(frames(7, 8))
    following.follower.poll()

    assert found + following.run(frames(8, 9)) == [(7, 7), (8, 9)]
    assert following.prepared == [8, 9, 9]


def test_a_version_prepared_beside_another_model_is_prepared_again(following):
    """Such as with a calibration for the network that has read the units until then."""
    beside = ["units v1"]
    following.follower._beside = lambda: beside[0]
    following.promote(8)
    beside[0] = "units v2"
    found = following.run(frames(0, 1))
    following.follower.poll()

    assert found + following.run(frames(1, 2)) == [(0, 7), (1, 8)]
    assert following.prepared == [8, 8]


def test_the_note_of_the_registry_is_added(following):
    """To that of the analyser, and to each analysis."""
    following.analyser(7).note = "not calibrated"
    assert following.swapping.note == "not calibrated"
    following.move_to("http://127.0.0.1:9")
    following.follower.poll()
    analysis = following.swapping.analyse(next(frames(0, 1)))

    assert following.swapping.note.startswith("not calibrated; registry not reachable since ")
    assert following.swapping.note.endswith(analysis.model.note)


def test_the_note_is_drawn_and_summed_up_as_it_is_then(following, clip, tmp_path, monkeypatch):
    """It changes during a capture."""
    drawn, lines = [], []
    overlay = SimpleNamespace(note="", draw=lambda picture_bgr, *_: drawn.append(overlay.note) or picture_bgr)
    monkeypatch.setattr(loop, "Overlay", lambda *_: overlay)
    analyse = following.analyser(7).analyse
    notes = iter(["", "registry not reachable", "", "away again"])
    following.analyser(7).analyse = lambda frame: (
        setattr(following.follower, "note", next(notes, "away again")) or analyse(frame)
    )
    outputs = Outputs(json_to=str(tmp_path / "out.jsonl"), save=tmp_path / "out.mp4")
    loop.capture(str(clip), following.swapping, outputs, log=lines.append)

    assert drawn[:4] == ["", "registry not reachable", "", "away again"]
    assert lines[-1] == "away again"
