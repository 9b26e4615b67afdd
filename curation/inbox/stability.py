"""Detection of inbox entries that are still being written; half-copied files look the same as damaged ones."""

from __future__ import annotations

import os
from pathlib import Path

UNSETTLED = "was written to or renamed while it was read"
WAIT = "wait until its copy is done, then run again"
INBOX = "inbox"
STABLE_AFTER_S = 60.0  # since the last byte; copies over a slow network pause for some seconds


def still_written(entry: Path, now: float) -> bool:
    """True if a file at or below a path was written within the last STABLE_AFTER_S seconds.

    Based on the modification time, which a copy that preserves times sets only when it is complete. A time further
    ahead than that comes from a wrong clock, and does not block the entry.

    Args:
        entry: A file or a folder; links are not followed.
        now: Seconds since 1970.
    """
    return any(abs(now - _written(file)) < STABLE_AFTER_S for file in _files(entry))


def stamp(file: Path | None) -> tuple[int, int, int] | None:
    """Fingerprint of a file: modification time in ns, size in bytes, inode; None if it does not exist."""
    try:
        status = file.stat() if file is not None else None
    except OSError:
        return None
    return (status.st_mtime_ns, status.st_size, status.st_ino) if status else None


def _files(entry: Path) -> list[Path]:
    if entry.is_symlink() or not entry.is_dir():
        return [entry]
    # Includes hidden files: rsync and browsers first write under such a name.
    return [Path(place, name) for place, _, names in os.walk(entry) for name in names]


def _written(file: Path) -> float:
    try:
        return file.lstat().st_mtime
    except OSError:
        return 0.0  # deleted meanwhile
