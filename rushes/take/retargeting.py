"""Maps the motion of a take to a rig once more: smoothed, as curves with the rig's columns, or played at its rate."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from rushes.drive.curves import COLUMNS, Curves
from rushes.drive.livelink import ANGLES
from rushes.tracking.one_euro import OneEuro, smooth_recording

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from rushes.drive.names import NameMap
    from rushes.drive.sink import FaceSink
    from rushes.take.reading import Motion

Smooth = Literal["none", "live", "offline"]
ARKIT = "arkit"
RETARGETED = "retargeted"  # stem of the default output
# With these all values are about 0 to 1, as the filter has them: units, angles in radians, metres.
_SCALES = np.array([*(np.radians(30) if name in ANGLES else 1.0 for name in COLUMNS), 0.2, 0.2, 0.2])


def retargeted_path(take: Path, actor: int | None = None) -> Path:
    """Default output: in the folder of a take, or beside a CSV; of an actor who is named, with the number."""
    name = RETARGETED if actor is None else f"{RETARGETED}.actor{actor}"
    return take / f"{name}.csv" if take.is_dir() else take.with_name(f"{take.stem}.{name}.csv")


def own_files(take: Path) -> list[Path]:
    """Files of a take that no output may replace: all but default outputs."""
    return [path for path in take.iterdir() if not (path.stem.split(".")[0] == RETARGETED and path.suffix == ".csv")]


def smoothed(motion: Motion, how: Smooth) -> Motion:
    """Motion after the filter of live capture, which lags a little, or after one without lag (`offline`).

    Values that capture has filtered are not filtered again if the take has those from before.
    """
    if how == "none":
        return motion
    known = motion.unfiltered
    rows = (np.hstack([motion.values, motion.places_m]) if known is None else known) / _SCALES
    if how == "offline":
        rows = smooth_recording(rows, motion.times_s)
    else:
        one_euro = OneEuro()
        rows = np.array([one_euro.filter(row, at_s) for row, at_s in zip(rows, motion.times_s, strict=True)])
    rows = rows * _SCALES
    return replace(motion, values=rows[:, : len(COLUMNS)], places_m=rows[:, len(COLUMNS) :])


def mapped(motion: Motion, names: NameMap, rig: str) -> Curves:
    """Curves with the columns of a rig, and the angles of head and eyes.

    Args:
        motion: The motion.
        names: Targets of the rig.
        rig: Its name; the values of `arkit` are those of the take, in the order of Live Link Face.
    """
    if rig == ARKIT:
        return Curves(motion.timecodes, COLUMNS, motion.values)
    targets = np.array([names.apply(units) for units in motion.units.astype(np.float32)])
    return Curves(motion.timecodes, (*names.targets, *ANGLES), np.hstack([targets, motion.angles]))


def play(
    motion: Motion,
    sink: FaceSink,
    *,
    now: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Gives a sink each frame at its time, the first one at once; a slow sink is caught up with."""
    begun_s = now() - float(motion.times_s[0])
    for number, (time_s, face) in enumerate(motion.faces()):
        if (wait_s := time_s - (now() - begun_s)) > 0:
            sleep(wait_s)
        sink.put(time_s, number, [face])
