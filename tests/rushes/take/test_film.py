import threading

import cv2
import numpy as np
import pytest

from rushes.capture.video_source import cut_short
from rushes.drive.timecode import TakeClock, frame_of, rate_of
from rushes.errors import UserError
from rushes.media.film import open_film
from rushes.media.film_headers import timecode_of
from rushes.take import film
from rushes.take.film import TakeFilm
from rushes.take.matroska import JPEG, MatroskaFile
from tests.support.full_disk import disk_of
from tests.support.runtime import draw_frame

TIMES_S = (0.0, 0.033, 0.067, 0.1, 0.4, 0.41, 2.0)  # of a camera that stumbles


def filmed(path, coding="jpeg", times_s=TIMES_S, *, live=False):
    made = TakeFilm(path, coding, 30.0, live=live)
    numbers = [made.put(draw_frame(number), time_s) for number, time_s in enumerate(times_s)]
    made.close()
    return made, numbers


def put_all(made, pictures):
    for number, picture_bgr in enumerate(pictures):
        made.put(picture_bgr, number / 25)


def frames_of(path):
    """Time and picture of each frame by PyAV, and the pictures by OpenCV: two readers, which must agree."""
    video, seen = cv2.VideoCapture(str(path)), []
    while (read := video.read())[0]:
        seen.append(read[1])
    with open_film(path) as opened:
        frames = list(opened.frames())
    assert len(seen) == len(frames)
    return frames, opened


@pytest.mark.parametrize("coding", ["jpeg", "lossless"])
def test_each_picture_has_its_own_time(tmp_path, coding):
    """A camera's rate varies; the film keeps the time of each picture to a thousandth of a second."""
    made, numbers = filmed(tmp_path / "camera.mkv", coding)
    frames, opened = frames_of(tmp_path / "camera.mkv")

    assert [frame.time_s for frame in frames] == pytest.approx(TIMES_S, abs=1e-6)
    assert numbers == [0, 1, 2, 3, 4, 5, 6]
    assert (made.written, made.lost) == (7, 0)
    assert opened.fps == 30
    assert opened.duration_s == pytest.approx(2.0 + 1 / 30, abs=1e-3)
    for number, frame in enumerate(frames):
        error = np.abs(frame.picture_bgr.astype(int) - draw_frame(number))
        assert error.max() == 0 if coding == "lossless" else error.mean() < 1


@pytest.mark.parametrize("rate", ["25", "29.97df"])
def test_it_starts_at_the_timecode_of_its_first_picture(tmp_path, rate):
    """Two readers agree: PyAV's, and ours without PyAV. A film without a clock has none."""
    clock = TakeClock.from_label("10:00:00:00", rate_of(rate))
    for name, label in (("a.mkv", clock.label), ("b.mkv", lambda _: "")):
        made = TakeFilm(tmp_path / name, "jpeg", float(clock.rate.fps), live=False, label=label)
        for number in range(3):
            made.put(draw_frame(number), (number + 25) / float(clock.rate.fps))
        made.close()
    frames, opened = frames_of(tmp_path / "a.mkv")

    assert opened.timecode == timecode_of(tmp_path / "a.mkv") == clock.label(25 / float(clock.rate.fps))
    assert frame_of(opened.timecode, clock.rate) == clock.start + 25
    assert len(frames) == 3
    assert timecode_of(tmp_path / "b.mkv") == ""


def test_the_index_leads_to_a_time(tmp_path):
    """A player that jumps to 2 s gets that picture."""
    import av  # noqa: PLC0415  # for this test alone

    filmed(tmp_path / "camera.mkv", times_s=np.arange(100) / 25)
    with av.open(str(tmp_path / "camera.mkv")) as opened:
        opened.seek(2_000_000)
        assert float(next(opened.decode(video=0)).time) == pytest.approx(2.0, abs=0.05)


