"""Pace of a training: logs a line if steps take far longer than usual."""

from __future__ import annotations

import statistics
import sys
import time
from typing import TYPE_CHECKING, Any

from pytorch_lightning.callbacks import Callback

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytorch_lightning import Trainer

WINDOW = 20  # steps per median: a single step may be slow because of the disk
SLOW = 3.0


class Pace(Callback):
    """Writes to the stage's log if steps take three times their usual time: something else keeps the machine busy.

    The usual time is the lowest median of twenty steps so far. One line is written each time that a slow phase begins.

    Args:
        clock: Returns the time in seconds.
        write: Called with the line.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic, write: Callable[[str], Any] | None = None) -> None:
        self._clock, self._write = clock, write or to_log
        self._taken_s: list[float] = []
        self._usual_s, self._slow, self._began_s = float("inf"), False, 0.0

    def on_train_batch_start(self, *_given: object) -> None:
        """Records the start of a step."""
        self._began_s = self._clock()

    def on_train_batch_end(self, trainer: Trainer, *_given: object) -> None:
        """Records the duration of a step; every twentieth step compares the last twenty with the usual time."""
        self._taken_s.append(self._clock() - self._began_s)
        if len(self._taken_s) < WINDOW:
            return
        # Compute the median of the window, and update the usual time.
        median_s = statistics.median(self._taken_s)
        self._taken_s.clear()
        self._usual_s = min(self._usual_s, median_s)
        slow = median_s > SLOW * self._usual_s
        if slow and not self._slow and trainer.is_global_zero:
            self._write(
                f"epoch {trainer.current_epoch + 1}: steps take {1e3 * median_s:.0f} ms, "
                f"{median_s / self._usual_s:.1f} times their usual {1e3 * self._usual_s:.0f} ms: "
                "this machine is busy with something else\n"
            )
        self._slow = slow


def to_log(line: str) -> None:
    """Writes a line to the stage's log and flushes it, so that it is visible at once."""
    sys.stdout.write(line)
    sys.stdout.flush()
