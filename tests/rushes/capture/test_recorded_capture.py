import contextlib
import json
import os
import re
import signal
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest

from rushes.calibration.performers import Performer
from rushes.capture import loop
from rushes.capture.analysis import TrackingAnalyser
from rushes.capture.json_lines import print_line
from rushes.capture.outputs import Outputs, Take
from rushes.drive.curves import read_curves
from rushes.errors import MisuseError, UserError
from rushes.media.film import open_film
from rushes.take.film import TakeFilm
from rushes.take.recording import CURVES, FILM, LINES, SLATE
from tests.support.actors import MadeUpTracker, made_up_actor
from tests.support.full_disk import disk_of
from tests.support.mjpeg import mjpeg_camera
from tests.support.runtime import draw_frame, write_clip

ORIGIN = {"family": "expression", "version": 7, "digest": "00ff"}


class Tracker(MadeUpTracker):
    """Gives one actor; does something at a frame."""

    def __init__(self, at=-1, act=lambda: None):
        super().__init__([made_up_actor(0, at=(70, 60), size=60, jawOpen=0.5)])
        self.at, self.act = at, act

    def track(self, picture_bgr, time_s):
        """See `FaceTracker`."""
        if len(self.times_s) == self.at:
            self.act()
        return super().track(picture_bgr, time_s)


def record(source, classifier, folder, tracker=None, log=lambda _: None, json_to=os.devnull, **more):
    """Records a capture."""
    analyser = TrackingAnalyser(tracker or Tracker(), classifier, np.zeros((0, 2), int))
    options = {name: more.pop(name) for name in ("timecode", "rate") if name in more}
    outputs = Outputs(json_to=str(json_to), record=Take(folder, **more), **options)
    return loop.capture(str(source), analyser, outputs, log=log, origin=ORIGIN)


def opened(folder):
    """Slate, lines, curves and film of a take; the film's frames have the times of their lines."""
    slate = json.loads((folder / SLATE).read_text())
    lines = [json.loads(line) for line in (folder / LINES).read_text().splitlines()]
    with open_film(folder / FILM) as film:
        frames = list(film.frames())
    for line in lines:
        if line["film_frame"] is not None and line["film_frame"] < len(frames):  # others did not fit on the disk
            frame = frames[line["film_frame"]]
            assert frame.time_s == pytest.approx(line["time_s"] - lines[0]["time_s"], abs=2e-3)
    return slate, lines, read_curves(folder / CURVES), frames


def test_a_film_is_recorded_without_a_loss(clip, classifier, tmp_path):
    """Picture, curves, lines and slate have the same frames; nothing is drawn on the picture."""
    record(clip, classifier, tmp_path / "take01", scene="12A", performers=(Performer("anna"),),
           timecode="10:00:00:00", rate="25", coding="lossless")  # fmt: skip
    slate, lines, curves, frames = opened(tmp_path / "take01")
    with open_film(clip) as film:
        source = [frame.picture_bgr for frame in film.frames()]

    assert [line["film_frame"] for line in lines] == list(range(10))
    assert all(np.array_equal(frame.picture_bgr, was) for frame, was in zip(frames, source, strict=True))
    assert curves.timecodes[:2] == ("10:00:00:00.000", "10:00:00:02.000")  # 12.5 frames/s
    assert [line["timecode"] for line in lines] == [one.rpartition(".")[0] for one in curves.timecodes]
    assert (slate["scene"], slate["take"], slate["performer"]) == ("12A", "take01", "anna")
    assert (slate["model_version"], slate["model_digest"]) == ("expression v7", "00ff")
    assert (slate["timecode"], slate["frame_rate"], slate["state"]) == ("10:00:00:00", "25", "complete")
    assert slate["film"]["frames_written"] == slate["frames_written"] == 10
    assert slate["film"]["frames_lost"] == slate["frames_dropped"] == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_camera_is_recorded_until_a_signal(classifier, tmp_path, number):
    """Its timecode is the time of day; the take is complete, and the summary counts."""
    messages = []
    with mjpeg_camera() as stream:
        record(
            stream.url,
            classifier,
            tmp_path / "take01",
            Tracker(8, lambda: signal.raise_signal(number)),
            messages.append,
        )
    slate, lines, curves, frames = opened(tmp_path / "take01")

    assert len(lines) == len(curves.timecodes) == len(frames) == slate["film"]["frames_written"] == 9
    assert slate["state"] == "complete"
    started, code = datetime.fromisoformat(slate["date"]), [int(part) for part in slate["timecode"].split(":")[:3]]
    apart = started - started.replace(hour=code[0], minute=code[1], second=code[2])
    assert abs(apart.total_seconds()) % 86_400 < 3
    assert slate["frames_dropped"] == lines[-1]["frame"] - lines[0]["frame"] - 8
    assert messages[-1] == f"{tmp_path / 'take01'}: 9 frames recorded"


def test_pictures_that_the_film_lacks_are_counted(clip, classifier, tmp_path, monkeypatch):
    """Here every second one: in the slate, in the last line, and as null in the lines; the film stays in step."""
    put, messages = TakeFilm.put, []

    def losing(film, picture_bgr, time_s):
        if round(time_s * 12.5) % 2:
            film.lost += 1
            return None
        return put(film, picture_bgr, time_s)

    monkeypatch.setattr(TakeFilm, "put", losing)
    record(clip, classifier, tmp_path / "take01", log=messages.append)
    slate, lines, curves, frames = opened(tmp_path / "take01")

    assert [line["film_frame"] for line in lines] == [0, None, 1, None, 2, None, 3, None, 4, None]
    assert (slate["frames_written"], slate["film"]["frames_written"], slate["film"]["frames_lost"]) == (10, 5, 5)
    assert (len(curves.timecodes), len(frames)) == (10, 5)
    assert messages[-1].endswith(
        "10 frames recorded, 5 of them not in the film, since the disk or the processor was too slow"
    )


