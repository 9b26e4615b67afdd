"""Faults of cameras, disks, receivers, clocks and second captures, through the whole loop: it goes on, and counts."""

import itertools
import json
import os
import signal
from types import SimpleNamespace

import numpy as np
import pytest
from pythonosc.osc_packet import OscPacket

from rushes.bundle.manifest import read_bundle
from rushes.capture import camera as cameras
from rushes.capture import loop
from rushes.capture import outputs as outputs_module
from rushes.capture.analysis import Tracking, TrackingAnalyser, open_analyser
from rushes.capture.film_writer import ROOM
from rushes.capture.outputs import Outputs, Take
from rushes.drive.curves import read_curves
from rushes.errors import MisuseError, UserError
from rushes.expression.model import ExpressionModel
from rushes.media.film import open_film
from rushes.take.recording import CURVES, FILM, LINES, SLATE
from tests.support.actors import MadeUpTracker, made_up_actor
from tests.support.face_streams import Receiver
from tests.support.filmed_heads import fetch_heads, film_head
from tests.support.full_disk import disk_of
from tests.support.mjpeg import mjpeg_camera
from tests.support.runtime import draw_frame, write_bundle

ACTOR = made_up_actor(0, at=(70, 60), size=60, jawOpen=0.5)
AT_THE_END = 1  # a neutral face
JUNK = b"\x00 not a picture " * 40


class Script(MadeUpTracker):
    """Gives one actor, and does something at some pictures; the last one ends the capture as Ctrl-C does.

    Attributes:
        acts: What is done, by the number of the picture among those that are tracked.
        sizes_px: Width of each picture.
    """

    def __init__(self, frames, acts=None):
        super().__init__([ACTOR])
        self.acts, self.sizes_px = {frames - 1: lambda: signal.raise_signal(signal.SIGINT)} | (acts or {}), []

    def track(self, picture_bgr, time_s):
        """See `FaceTracker`."""
        self.acts.get(len(self.sizes_px), lambda: None)()
        self.sizes_px.append(picture_bgr.shape[1])
        return super().track(picture_bgr, time_s)

    def wait(self, time_s):
        """See `FaceTracker`; a camera that stays away fails the test."""
        assert sum(not seen for _, seen in self.times_s) < 100
        return super().wait(time_s)


@pytest.fixture
def capture(classifier):
    """Captures with a script; gives the summary and the lines that were logged."""

    def run(source, script, **outputs):
        lines = []
        analyser = TrackingAnalyser(script, classifier, np.zeros((0, 2), int), note="")
        outputs = {"json_to": os.devnull} | outputs
        try:
            return loop.capture(source, analyser, Outputs(**outputs), log=lines.append), lines
        except UserError as error:
            error.lines = lines
            raise

    return run


def sent(receiver):
    """Times that a character program has received."""
    messages = [one.message for packet in receiver.waiting() for one in OscPacket(packet).messages]
    return [one.params[0] for one in messages if one.address == "/VMC/Ext/T"]


def take_of(folder):
    """Slate, lines, and pictures of a take."""
    with open_film(folder / FILM) as film:
        pictures = [frame.picture_bgr for frame in film.frames()]
    return json.loads((folder / SLATE).read_text()), (folder / LINES).read_text().splitlines(), pictures


def test_a_camera_is_pulled_and_comes_back_with_another_size(capture, tmp_path, monkeypatch):
    """Each output goes on; film and take keep the size of their first picture."""
    monkeypatch.setattr(cameras, "RETRY_S", 0.05)
    receiver = Receiver()
    with mjpeg_camera([draw_frame(0)]) as small, mjpeg_camera([np.full((240, 320, 3), 90, np.uint8)]) as large:
        opened = cameras.open_video
        monkeypatch.setattr(cameras, "open_video", lambda place: opened(large.url if small.pulled.is_set() else place))
        script = Script(20, {6: small.pulled.set})
        folder, film = tmp_path / "take", tmp_path / "out.mp4"
        summary, lines = capture(
            small.url, script, record=Take(folder), save=film, drive=(f"vmc://127.0.0.1:{receiver.port}",)
        )
    slate, recorded, pictures = take_of(folder)

    assert {*script.sizes_px[:6], *script.sizes_px[8:]} == {160, 320}
    assert (summary.losses, summary.frames) == (1, 20)
    assert "gives no picture after frame" in lines[0]
    assert "gives pictures again" in lines[1]
    assert "the camera was lost 1 time" in lines
    assert slate["state"] == "complete"
    assert len(recorded) == 20
    assert {picture.shape for picture in pictures} == {(120, 160, 3)}
    with open_film(film) as saved:
        assert {frame.picture_bgr.shape for frame in saved.frames()} == {(120, 160, 3)}
    assert len(sent(receiver)) == 20 + sum(not seen for _, seen in script.times_s) + AT_THE_END


