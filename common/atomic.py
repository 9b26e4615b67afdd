"""Atomic files: complete or absent, even if the process is killed at any point."""

from __future__ import annotations

import os
import secrets
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PARTIAL = ".partial"


@contextmanager
def replacing(path: Path, mode: int = 0o644, *, durable: bool = True, shared: bool = False) -> Iterator[Path]:
    """Context with a temporary name beside `path`; the file written there replaces `path` if the block succeeds.

    The file left by a killed process ends in PARTIAL, and the next process overwrites it. `durable` waits for the disk,
    so that a power failure does no harm either; thousands of small files that can be generated again need not wait.
    `shared` is for a file that several processes or machines may write at once: each has a temporary name of its own,
    which nobody overwrites after a kill.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    own = f".{secrets.token_hex(4)}" if shared else ""
    partial = path.with_name(f".{path.name}{own}{PARTIAL}")
    partial.unlink(missing_ok=True)
    os.close(os.open(partial, os.O_CREAT | os.O_EXCL | os.O_WRONLY, mode))
    try:
        yield partial
        sync_and_replace(partial, path) if durable else partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def sync_and_replace(partial: Path, path: Path) -> None:
    """Moves a complete file to its final path, and waits until it is on the disk."""
    with partial.open("rb") as file:
        os.fsync(file.fileno())
    partial.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
