"""One film as OpenCV reads it: upright, in square pixels, frame by frame with the film's own time stamps.

A phone films lying on its side and says so: CAP_PROP_ORIENTATION_AUTO turns the frames. Frames are counted, since a
film of variable frame rate has no other address for them; their times are those that the film gives.
"""

from __future__ import annotations

import hashlib
import os
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np

from curation.containers import SUFFIXES, is_whole, kind_of
from curation.pictures import RefusedError

if TYPE_CHECKING:
    from collections.abc import Container, Iterator
    from pathlib import Path

QUIET = ("OPENCV_FFMPEG_LOGLEVEL", "-8")  # what the decoder says of a broken film, this room says in better words
MOST_SIDE_PX = 8192
ODD_RATE, USUAL_RATE = 1000.0, 25.0  # a rate above the first is no rate
COPY = "copy it again from where it was made"
CONVERT = "convert it to H.264 in an mp4; if it holds sound alone, leave it out"


class Frame(NamedTuple):
    """One frame: its number from 0, when it is shown, and its picture, uint8 H,W,3, blue first."""

    number: int
    time_s: float
    picture_hwc: np.ndarray


@dataclass(frozen=True)
class Promise:
    """What a film says of itself before it is read."""

    frames: int  # 0 where it does not say
    rate: float  # frames a second, on average
    exact: bool  # the count is one of frames, and not one of seconds times rate


def check_file(file: Path) -> None:
    """Sees, before any decoder does, that a file is a film and whole.

    Raises:
        RefusedError: It is empty, no film, or shorter than its parts say.
    """
    if file.stat().st_size == 0:
        reason = "is empty"
        raise RefusedError(reason, COPY)
    kind = kind_of(file)
    if kind is None:
        reason = "is no film"
        raise RefusedError(reason, f"save it as one of {', '.join(sorted(SUFFIXES))}")
    if not is_whole(file, kind):
        reason = "is truncated: the file ends before the film does"
        raise RefusedError(reason, COPY)


@contextmanager
def opened(file: Path) -> Iterator[cv2.VideoCapture]:
    """A film that is ready to be read.

    Raises:
        RefusedError: Nothing in it can be decoded as moving pictures.
    """
    os.environ.setdefault(*QUIET)
    # By name: left to choose, OpenCV takes a % in the path for a series of pictures.
    capture = cv2.VideoCapture(str(file), cv2.CAP_FFMPEG)
    try:
        if not capture.isOpened():
            reason = "holds no moving pictures that can be read"
            raise RefusedError(reason, CONVERT)
        capture.set(cv2.CAP_PROP_ORIENTATION_AUTO, 1)
        if max(capture.get(cv2.CAP_PROP_FRAME_WIDTH), capture.get(cv2.CAP_PROP_FRAME_HEIGHT)) > MOST_SIDE_PX:
            reason = "is too large to read"
            raise RefusedError(reason, f"scale it down: at most {MOST_SIDE_PX:,} px a side")
        yield capture
    finally:
        capture.release()


def promise_of(capture: cv2.VideoCapture, file: Path) -> Promise:
    """What an opened film says of itself."""
    rate, count = capture.get(cv2.CAP_PROP_FPS), capture.get(cv2.CAP_PROP_FRAME_COUNT)
    rate = rate if 0 < rate <= ODD_RATE else USUAL_RATE
    frames = int(count) if 0 < count < np.iinfo(np.int32).max else 0
    return Promise(frames, rate, exact=kind_of(file) != "matroska")


def frames_of(capture: cv2.VideoCapture, wanted: Container[int] | None = None) -> Iterator[Frame]:
    """Reads an opened film from its beginning to its end; only the frames that are wanted, if that is said.

    All are decoded, for each depends on those before it; those that are not wanted are not turned into pictures.
    """
    stretch = _stretch(capture)
    number = -1
    while capture.grab():
        number += 1
        if wanted is not None and number not in wanted:
            continue
        time_s = capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
        decoded, picture_hwc = capture.retrieve()
        if decoded:
            yield Frame(number, time_s, _squared(picture_hwc, stretch))


def sha256_of(file: Path) -> str:
    """The hash of a file's bytes."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _stretch(capture: cv2.VideoCapture) -> float:
    """How much wider than high a pixel is shown; old cameras and DVDs keep a wide picture in a narrow one."""
    wide, high = capture.get(cv2.CAP_PROP_SAR_NUM), capture.get(cv2.CAP_PROP_SAR_DEN)
    return wide / high if wide > 0 and high > 0 else 1.0


def _squared(picture_hwc: np.ndarray, stretch: float) -> np.ndarray:
    if abs(stretch - 1) < 0.01:  # noqa: PLR2004  less than a pixel in a hundred
        return picture_hwc
    height, width = picture_hwc.shape[:2]
    return cv2.resize(picture_hwc, (max(1, round(width * stretch)), height), interpolation=cv2.INTER_AREA)