def test_damaged_pictures_are_counted_and_passed_over(capture):
    """One that cannot be decoded does not count as a loss of the camera, after which it would wait."""
    with mjpeg_camera([*[draw_frame(0)] * 3, JUNK], rate=25) as stream:
        summary, lines = capture(stream.url, Script(16))

    assert summary.losses == 0
    assert 3 <= summary.damaged <= 6
    assert f"{summary.damaged} pictures of the camera could not be decoded: check its cable" in lines


def test_black_frames_are_counted(capture):
    """With the noise of a camera, but not a dark room."""
    black = np.random.default_rng(0).integers(0, 8, (120, 160, 3), np.uint8)
    dark = draw_frame(0, face=False)
    with mjpeg_camera([black]) as stream:
        summary, lines = capture(stream.url, Script(6))
    with mjpeg_camera([dark]) as stream:
        other, _ = capture(stream.url, Script(6))

    assert (summary.black, other.black) == (6, 0)
    assert "6 frames of the camera without light: check the lens cap, the shutter and the lamps" in lines


@pytest.mark.parametrize("output", ["record", "json_to", "curves", "bvh"])
def test_a_full_disk_ends_one_output_alone(capture, tmp_path, output):
    """The character goes on; at the end the command fails, with what is missing."""
    receiver, places = Receiver(), {"record": Take(tmp_path / "out"), "json_to": str(tmp_path / "out")}
    most = {"record": 60_000, "json_to": 60_000, "curves": 6000, "bvh": 1500}[output]
    outputs = {"drive": (f"vmc://127.0.0.1:{receiver.port}",), output: places.get(output, tmp_path / "out")}
    with mjpeg_camera([draw_frame(0)]) as stream, disk_of(most), pytest.raises(UserError) as raised:
        capture(stream.url, Script(25), **outputs)
    [line] = [line for line in raised.value.lines if "Capture goes on without this output" in line]

    assert len(sent(receiver)) == 25 + AT_THE_END
    assert "File too large" in line
    assert "frames after that are not in it" in str(raised.value)
    if output == "record":
        slate, recorded, _ = take_of(tmp_path / "out")
        assert slate["state"] == "cut short"
        assert len(recorded) == slate["frames_written"] > 3
    if output == "json_to":
        assert len([json.loads(line)["frame"] for line in (tmp_path / "out").read_text().splitlines()]) > 3
    if output == "curves":
        assert len(read_curves(tmp_path / "out").timecodes) > 3


def test_a_full_disk_ends_the_film_alone(capture, tmp_path):
    """In time for it to be complete, though OpenCV does not report failed writes; the curves go on."""
    curves, film = tmp_path / "out.csv", tmp_path / "out.mp4"
    film.write_bytes(b"the film before")
    noise = np.random.default_rng(0).integers(0, 256, (480, 640, 3), np.uint8)
    with mjpeg_camera([noise, noise[::-1]]) as stream, disk_of(len(ROOM) + 300_000), pytest.raises(UserError) as raised:
        capture(stream.url, Script(80), save=film, curves=curves)
    [line] = [line for line in raised.value.lines if "Capture goes on without this output" in line]
    with open_film(film) as saved:
        frames = len(list(saved.frames()))

    assert len(read_curves(curves).timecodes) == 80
    assert f"out.mp4 cannot be written any further: File too large; the {frames} frames until then are kept" in line
    assert frames > 20
    assert "frames after that are not in it" in str(raised.value)
    assert [path.name for path in tmp_path.glob("*.mp4")] == ["out.mp4"]


