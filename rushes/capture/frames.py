"""Frames and their sources: the interface of cameras, clips and folders of pictures."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import cv2

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np

FPS = 24.0  # of a folder of pictures, and of a camera or clip without a rate
MAX_FPS = 1000.0


@dataclass(frozen=True)
class Frame:
    """A picture of a source.

    Attributes:
        number: Number from 0 among all pictures of the source.
        time_s: Time in the source.
        picture_bgr: uint8 H,W,3; None if the picture cannot be decoded, or while a camera gives none.
        file: Name of its file, if it has one of its own.
        arrived_s: Time of its arrival (time.monotonic), if it comes from a camera.
    """

    number: int
    time_s: float
    picture_bgr: np.ndarray | None
    file: str = ""
    arrived_s: float | None = None


class FrameSource(Protocol):
    """A source of frames.

    Attributes:
        name: Its name, for messages.
        fps: Frames per second.
        total: Number of frames; None if unknown.
        live: True for a camera or stream, of which the latest picture is wanted rather than each.
        dropped: Pictures of a camera that were replaced by later ones before anybody took them.
        losses: Times that a camera stopped giving pictures.
        damaged: Pictures of a camera that could not be decoded.
        timecode: SMPTE timecode of the first frame in the file of a clip; empty if there is none.
    """

    timecode: str
    name: str
    fps: float
    total: int | None
    live: bool
    dropped: int
    losses: int
    damaged: int

    def frames(self) -> Iterator[Frame]:
        """Frames in order."""
        ...

    def close(self) -> None:
        """Releases the camera or file."""
        ...


def rate_of(video: cv2.VideoCapture) -> float:
    """Frames per second that a camera or clip declares; 24 if it is not a likely rate."""
    fps = float(video.get(cv2.CAP_PROP_FPS))
    return fps if math.isfinite(fps) and 1 <= fps <= MAX_FPS else FPS
