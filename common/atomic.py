"""Files that are there whole or not at all, wherever the process is killed."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PARTIAL = ".partial"


@contextmanager
def replacing(path: Path, mode: int = 0o644, *, durable: bool = True) -> Iterator[Path]:
    """Gives a temporary name beside `path` to write to; it takes the place of `path` when the block ends well.

    What a killed process leaves ends in PARTIAL, and the next one writes over it. `durable` waits for the disk, so that
    a power cut harms nothing either; thousands of small files that can be made again need not wait.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}{PARTIAL}")
    partial.unlink(missing_ok=True)
    os.close(os.open(partial, os.O_CREAT | os.O_EXCL | os.O_WRONLY, mode))
    try:
        yield partial
        sync_and_replace(partial, path) if durable else partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def sync_and_replace(partial: Path, path: Path) -> None:
    """Puts a file that is complete in its place, and waits until the disk has it."""
    with partial.open("rb") as file:
        os.fsync(file.fileno())
    partial.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