def test_an_absent_receiver_is_named_once(capture, tmp_path):
    """Its packets are counted; the recording has all frames."""
    receiver = Receiver()
    receiver.socket.close()
    with mjpeg_camera([draw_frame(0)]) as stream:
        drive = (f"vmc://127.0.0.1:{receiver.port}", f"livelink://127.0.0.1:{receiver.port}")
        _, lines = capture(stream.url, Script(10), drive=drive, record=Take(tmp_path / "take"))

    assert sum("no program listens there yet; packets are still sent" in line for line in lines) == 2
    assert sum("packets did not arrive" in line for line in lines) == 2
    assert len(take_of(tmp_path / "take")[1]) == 10


class Clock:
    """The time of this machine, off by so much as the test sets."""

    def __init__(self):
        self.off_s = 0.0

    def monotonic(self):
        """The present time."""
        return cameras_monotonic() + self.off_s


cameras_monotonic = cameras.time.monotonic


@pytest.mark.parametrize("jump_s", [3600.0, -3600.0])
def test_a_clock_jumps_by_an_hour(capture, tmp_path, monkeypatch, jump_s):
    """Times ascend; an hour that has passed, as in sleep, stands in the take, and is left out of the film of --save."""
    clock, folder, film = Clock(), tmp_path / "take", tmp_path / "out.mp4"
    monkeypatch.setattr(cameras, "time", clock)
    script = Script(16, {6: lambda: setattr(clock, "off_s", jump_s)})
    with mjpeg_camera([draw_frame(0)]) as stream:
        summary, lines = capture(stream.url, script, record=Take(folder), save=film)
    times_s = [time_s for time_s, seen in script.times_s if seen]
    [*_, last] = read_curves(folder / CURVES).timecodes
    with open_film(film) as saved:
        frames = len(list(saved.frames()))

    assert (summary.frames, summary.losses) == (16, 0)
    assert all(later > earlier for earlier, later in itertools.pairwise(times_s))
    assert times_s[-1] - times_s[0] == pytest.approx(max(0.0, jump_s), abs=5)
    assert len(take_of(folder)[1]) == 16
    assert last
    assert frames < 250
    assert any("leaves out 3600 s without a picture" in line for line in lines) == (jump_s > 0)


def test_the_time_of_day_jumps(capture, tmp_path, monkeypatch):
    """It is read at the start alone: timecodes go on as before."""
    days = iter(range(1, 20))
    moved = SimpleNamespace(
        now=lambda: outputs_datetime.fromisoformat(f"2026-03-{next(days):02}T10:00:00"),
    )
    outputs_datetime = outputs_module.datetime
    monkeypatch.setattr(outputs_module, "datetime", moved)
    with mjpeg_camera([draw_frame(0)]) as stream:
        capture(stream.url, Script(8), record=Take(tmp_path / "take"), rate="25")
    timecodes = read_curves(tmp_path / "take" / CURVES).timecodes

    assert timecodes[0].startswith("10:00:0")
    assert timecodes == tuple(sorted(timecodes))
    assert timecodes[-1].startswith("10:00:0")


def test_a_second_capture_of_a_camera_for_one_program(capture):
    """It is refused with what to do; the first goes on."""
    with mjpeg_camera([draw_frame(0)], shared=False) as stream:

        def second():
            with pytest.raises(UserError, match=r"cannot be opened: .*some cameras serve one program at a time"):
                capture(stream.url, Script(3))

        summary, _ = capture(stream.url, Script(10, {4: second}))

    assert (summary.frames, summary.losses) == (10, 0)


