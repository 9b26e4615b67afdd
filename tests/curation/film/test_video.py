"""A film is read upright, whole, by its own clock; other files and partial films are refused with a reason."""

import struct
from pathlib import Path

import cv2
import numpy as np
import pytest

from curation.errors import RefusedError
from curation.film.containers import is_whole, kind_of
from curation.film.shot_detection import shots_of
from curation.film.video import frames_of, opened
from curation.params import ShotParams
from tests.support.films import cut_off, scene, shots, silent_picture, slowed, turned, write_film

PARAMS = ShotParams()
CODES = {"mp4": "mp4v", "mov": "mp4v", "mkv": "mp4v", "webm": "VP80", "avi": "MJPG"}


def refused(file):
    with pytest.raises(RefusedError) as caught:
        shots_of(file, PARAMS)
    assert caught.value.remedy
    return caught.value.reason


@pytest.mark.parametrize(("suffix", "code"), CODES.items())
def test_hard_cuts_are_found_in_every_container(tmp_path, suffix, code):
    """Three shots of 30 frames; they contain every frame, and their times are contiguous."""
    found = shots_of(write_film(tmp_path / f"фильм %03d.{suffix}", shots(3), code), PARAMS)

    assert [(shot.first, shot.end) for shot in found.shots] == [(0, 30), (30, 60), (60, 90)]
    assert (found.width_px, found.height_px) == (64, 48)
    assert [shot.start_s for shot in found.shots[1:]] == [shot.end_s for shot in found.shots[:-1]]
    assert found.shots[-1].end_s == pytest.approx(90 / 24, abs=0.05)


@pytest.mark.parametrize("count", [2, 3, 30])
def test_a_short_film_is_one_shot(tmp_path, count):
    """With any number of frames."""
    found = shots_of(write_film(tmp_path / "one.mp4", scene(1, count)), PARAMS)

    assert [(shot.first, shot.end) for shot in found.shots] == [(0, count)]


@pytest.mark.parametrize(("suffix", "code"), CODES.items())
def test_a_truncated_film_is_refused(tmp_path, suffix, code):
    """The container shows it before decoding; the whole film is accepted."""
    file = write_film(tmp_path / f"cut.{suffix}", shots(2), code)
    assert is_whole(file, kind_of(file))

    assert "is truncated" in refused(cut_off(file))


def test_frames_that_a_film_promises_and_lacks_are_missed(tmp_path):
    """The container is whole, and its index lists more frames than can be read."""
    file = write_film(tmp_path / "hole.mp4", shots(4))
    data = bytearray(file.read_bytes())
    start, length = data.index(b"mdat"), struct.unpack(">I", data[data.index(b"mdat") - 4 : data.index(b"mdat")])[0]
    data[start + 4 + length // 3 : start + length - 8] = bytes(length - 12 - length // 3)
    file.write_bytes(data)

    assert "is truncated or damaged" in refused(file)


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda file: file.touch(), "is empty"),
        (lambda file: file.write_text("no film", encoding="utf-8"), "is not a film"),
        (lambda file: file.write_text("#EXTM3U\n#EXTINF:1,\n/etc/passwd\n", encoding="utf-8"), "is not a film"),
        (lambda file: silent_picture(write_film(file, scene(1))), "holds no moving pictures that can be read"),
        (lambda file: write_film(file, scene(1, 1)), "contains a single picture"),
        (lambda file: write_film(file, []), "is truncated"),
    ],
)
def test_other_files_are_refused(tmp_path, make, reason):
    """Empty, a text, a playlist, sound alone, one frame, none."""
    make(tmp_path / "bad.mp4")

    assert reason in refused(tmp_path / "bad.mp4") or "holds no" in refused(tmp_path / "bad.mp4")


def test_a_film_of_a_phone_held_upright_stands_upright(tmp_path):
    """The top of the track is on the right: rotated by a quarter, clockwise."""
    frames = [np.full((48, 64, 3), 60, np.uint8) for _ in range(4)]
    for frame in frames:
        frame[:12] = 250
    file = turned(write_film(tmp_path / "phone.mp4", frames))
    with opened(file) as capture:
        picture = next(frames_of(capture)).picture_bgr

    assert picture.shape == (64, 48, 3)
    assert picture[:, -8:].mean() > 200
    assert picture[:, :30].mean() < 100
    assert (shots_of(file, PARAMS).width_px, shots_of(file, PARAMS).height_px) == (48, 64)


def test_anamorphic_pixels_are_shown_as_wide_as_they_are():
    """Stored 90 wide with pixels of 64:45, as in PAL widescreen: a circle on a screen is one here."""
    with opened(Path(__file__).parent / "anamorphic.mp4") as capture:
        picture = next(frames_of(capture)).picture_bgr

    lit = np.argwhere(picture[..., 0] > 128)
    high, wide = lit.max(0) - lit.min(0) + 1
    assert picture.shape == (72, 128, 3)
    assert wide == pytest.approx(high, abs=2)


def test_a_variable_frame_rate_keeps_its_own_clock(tmp_path):
    """Two shots of 30 frames, the second at a quarter of the speed: it takes four times as long."""
    file = slowed(write_film(tmp_path / "vfr.mp4", shots(2)), after=30, times=4)
    first, second = shots_of(file, PARAMS).shots

    assert (first.end, second.end) == (30, 60)
    assert first.end_s - first.start_s == pytest.approx(30 / 24, abs=0.05)
    assert second.end_s - second.start_s == pytest.approx(30 * 4 / 24, abs=0.2)


def test_only_wanted_frames_become_pictures(tmp_path):
    """They keep their numbers in the whole film."""
    file = write_film(tmp_path / "one.mp4", scene(1))
    with opened(file) as capture:
        found = [frame.number for frame in frames_of(capture, {3, 17})]

    assert found == [3, 17]
    assert cv2.VideoCapture(str(file)).isOpened()
