"""Whether what lies in an inbox is still being written: what is half copied looks like what is broken."""

from __future__ import annotations

import os
from pathlib import Path

SETTLE_S = 60.0  # since the last byte; copies over a slow network pause for some seconds


def still_written(entry: Path, now: float) -> bool:
    """Whether a file at or below a path was written within the last SETTLE_S seconds.

    By its time of modification, which a copy that keeps times sets only when it is done. A time further ahead than
    that is a wrong clock's, and holds up nothing.

    Args:
        entry: A file or a folder; links are not followed.
        now: Seconds since 1970.
    """
    return any(abs(now - _written(file)) < SETTLE_S for file in _files(entry))


def _files(entry: Path) -> list[Path]:
    if entry.is_symlink() or not entry.is_dir():
        return [entry]
    # Hidden ones too: rsync and browsers write to such a name first.
    return [Path(place, name) for place, _, names in os.walk(entry) for name in names]


def _written(file: Path) -> float:
    try:
        return file.lstat().st_mtime
    except OSError:
        return 0.0  # gone since