@pytest.mark.parametrize("late", [False, True])
def test_a_second_capture_into_the_folder_of_a_take(capture, tmp_path, monkeypatch, late):
    """It is refused, also where both have found the folder new; the take of the first is whole."""
    with mjpeg_camera([draw_frame(0)]) as stream:

        def second():
            if late:
                monkeypatch.setattr("rushes.capture.outputs.check_new", lambda _: None)
                monkeypatch.setattr("rushes.take.recording.check_new", lambda _: None)
            with pytest.raises(MisuseError, match="name a new"):
                capture(stream.url, Script(3), record=Take(tmp_path / "take"))

        capture(stream.url, Script(10, {4: second}), record=Take(tmp_path / "take"))
    slate, recorded, pictures = take_of(tmp_path / "take")

    assert (slate["state"], len(recorded), len(pictures)) == ("complete", 10, 10)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("web", r"port \d+ cannot be listened on"),
        ("curves", "curves is being written by another program"),
        ("save", r"out\.mp4 is being written by another program"),
        ("drive", "the host a..b is not known"),
    ],
)
def test_a_second_capture_with_one_of_the_same_outputs(capture, tmp_path, name, message):
    """It fails at the port of the page, or at a file, and has emptied no file of the first, nor another one."""
    port = Receiver().port  # free for TCP, too
    same = {"json_to": str(tmp_path / "lines"), "curves": tmp_path / "curves", "save": tmp_path / "out.mp4"}
    same |= {"web": str(port)}
    own = {"json_to": str(tmp_path / "own"), "bvh": tmp_path / "own.bvh", name: same.get(name, ("vmc://a..b",))}
    for file in ("own", "own.bvh"):
        (tmp_path / file).write_text("before")
    with mjpeg_camera([draw_frame(0)]) as stream:

        def second():
            with pytest.raises(UserError, match=message):
                capture(stream.url, Script(3), **own)

        capture(stream.url, Script(10, {4: second}), **same)

    assert [(tmp_path / file).read_text() for file in ("own", "own.bvh")] == ["before"] * 2
    assert len((tmp_path / "lines").read_text().splitlines()) == 10
    assert len(read_curves(tmp_path / "curves").timecodes) == 10


def test_a_second_capture_into_a_film(capture, tmp_path):
    """It is refused; the film of the first has the pictures of the first alone."""
    film = tmp_path / "out.mp4"
    with mjpeg_camera([draw_frame(0)]) as stream:

        def second():
            with pytest.raises(UserError, match=r"/out\.mp4 is being written by another program"):
                capture(stream.url, Script(3), save=film)

        capture(stream.url, Script(20, {4: second}), save=film)
    with open_film(film) as saved:
        assert len(list(saved.frames())) > 5
    assert [path.name for path in tmp_path.glob("*.mp4")] == ["out.mp4"]


@pytest.mark.slow
def test_a_real_face_survives_faults(blazeface_file, full_range_file, landmark_files, tmp_path, monkeypatch):
    """Rendered heads and the real networks: black and damaged pictures, then another size."""
    monkeypatch.setattr(cameras, "RETRY_S", 0.05)
    roles = {**dict(zip(landmark_files, ("face_landmarks", "face_units", "face_geometry"), strict=True))}
    write_bundle(tmp_path / "bundle", blazeface_file.read_bytes(), {**roles, full_range_file: "detector_full_range"})
    head = film_head(fetch_heads(tmp_path)).picture_bgr
    black, other = np.zeros_like(head), np.pad(head, ((60, 60), (200, 0), (0, 0)))
    analyser = open_analyser(ExpressionModel(read_bundle(tmp_path / "bundle")), Tracking())
    analyses, analyse = [], analyser.analyse
    with (
        mjpeg_camera([*[head] * 10, JUNK, *[head] * 5, *[black] * 4], rate=10) as small,
        mjpeg_camera([other], rate=10) as large,
    ):
        opened = cameras.open_video
        monkeypatch.setattr(cameras, "open_video", lambda place: opened(large.url if small.pulled.is_set() else place))

        def noted(frame):
            analyses.append(analyse(frame))
            seen = [one for one in analyses if one.frame.picture_bgr is not None]
            if len(seen) == 30:
                small.pulled.set()
            if len(seen) == 40:
                signal.raise_signal(signal.SIGINT)
            return analyses[-1]

        summary = loop.capture(
            small.url, SimpleNamespace(analyse=noted, edges=analyser.edges, note=""), Outputs(json_to=os.devnull)
        )
    states = [
        (one.frame.picture_bgr.shape, bool(one.frame.picture_bgr.any()), [actor.state for actor in one.actors])
        for one in analyses
        if one.frame.picture_bgr is not None
    ]

    assert {actor.actor for one in analyses for actor in one.actors} == {0}
    assert all(seen == ["tracked"] for _, lit, seen in states[3:25] if lit), states
    larger = [seen for shape, _, seen in states if shape == other.shape]
    assert larger[3:] == [["tracked"]] * (len(larger) - 3)
    assert len(larger) > 5
    assert (summary.losses, summary.damaged > 0, summary.black > 0) == (1, True, True)
