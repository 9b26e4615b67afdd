"""Whether what lies in an inbox is still being written: what is half copied looks like what is broken."""

from __future__ import annotations

import os
from pathlib import Path

UNSETTLED = "was written to or renamed while it was read"
WAIT = "wait until its copy is done, then run again"
INBOX = "inbox"
SETTLE_S = 60.0  # since the last byte; copies over a slow network pause for some seconds


def still_written(entry: Path, now: float) -> bool:
    """True if a file at or below a path was written within the last SETTLE_S seconds.

    By its time of modification, which a copy that keeps times sets only when it is done. A time further ahead than
    that is a wrong clock's, and holds up nothing.

    Args:
        entry: A file or a folder; links are not followed.
        now: Seconds since 1970.
    """
    return any(abs(now - _written(file)) < SETTLE_S for file in _files(entry))


def stamp(file: Path | None) -> tuple[int, int, int] | None:
    """What another content or place changes of a file: time of writing in ns, bytes, inode; None where it is not."""
    try:
        status = file.stat() if file is not None else None
    except OSError:
        return None
    return (status.st_mtime_ns, status.st_size, status.st_ino) if status else None


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
