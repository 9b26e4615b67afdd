"""A copy of a source's quarantine as it was before an ingest, so that an undo brings that back, too.

    .state/last-quarantine.new/   before the ingest that is under way
    .state/last-quarantine/       before the ingest that an undo would take back

Files are linked, not copied, where the disk allows it: nothing in a quarantine is ever written to, only replaced.
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
    """Copies quarantine/PLACE; `complete` makes it the copy that `swap` lays out.

    Returns:
        The digest of what lies there.
    """
    copy = state / f"{COPY}.new"
    _lay_out(root / FOLDER / place, copy)
    return digest(root, place)


def complete(state: Path) -> None:
    """Makes the copy that was taken last the one to go back to."""
    shutil.rmtree(state / COPY, ignore_errors=True)
    (state / f"{COPY}.new").rename(state / COPY)


def swap(root: Path, state: Path, place: str, expected: str) -> bool:
    """Lays out the copy as quarantine/PLACE, and keeps what lay there as the next one to go back to.

    Returns:
        False where something else lies there than an ingest left, which may be the only copy of a file: nothing is
        changed then.
    """
    if take(root, state, place) != expected:
        shutil.rmtree(state / f"{COPY}.new")
        return False
    _lay_out(state / COPY, root / FOLDER / place)
    for folder in (root / FOLDER / place, (root / FOLDER / place).parent):
        with suppress(OSError):  # it holds something
            folder.rmdir()
    complete(state)
    return True


def digest(root: Path, place: str) -> str:
    """A digest of the names, sizes and times of the files of quarantine/PLACE."""
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
