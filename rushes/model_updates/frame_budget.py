"""Time that the analysis of a frame may take, by the interval of a camera and by the model before."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from rushes.capture.frames import Frame

TRIAL_FRAMES = 60  # with a face, by which a new model is judged: 2 s at 30 frames/s
LATE_SHARE = 0.05  # of them that may be late, so that the 95th percentile is within the limit
FAR = 3.0  # times the 95th percentile of the model before, where that is half a frame or more
MIN_KNOWN = 20  # frames with a face, from which the model before is known
STEPS = 31  # between frames, whose median is the interval of the camera


@dataclass
class Trial:
    """Trial of a new model.

    Attributes:
        limit_s: Time of a frame, from which it is late; infinite if nothing is known of camera and model before.
        before_s: 95th percentile of the model before; None if it is not known.
    """

    limit_s: float
    before_s: float | None
    frames: int = 0
    late: int = 0

    @property
    def failed(self) -> bool:
        """True as soon as too many frames are late for the 95th percentile of the trial to be within the limit."""
        return self.late > LATE_SHARE * TRIAL_FRAMES

    @property
    def passed(self) -> bool:
        """True at its end."""
        return self.frames >= TRIAL_FRAMES and not self.failed

    def add(self, took_s: float) -> None:
        """Counts a frame with a face."""
        self.frames += 1
        self.late += took_s > self.limit_s

    def __str__(self) -> str:
        """Counts and limit as text."""
        before = "" if self.before_s is None else f"; 95 % took at most {1000 * self.before_s:.1f} ms before it"
        return f"{self.late} of {self.frames} frames took more than {1000 * self.limit_s:.1f} ms{before}"


class FrameBudget:
    """Times of the frames of a camera. Those without a face do not count, since they run fewer networks.

    Of a film or a folder there is no budget: nothing is late there.
    """

    def __init__(self) -> None:
        self._times_s: deque[float] = deque(maxlen=4 * TRIAL_FRAMES)
        self._steps_s: deque[float] = deque(maxlen=STEPS)
        self._last: Frame | None = None

    def see(self, frame: Frame) -> None:
        """Takes the time at which a frame came; frames in between may have been dropped."""
        last, self._last = self._last, frame
        if last is not None and frame.arrived_s is not None and frame.number > last.number:
            self._steps_s.append((frame.time_s - last.time_s) / (frame.number - last.number))

    def add(self, took_s: float) -> None:
        """Takes the time of a frame with a face."""
        self._times_s.append(took_s)

    def forget(self) -> None:
        """Forgets the times of frames, which are those of another model from now on."""
        self._times_s.clear()

    @property
    def usual_s(self) -> float | None:
        """95th percentile of the latest frames with a face; None if there were only a few."""
        return float(np.percentile(self._times_s, 95)) if len(self._times_s) >= MIN_KNOWN else None

    def trial(self, before_s: float | None) -> Trial:
        """Begins the trial of a new model after one of this `usual_s`.

        A frame is late if it takes longer than the camera's interval, where the model before kept to it; or, far above
        the model before, more than three times as long and more than half of the interval.
        """
        self.forget()
        if not self._steps_s:
            return Trial(float("inf"), before_s)
        interval_s = float(np.median(self._steps_s))
        if before_s is None:
            return Trial(interval_s, None)
        far_s = max(FAR * before_s, interval_s / 2)
        return Trial(far_s if before_s > interval_s else min(interval_s, far_s), before_s)
