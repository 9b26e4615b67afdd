"""A performer to be calibrated: on a clip, or before a camera whose clock a test moves."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from rushes.capture.frames import Frame
from tests.support.actors import MadeUpTracker, made_up_actor

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rushes.tracking.face import TrackedFace

RESTING = {"jawOpen": 0.2, "browInnerUp": 0.3, "mouthPucker": 0.1}
AT_REST = made_up_actor(angles_deg=(3, -10, 1), **RESTING)
OPEN = made_up_actor(angles_deg=(23, -10, 1), jawOpen=0.6, browInnerUp=0.45, mouthPucker=0.1)
STEP_S = 0.1


class PerformingTracker(MadeUpTracker):
    """Is seen from a frame on, rests for a second, and then opens the mouth in every second frame."""

    def __init__(self, seen_from: int = 0, rest_s: float = 1.0) -> None:
        super().__init__([])
        self.seen_from, self.rest_s = seen_from, rest_s

    def track(self, picture_bgr: np.ndarray, time_s: float) -> list[TrackedFace]:
        """See `Tracker`."""
        super().track(picture_bgr, time_s)
        shown = time_s - self.seen_from / 12.5
        if shown < 0:
            return []
        return [OPEN if shown >= self.rest_s and len(self.times_s) % 2 else AT_REST]


@dataclass
class Stage:
    """A camera, and the tracker of whoever sits before it.

    Frames come all the time; their clock goes on by 0.1 s a frame as far as `run` lets it, and then stands.

    Attributes:
        face: The performer's face; None while it is not seen.
        dark: True while the camera gives no picture.
    """

    face: TrackedFace | None = None
    dark: bool = False
    name: str = "camera 0"
    live: bool = True
    total: int | None = None
    fps: float = 25.0
    timecode: str = ""
    dropped: int = 0
    losses: int = 0
    _left: int = 0
    _still: bool = False
    _ended: threading.Event = field(default_factory=threading.Event)
    _changed: threading.Condition = field(default_factory=threading.Condition)

    def frames(self) -> Iterator[Frame]:
        """See `FrameSource`."""
        number, time_s = 0, 0.0
        while not self._ended.wait(0.005):
            picture_bgr = None if self.dark else np.full((90, 160, 3), 60, np.uint8)
            yield Frame(number, time_s, picture_bgr, arrived_s=time.monotonic())
            number += 1
            with self._changed:  # the frame has been taken
                moves = self._left > 0
                self._left -= moves
                self._still = not moves
                self._changed.notify_all()
            time_s += STEP_S * moves

    def run(self, seconds: float) -> None:
        """Lets so much time pass, and a frame more, until all are taken; returns at once if the camera is closed."""
        with self._changed:
            self._left, self._still = round(seconds / STEP_S) + 1, False
            assert self._changed.wait_for(lambda: self._still or self._ended.is_set(), 30), "no frame was taken"

    def close(self) -> None:
        """See `FrameSource`."""
        with self._changed:
            self._ended.set()
            self._changed.notify_all()

    def track(self, _picture_bgr: np.ndarray, _time_s: float) -> list[TrackedFace]:
        """See `Tracker`."""
        return [] if self.face is None else [self.face]

    def wait(self, _time_s: float) -> list[TrackedFace]:
        """See `Tracker`."""
        return []