@pytest.mark.parametrize("coding", ["jpeg", "lossless"])
def test_a_full_disk_ends_with_a_whole_take(tmp_path, classifier, coding):
    """The error names the file; what was written opens again, and the slate states that it was cut short."""
    clip = write_clip(tmp_path / "clip.mp4", frames=200)
    with disk_of(100_000), pytest.raises(UserError, match="cannot be written any further"):
        record(clip, classifier, tmp_path / "take01", coding=coding)
    slate, lines, curves, frames = opened(tmp_path / "take01")

    assert slate["state"] == "cut short"
    assert slate["film"]["frames_written"] == len(frames) > 0
    assert len(lines) == slate["frames_written"] <= len(curves.timecodes) <= len(lines) + 1


def test_another_output_that_fails_cuts_the_take_short(tmp_path, classifier):
    """Here the lines of --json; the take has all frames until then."""
    clip = write_clip(tmp_path / "clip.mp4", frames=200)
    with disk_of(80_000), pytest.raises(UserError, match=r"out\.jsonl cannot be written any further"):
        record(clip, classifier, tmp_path / "take01", json_to=tmp_path / "out.jsonl")
    slate, lines, _, frames = opened(tmp_path / "take01")

    assert slate["state"] == "cut short"
    assert len(frames) == len(lines) == slate["frames_written"] > 3


@pytest.mark.parametrize(
    ("tracker", "lines", "fails"),
    [
        (Tracker(2, lambda: signal.raise_signal(signal.SIGINT)), print_line, True),
        (Tracker(), lambda _: (_ for _ in ()).throw(BrokenPipeError), False),
    ],
    ids=["Ctrl-C", "head"],
)
def test_a_clip_that_is_not_read_to_its_end_is_cut_short(
    clip, classifier, tmp_path, monkeypatch, tracker, lines, fails
):
    """By a signal, or by a reader of the lines who leaves, without an error."""
    monkeypatch.setattr("rushes.capture.outputs.print_line", lines)
    monkeypatch.setattr("rushes.capture.json_lines._drop_stdout", lambda: None)
    with pytest.raises(UserError, match="stopped after frame 3 of 10") if fails else contextlib.nullcontext():
        record(clip, classifier, tmp_path / "take01", tracker, json_to="-")
    slate, found, _, frames = opened(tmp_path / "take01")

    assert slate["state"] == "cut short"
    assert len(found) == len(frames) == slate["frames_written"] == (3 if fails else 1)


CHILD = """
import sys
from pathlib import Path
import rushes.capture.loop as loop
from rushes.expression.classifier import FaceClassifier
from tests.rushes.capture.test_recorded_capture import Tracker, record
from tests.support.runtime import LABELS, SIZE_PX
class Talking(Tracker):
    def track(self, picture_bgr, time_s):
        print(len(self.times_s), flush=True)
        return super().track(picture_bgr, time_s)
source, graph, folder = sys.argv[1:]
record(source, FaceClassifier(Path(graph), LABELS, size_px=SIZE_PX, channels=1), Path(folder), Talking())
"""


def test_a_kill_leaves_a_take_that_opens(bundle_folder, tmp_path):
    """A real process, killed in the middle: all but the last pictures, which waited, are in the film."""
    clip = write_clip(tmp_path / "clip.mp4", frames=3000)
    process = subprocess.Popen(
        [sys.executable, "-c", CHILD, clip, bundle_folder / "expression.onnx", tmp_path / "take01"],
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[3],
    )
    try:
        reached = next(int(line) for line in process.stdout if int(line) >= 60)
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
    slate, lines, curves, frames = opened(tmp_path / "take01")

    assert reached == 60
    assert slate["state"] == "recording"
    assert 60 <= len(lines) <= len(curves.timecodes) <= len(lines) + 1
    assert len(frames) >= len(lines) - 25
    assert np.abs(frames[-1].picture_bgr.astype(int) - draw_frame(len(frames) - 1)).mean() < 8


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"folder": "missing/take"}, "--record .*missing/take: the folder .*missing does not exist"),
        ({"folder": "full"}, "full: the folder has files already; name a new one"),
        (
            {"folder": "take", "scene": "\u5b89" * 200},
            "have 1212 characters on the slate, .* 1000 are allowed: shorten",
        ),
        ({"folder": "take", "timecode": "10:00"}, "10:00 is not a timecode: write HH:MM:SS:FF"),
        ({"folder": "take", "rate": "26"}, "26 is not a frame rate"),
        ({"folder": "take", "timecode": "10:00:00:25", "rate": "25"}, "10:00:00:25 is not a timecode at 25"),
        ({"folder": "take", "timecode": "10:00:00;00"}, "10:00:00;00 is a timecode with drop frame, .* --rate 29.97df"),
        ({"folder": "take", "timecode": "10:01:00:00", "rate": "29.97df"}, "does not exist at 29.97df"),
    ],
)
def test_a_take_is_checked_before_the_first_frame(tmp_path, options, message):
    """Before the model is opened, and without a file."""
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").write_text("x")
    take = Take(tmp_path / options["folder"], options.get("scene", ""))
    with pytest.raises(MisuseError, match=message):
        Outputs(record=take, **{name: value for name, value in options.items() if name in {"timecode", "rate"}}).check(
            "0"
        )

    assert not re.search("take", " ".join(path.name for path in tmp_path.iterdir()))
