import functools
import itertools
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import cv2
import numpy as np
import pytest

from rushes.capture import camera as cameras
from rushes.capture.camera import Camera
from rushes.errors import MisuseError, RushesError
from tests.support.local_server import listening
from tests.support.mjpeg import mjpeg_camera
from tests.support.runtime import write_clip


@pytest.fixture
def stream():
    with mjpeg_camera() as given:
        yield given


def test_a_slow_reader_gets_the_latest_picture(stream):
    """While a picture is being used, older ones are dropped and counted; none is older than a frame when taken."""
    camera, seen = Camera(stream.url), []
    for frame in camera.frames():
        seen.append(frame)
        if len(seen) == 6:
            break
        until = stream.given + 10
        while stream.given < until:  # inference as long as ten frames
            stream.pause.wait(0.002)
    camera.close()
    numbers = [frame.number for frame in seen]

    assert all(later - earlier >= 8 for earlier, later in itertools.pairwise(numbers)), numbers
    assert camera.dropped >= numbers[-1] - len(seen)
    # The brightness is the number of the picture that was sent: no queue lies between the camera and the reader.
    assert [round(float(frame.picture_bgr.mean())) for frame in seen] == pytest.approx(numbers, abs=2)


def test_a_fast_reader_gets_each_picture(monkeypatch):
    """Nothing is dropped as long as the reader takes each picture before the camera gives the next."""
    wanted = threading.Semaphore(1)
    monkeypatch.setattr(cameras, "STALE", 10.0)  # a busy machine may let a picture wait
    monkeypatch.setattr(cameras, "_picture", lambda video: wanted.acquire() and video.read()[1])
    numbers = []
    with mjpeg_camera() as stream:
        camera = Camera(stream.url)
        for frame in camera.frames():
            if frame.picture_bgr is None:
                continue
            numbers.append(frame.number)
            if len(numbers) == 8:
                break
            wanted.release()
        wanted.release()  # the thread may wait for it
        camera.close()

    assert numbers == list(range(8))
    assert camera.dropped == 0


def test_a_pulled_camera_is_waited_for(stream, monkeypatch):
    """Empty frames are given while it is away, both changes are reported once, and its pictures go on."""
    monkeypatch.setattr(cameras, "RETRY_S", 0.05)
    lines, empty, after = [], 0, 0
    camera = Camera(stream.url, lines.append)
    for frame in camera.frames():
        if frame.picture_bgr is None:
            empty += 1
            if empty == 3:
                stream.pulled.clear()
        elif frame.number == 5:
            stream.pulled.set()
        after += frame.picture_bgr is not None and empty > 0
        if after == 5:
            break
    camera.close()

    assert camera.losses == 1
    assert len(lines) == 2
    assert "gives no picture after frame" in lines[0]
    assert "gives pictures again" in lines[1]


def test_a_silent_camera_does_not_stop_the_loop(stream, monkeypatch):
    """Time goes on in empty frames while a read blocks: Ctrl-C is noticed, and a character returns to neutral."""
    monkeypatch.setattr(cameras, "SILENT_S", 0.1)
    monkeypatch.setattr(cameras, "CLOSE_S", 0.1)
    camera, times_s = Camera(stream.url), []
    for frame in camera.frames():
        stream.silent.set()
        if frame.picture_bgr is None:
            times_s.append(frame.time_s)
        if len(times_s) == 3:
            break
    losses = camera.losses
    stream.pulled.set()  # ends the read
    camera.close()

    assert times_s == sorted(times_s)
    assert losses == 0


def test_a_film_by_url_is_refused(tmp_path):
    """Frames of a film must not be dropped."""
    write_clip(tmp_path / "take.mp4")
    handler = functools.partial(SimpleHTTPRequestHandler, directory=tmp_path)
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    with listening(server) as url, pytest.raises(MisuseError, match="is a film, and not a camera: download it"):
        Camera(f"http://{url}/take.mp4")


def test_a_password_of_a_stream_is_not_printed():
    """Network cameras have it in their URL."""
    with pytest.raises(RushesError, match=r"rtsp://\*\*\*@127.0.0.1:9/live cannot be opened"):
        Camera("rtsp://anna:marzipan@127.0.0.1:9/live")


