"""Copy of a source's quarantine as it was before an ingest, so that an undo restores that too.

.state/last-quarantine.new/   before the ingest in progress
.state/last-quarantine/       before the ingest that an undo would revert

Files are linked instead of copied if the disk supports it: files in a quarantine are never modified, only replaced.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

FOLDER = "quarantine"
COPY = "last-quarantine"


def take(root: Path, state: Path, place: str) -> str:
    """Copies quarantine/PLACE; `complete` makes it the copy that `swap` restores.

    Returns:
        Digest of its current content.
    """
    copy = state / f"{COPY}.new"
    _lay_out(root / FOLDER / place, copy)
    return digest(root, place)


def complete(state: Path) -> None:
    """Makes the copy that was taken last the one to restore."""
    shutil.rmtree(state / COPY, ignore_errors=True)
    (state / f"{COPY}.new").rename(state / COPY)


def swap(root: Path, state: Path, place: str, expected: str) -> bool:
    """Restores the copy as quarantine/PLACE, and keeps the current content as the next one to restore.

    Returns:
        False if the content is not what an ingest left, and may be the only copy of a file; then nothing is changed.
    """
    if take(root, state, place) != expected:
        shutil.rmtree(state / f"{COPY}.new")
        return False
    _lay_out(state / COPY, root / FOLDER / place)
    for folder in (root / FOLDER / place, (root / FOLDER / place).parent):
        with suppress(OSError):  # it is not empty
            folder.rmdir()
    complete(state)
    return True


def digest(root: Path, place: str) -> str:
    """Digest of the names, sizes and times of the files of quarantine/PLACE."""
    folder = root / FOLDER / place
    files = sorted(path for path in folder.rglob("*") if path.is_symlink() or path.is_file())
    marks = [(path.relative_to(folder).as_posix(), path.lstat().st_size, path.lstat().st_mtime_ns) for path in files]
    return hashlib.sha256(repr(marks).encode("utf-8", "surrogateescape")).hexdigest()


def _lay_out(folder: Path, to: Path) -> None:
    if to.exists():
        shutil.rmtree(to)
    to.parent.mkdir(parents=True, exist_ok=True)
    if folder.is_dir():
        shutil.copytree(folder, to, symlinks=True, copy_function=_link)
    else:
        to.mkdir()


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # another disk, or one without links
        shutil.copy2(source, target)
