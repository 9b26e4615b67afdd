"""Lets a clip that drives a character run at its own rate, since programs that receive it show what came last."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np

    from rushes.capture.analysis import Analysis


class Pacing:
    """An output that waits until a frame is due; a slow analysis is not caught up with.

    Args:
        now: Clock, in seconds.
        sleep: Waits for so many seconds.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic, sleep: Callable[[float], None] = time.sleep) -> None:
        self._now, self._sleep = now, sleep
        self._begun_s: float | None = None

    def put(self, analysis: Analysis, drawn_bgr: np.ndarray | None) -> bool:  # noqa: ARG002  # a sink takes both
        """Waits for the time of the frame."""
        now_s, time_s = self._now(), analysis.frame.time_s
        if self._begun_s is not None and (wait_s := self._begun_s + time_s - now_s) > 0:
            self._sleep(wait_s)
        else:
            self._begun_s = now_s - time_s
        return True