def test_it_is_readable_before_it_is_closed(tmp_path):
    """As after a kill; and a copy that lacks its end is found to be cut short once the film was closed."""
    made = MatroskaFile(tmp_path / "a.mkv", JPEG, (160, 120), 25.0)
    for number in range(5):
        made.append(cv2.imencode(".jpg", draw_frame(number))[1].tobytes(), number / 25)
    assert len(frames_of(tmp_path / "a.mkv")[0]) == 5
    made.close()

    assert len(frames_of(tmp_path / "a.mkv")[0]) == 5
    assert cut_short(tmp_path / "a.mkv") == ""
    (tmp_path / "b.mkv").write_bytes((tmp_path / "a.mkv").read_bytes()[:-10])
    assert "cut short" in cut_short(tmp_path / "b.mkv")


def test_pictures_of_another_size_are_fitted(tmp_path):
    """All frames have the size of the first."""
    made = TakeFilm(tmp_path / "camera.mkv", "jpeg", 25.0, live=False)
    made.put(draw_frame(0), 0.0)
    made.put(np.full((400, 300, 3), 250, np.uint8), 0.04)
    made.close()
    frames, _ = frames_of(tmp_path / "camera.mkv")

    assert [frame.picture_bgr.shape for frame in frames] == [(120, 160, 3)] * 2
    assert frames[1].picture_bgr[60, 80].min() > 240
    assert frames[1].picture_bgr[60, 5].max() < 10


class Stalled:
    """A disk that stands still until it is let go."""

    def __init__(self, monkeypatch):
        self.go = threading.Event()
        append = MatroskaFile.append

        def late(file, *what):
            assert self.go.wait(10)
            append(file, *what)

        monkeypatch.setattr(MatroskaFile, "append", late)


def test_a_slow_disk_loses_pictures_of_a_camera_and_delays_nobody(tmp_path, monkeypatch):
    """Pictures beyond the queue are lost and counted; numbers of the film have no gap."""
    disk = Stalled(monkeypatch)
    made = TakeFilm(tmp_path / "camera.mkv", "jpeg", 25.0, live=True)
    numbers = [made.put(draw_frame(0), number / 25) for number in range(film.WAITING + 20)]
    disk.go.set()
    made.close()
    taken = [number for number in numbers if number is not None]

    assert film.WAITING <= len(taken) <= film.WAITING + 1  # the writer has one in its hands
    assert taken == list(range(len(taken)))
    assert made.lost == len(numbers) - len(taken)
    assert made.written == len(taken) == len(frames_of(tmp_path / "camera.mkv")[0])


def test_a_file_as_source_loses_none(tmp_path, monkeypatch):
    """It waits for the disk."""
    disk, made = Stalled(monkeypatch), TakeFilm(tmp_path / "camera.mkv", "jpeg", 25.0, live=False)
    numbers = []

    def put_all():
        numbers.extend(made.put(draw_frame(0), number / 25) for number in range(2 * film.WAITING))

    source = threading.Thread(target=put_all)
    source.start()
    disk.go.set()
    source.join(30)
    made.close()

    assert numbers == list(range(2 * film.WAITING))
    assert (made.lost, made.written) == (0, 2 * film.WAITING)


def test_a_full_disk_is_an_error_of_the_user(tmp_path):
    """Of the next picture, or of the end; the pictures until then are readable."""
    made = TakeFilm(tmp_path / "camera.mkv", "lossless", 25.0, live=False)
    noise = np.random.default_rng(0).integers(0, 256, (120, 160, 3), np.uint8)
    with disk_of(300_000):
        with pytest.raises(UserError, match=r"camera.mkv cannot be written any further.*; the \d frames until then"):
            put_all(made, [noise] * 100)
        with pytest.raises(UserError, match="any further"):
            made.close()
        made.close()

    assert len(frames_of(tmp_path / "camera.mkv")[0]) == made.written > 3


def test_a_bug_in_the_thread_is_raised(tmp_path, monkeypatch):
    """And nobody waits for ever."""

    def fail(*_):
        message = "planted"
        raise ValueError(message)

    monkeypatch.setattr(TakeFilm, "_coded", fail)
    made = TakeFilm(tmp_path / "camera.mkv", "jpeg", 25.0, live=False)
    with pytest.raises(ValueError, match="planted"):
        put_all(made, [draw_frame(0)] * (10 * film.WAITING))
    with pytest.raises(ValueError, match="planted"):
        made.close()
