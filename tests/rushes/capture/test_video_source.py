import os

import cv2
import numpy as np
import pytest

from rushes.capture.video_source import OpenCvClip, cut_short, open_source
from rushes.errors import MisuseError, RushesError
from tests.support.runtime import draw_frame, write_clip


def _index_first(path):
    """Moves an MP4's index before its pictures, as cameras and editors do for streaming."""
    data, boxes, offset = path.read_bytes(), {}, 0
    while offset < len(data):
        length = int.from_bytes(data[offset : offset + 4], "big")
        boxes[data[offset + 4 : offset + 8]] = bytearray(data[offset : offset + length])
        offset += length
    index = boxes.pop(b"moov")
    table = index.index(b"stco") + 12  # offset of each run of pictures from the start of the file
    for entry in range(table, table + 4 * int.from_bytes(index[table - 4 : table], "big"), 4):
        index[entry : entry + 4] = (int.from_bytes(index[entry : entry + 4], "big") + len(index)).to_bytes(4, "big")
    path.write_bytes(boxes.pop(b"ftyp") + index + b"".join(boxes.values()))


def test_a_clip_gives_each_frame_with_its_time(clip):
    """Numbers from 0, times from the frame rate, the size of the film."""
    source = open_source(str(clip))
    frames = list(source.frames())
    source.close()

    assert (source.fps, source.total, source.live) == (12.5, 10, False)
    assert [frame.number for frame in frames] == list(range(10))
    assert frames[5].time_s == pytest.approx(0.4)
    assert frames[0].picture_bgr.shape == (120, 160, 3)


def test_a_folder_counts_as_a_person_does(tmp_path):
    """2 precedes 10; other files and hidden ones are skipped; a name need not be Latin."""
    for name in ("shot 10.png", "shot 2.png", "Übung 1.PNG", ".hidden.png", "notes.txt"):
        (tmp_path / name).write_bytes(cv2.imencode(".png", draw_frame(0))[1].tobytes())
    frames = list(open_source(str(tmp_path)).frames())

    assert [frame.file for frame in frames] == ["shot 2.png", "shot 10.png", "Übung 1.PNG"]
    assert all(frame.picture_bgr is not None for frame in frames)


def test_a_picture_that_cannot_be_decoded_comes_without_pixels(tmp_path):
    """One bad file does not stop a folder, nor does a pipe; a single picture is a source too."""
    (tmp_path / "bad.jpg").write_bytes(b"no picture")
    os.mkfifo(tmp_path / "pipe.jpg")

    assert [frame.picture_bgr for frame in open_source(str(tmp_path)).frames()] == [None, None]
    assert [frame.file for frame in open_source(str(tmp_path / "bad.jpg")).frames()] == ["bad.jpg"]


def test_an_empty_folder_and_a_missing_file_are_misuse(tmp_path):
    """Both errors name the kinds of source."""
    with pytest.raises(MisuseError, match=r"has no picture \(\.avif, \.bmp"):
        open_source(str(tmp_path))
    with pytest.raises(MisuseError, match="--source takes a clip"):
        open_source(str(tmp_path / "missing.mp4"))
    with pytest.raises(MisuseError, match="there is no source of that name"):  # not the pictures of this folder
        open_source("")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda data: data[: len(data) // 2], "it is cut short .* copy it again"),
        (lambda _: b"", "it is empty"),
        (lambda _: b"just a text", "it holds no moving pictures"),
        (lambda data: data[: data.index(b"moov") - 4], "it has no index"),
    ],
)
def test_a_clip_that_cannot_be_opened_gives_the_reason(clip, damage, message):
    """Cut short, empty, another format, or never ended."""
    clip.write_bytes(damage(clip.read_bytes()))

    with pytest.raises(RushesError, match=f"cannot be opened: {message}"):
        open_source(str(clip))


def test_a_clip_that_ends_early_gives_what_it_has(tmp_path):
    """With its index in front a cut film plays to the cut; then an error is raised."""
    clip = write_clip(tmp_path / "clip.mp4", frames=60)
    _index_first(clip)
    os.truncate(clip, clip.stat().st_size - 200)
    seen = []

    with pytest.raises(RushesError, match=r"ends at frame \d+ of 60: it is cut short"):
        seen.extend(frame.number for frame in open_source(str(clip)).frames())


@pytest.mark.parametrize("suffix", [".avi", ".mkv"])
def test_other_containers(tmp_path, suffix):
    """AVI and Matroska are read; a truncated one is detected by its declared size."""
    clip = tmp_path / f"clip{suffix}"
    video = cv2.VideoWriter(str(clip), cv2.VideoWriter.fourcc(*"MJPG"), 25, (160, 120))
    for number in range(20):
        video.write(draw_frame(number))
    video.release()

    assert len(list(open_source(str(clip)).frames())) == 20
    os.truncate(clip, clip.stat().st_size // 2)
    with pytest.raises(RushesError, match=r"ends at frame \d+.*cut short"):
        list(open_source(str(clip)).frames())


def test_a_recording_that_does_not_know_its_size_is_whole(tmp_path):
    """A streamed Matroska has the size `unknown`: all ones."""
    (tmp_path / "live.mkv").write_bytes(b"\x1a\x45\xdf\xa3\x81\x00\x18\x53\x80\x67\x01" + b"\xff" * 7 + b"pictures")

    assert cut_short(tmp_path / "live.mkv") == ""


class Phone:
    """A film whose clock the test sets."""

    def __init__(self, times_s):
        self.times_s, self.at = times_s, -1

    def isOpened(self):  # noqa: N802  # cv2's name
        """True."""
        return True

    def get(self, what):
        """Ten frames a second in the header, and the time of the last one."""
        return {cv2.CAP_PROP_FPS: 10.0, cv2.CAP_PROP_POS_MSEC: 1000 * self.times_s[self.at]}.get(what, 0.0)

    def set(self, what, value):
        """Refuses: packets are not available."""

    def release(self):
        """Does nothing."""

    def read(self):
        """Black pictures, one at a time."""
        self.at += 1
        return self.at < len(self.times_s), np.zeros((4, 4, 3), np.uint8)


@pytest.mark.parametrize(
    ("stamp_s", "expected_s"),
    [
        ((0.0, 0.04, 0.3, 0.34), (0.0, 0.04, 0.3, 0.34)),
        ((0.0, 0.0, 0.0, 0.0), (0.0, 0.1, 0.2, 0.3)),
        ((0.0, 95443.7, 95443.8, 95443.9), (0.0, 0.1, 0.2, 0.3)),
    ],
)
def test_a_frame_stands_at_the_time_of_the_film(monkeypatch, tmp_path, stamp_s, expected_s):
    """Without PyAV too: phones film at a variable rate; a clock that stops or jumps is not used."""
    monkeypatch.setattr(cv2, "VideoCapture", lambda *_: Phone(stamp_s))
    (tmp_path / "clip.mp4").write_bytes(b"pictures")

    assert [frame.time_s for frame in OpenCvClip(tmp_path / "clip.mp4").frames()] == pytest.approx(expected_s)


def test_a_missing_camera_names_what_to_check():
    """A number without a camera."""
    with pytest.raises(RushesError, match="camera 97 cannot be opened: there is no /dev/video97: plug it in"):
        open_source("97")


def test_a_folder_called_by_a_number_is_named(tmp_path, monkeypatch):
    """A day's takes often lie in a folder named after its date."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "20260304").mkdir()

    with pytest.raises(RushesError, match=r"camera 20260304 cannot be opened.*--source \./20260304"):
        open_source("20260304")