class Device:
    """A camera of one backend."""

    def __init__(self, works):
        self.works, self.set_to = works, {}

    def isOpened(self):  # noqa: N802  # cv2's name
        """True if the backend works."""
        return self.works

    def get(self, _):
        """A camera without a rate."""
        return 0.0

    def set(self, prop, value):
        """Keeps the value."""
        self.set_to[prop] = value

    def read(self):
        """Black pictures."""
        return True, np.zeros((4, 4, 3), np.uint8)

    def release(self):
        """Does nothing."""


@pytest.mark.parametrize(
    ("platform", "works", "tried"),
    [
        ("win32", cv2.CAP_DSHOW, [cv2.CAP_DSHOW]),
        ("win32", cv2.CAP_MSMF, [cv2.CAP_DSHOW, cv2.CAP_MSMF]),
        ("linux", cv2.CAP_ANY, [cv2.CAP_ANY]),
    ],
)
def test_backends_are_tried_in_order(monkeypatch, platform, works, tried):
    """DirectShow comes before Media Foundation; the queue is as short as the driver allows; no rate reads as 24."""
    seen = []
    monkeypatch.setattr("sys.platform", platform)
    monkeypatch.setattr(cv2, "VideoCapture", lambda _, api: seen.append(api) or Device(api == works))
    camera = Camera(0)

    assert seen == tried
    assert camera.fps == 24
    assert camera._video.set_to == {cv2.CAP_PROP_BUFFERSIZE: 1}


@pytest.mark.parametrize(
    ("platform", "allowed", "message"),
    [
        ("linux", True, r"another program may hold it: end that program, which `fuser -v /dev/video0` shows"),
        ("linux", False, r"this user may not open /dev/video0: sudo usermod -aG video \$USER"),
        ("darwin", True, r"another program, such as a video call, may hold it: end that program"),
    ],
)
def test_a_camera_that_is_there_and_does_not_open(monkeypatch, platform, allowed, message):
    """The message names the program that may hold it, or the permission that is missing, and what to do."""
    monkeypatch.setattr("sys.platform", platform)
    monkeypatch.setattr(cv2, "VideoCapture", lambda *_: Device(works=False))
    monkeypatch.setattr(cameras.Path, "exists", lambda path: str(path) == "/dev/video0")
    monkeypatch.setattr(cameras.os, "access", lambda *_: allowed)

    with pytest.raises(RushesError, match=message):
        Camera(0)


def test_a_picture_on_which_opencv_raises_is_damaged(monkeypatch):
    """The thread that reads goes on; it would end in silence, and the camera would count as lost for ever."""
    device, reads = Device(works=True), iter([True, True, False])
    read = device.read
    monkeypatch.setattr(cv2, "VideoCapture", lambda *_: device)
    device.read = lambda: (
        cv2.cvtColor(np.zeros((0, 0, 3), np.uint8), cv2.COLOR_BGR2GRAY) if next(reads, False) else read()
    )
    camera = Camera(0)
    frame = next(camera.frames())
    camera.close()

    assert frame.picture_bgr is not None
    assert (camera.damaged, camera.losses) == (2, 0)


class Stepped(Device):
    """A camera that gives a picture whenever the test lets it."""

    def __init__(self):
        super().__init__(works=True)
        self.ready = threading.Semaphore(0)

    def read(self):
        """A picture, once it is ready."""
        self.ready.acquire()
        return super().read()


class Clock:
    """Time for the test to set; `asked` is called whenever somebody looks."""

    def __init__(self):
        self.now_s, self.asked = 100.0, lambda: None

    def monotonic(self):
        """The present time."""
        self.asked()
        return self.now_s


@pytest.mark.parametrize(
    ("waited_frames", "next_comes", "number"), [(0.35, True, 1), (0.45, True, 2), (0.45, False, 1)]
)
def test_a_stale_picture_is_passed_over(monkeypatch, waited_frames, next_comes, number):
    """A picture that waits for more than 0.4 of a frame gives way to the next one, unless none comes in time."""
    device, clock = Stepped(), Clock()
    monkeypatch.setattr(cv2, "VideoCapture", lambda *_: device)
    monkeypatch.setattr(cameras, "time", clock)
    camera = Camera(0)
    frames = camera.frames()
    device.ready.release()
    assert next(frames).number == 0
    device.ready.release()
    while camera._latest is None:  # picture 1 arrives
        camera._thread.join(0.001)
    clock.now_s += waited_frames / camera.fps
    if next_comes:
        clock.asked = lambda: setattr(clock, "asked", lambda: None) or device.ready.release()  # while it is waited for

    assert next(frames).number == number
    assert camera.dropped == number - 1
    device.ready.release(3)
    camera.close()
