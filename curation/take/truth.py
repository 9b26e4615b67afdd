"""Curves of a take as truth: units, head and gaze at the times of its film's frames.

The first row of the curves, with a face or without, belongs to the first frame of the film: Live Link Face starts both
together. Their timecodes count frames of a rate that the file does not name; it is the lowest rate that has them
all, or within one second of labels the rate with which the curves are about as long as the film.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from curation.errors import RefusedError
from rushes.drive.curves import read_curves
from rushes.drive.livelink import ANGLES
from rushes.drive.timecode import RATES, frames_of
from rushes.errors import MisuseError
from rushes.tracking.face import UNITS

if TYPE_CHECKING:
    from pathlib import Path

    from rushes.drive.curves import Curves
    from rushes.drive.timecode import Rate

EXPORT = "export the curves again, or leave out the CSV: the film is then a take without curves"
GAP_ROWS = 2.5  # distance of two rows, in rows, beyond which nothing is known between them
SAME_ROW = 0.1  # of a row: the times of frames are rounded, by their container and to float32
HEAD, EYES = slice(52, 55), [55, 56, 58, 59]  # yaw, pitch and roll; yaw and pitch of the left and the right eye
VALUES = len(UNITS) + 7


@dataclass(frozen=True)
class Truth:
    """Curves of a take.

    Attributes:
        times_s: Time of each row since the first frame of the film, K.
        values: K,59: units in the order of UNITS, then `head_deg` and `gaze_deg` of curation.store.take_fields.
        step_s: Usual time between two rows.
    """

    times_s: np.ndarray
    values: np.ndarray
    step_s: float

    def at(self, times_s: np.ndarray) -> np.ndarray:
        """Values T,59 at some times, interpolated; NaN before and after the curves, and in gaps of them."""
        found = np.column_stack([np.interp(times_s, self.times_s, curve) for curve in self.values.T])
        after = np.searchsorted(self.times_s, times_s)
        before_s = self.times_s[np.clip(after - 1, 0, None)]
        after_s = self.times_s[np.clip(after, None, len(self.times_s) - 1)]
        is_gap = after_s - before_s > GAP_ROWS * self.step_s
        is_outside = (times_s < self.times_s[0] - self.step_s) | (times_s > self.times_s[-1] + self.step_s)
        is_at_row = np.minimum(np.abs(times_s - before_s), np.abs(after_s - times_s)) <= SAME_ROW * self.step_s
        found[(is_gap & ~is_at_row) | is_outside] = np.nan
        return found


def read_truth(file: Path, fps: float, length_s: float, tolerance_s: float) -> Truth:
    """Reads the curves of a film.

    Args:
        file: CSV of Live Link Face.
        fps: Frame rate of the film.
        length_s: Length of the film.
        tolerance_s: Maximum difference of both lengths.

    Raises:
        RefusedError: The file is not such a CSV, has no face, or is not as long as the film.
    """
    try:
        curves = read_curves(file)
    except RefusedError as error:
        reason = f"has curves that cannot be used: the CSV {error.reason}"
        raise RefusedError(reason, EXPORT) from error
    if not curves.timecodes:
        reason = "has curves without a row with a face"
        raise RefusedError(reason, EXPORT)
    rate, frames_n = _counted(curves, fps, length_s)
    rate_fps = float(rate.fps)
    curves_s = (frames_n[-1] - frames_n[0] + 1) / rate_fps
    if abs(curves_s - length_s) > tolerance_s:
        reason = f"has curves of {curves_s:.2f} s beside a film of {length_s:.2f} s"
        raise RefusedError(reason, "put the curves of this very film beside it, with its beginning and its end")
    times_s = (frames_n[1:-1] - frames_n[0]) / rate_fps
    steps_s = np.diff(times_s)
    if (steps_s <= 0).any():
        line = int(np.argmax(steps_s <= 0)) + 1
        reason = f"has curves whose timecode stands still or goes back after {curves.timecodes[line - 1]}"
        raise RefusedError(reason, EXPORT)
    return Truth(times_s, _values(curves), float(np.median(steps_s)) if len(steps_s) else 1 / rate_fps)


def _counted(curves: Curves, fps: float, length_s: float) -> tuple[Rate, np.ndarray]:
    """Rate of the timecodes, and the frame numbers of the first row, of the rows with a face, and of the last row."""
    labels = (curves.ends[0], *curves.timecodes, curves.ends[1])
    found: list[tuple[float, Rate, np.ndarray]] = []
    # A film at 29.97 has timecodes at 29.97, not at 30.
    is_slow = abs(fps * 1.001 - round(fps * 1.001)) < abs(fps - round(fps))
    for rate in RATES.values():
        if rate.dropped or (rate.fps != rate.nominal) != (is_slow and rate.nominal not in {25, 50}):
            continue
        try:
            frames_n = frames_of(labels, rate)
        except MisuseError as error:
            problem = error
            continue
        found.append((abs((frames_n[-1] - frames_n[0] + 1) / float(rate.fps) - length_s), rate, frames_n))
    if not found:
        reason = f"has curves that cannot be used: {problem}"
        raise RefusedError(reason, EXPORT)
    # Labels of more than one second show the rate: the lowest one that has them all.
    is_shown = len({label[:8] for label in labels}) > 1
    _, rate, frames_n = found[0] if is_shown else min(found, key=lambda one: one[0])
    return rate, frames_n


def _values(curves: Curves) -> np.ndarray:
    """Values K,59 in the order and with the signs of curation.store.take_fields."""
    angles = np.column_stack([curves.column(name) for name in ANGLES])
    angles_deg = np.degrees(np.unwrap(angles, axis=0))
    # In the file the angles of the eyes have the other signs.
    return np.column_stack([curves.units(), angles_deg[:, :3], -angles_deg[:, [3, 4, 6, 7]]])
