"""Tar shards of raw samples in WebDataset layout: written once, under a temporary name, and never rewritten."""

from __future__ import annotations

import io
import re
import tarfile
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

from common.atomic import PARTIAL, sync_and_replace

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

SHARD_BYTES = 256 * 2**20
NAME = re.compile(r"shard-(\d{6})\.tar")


@dataclass
class ShardWriter:
    """Writes members into as many shards as needed; the shards get their final names on `close`.

    Use it as a context manager: if the block fails, it leaves no files.
    """

    folder: Path
    number: int  # of the first shard
    shard_bytes: int = SHARD_BYTES
    _tar: tarfile.TarFile | None = None
    _names: list[str] = field(default_factory=list)

    def add(self, member: str, data: bytes) -> tuple[str, int]:
        """Appends a member; returns its shard and the byte at which its data begins."""
        if self._tar is None or self._tar.offset + len(data) > self.shard_bytes:
            self._next()
        tar = self._opened()
        header = tarfile.TarInfo(member)
        header.size = len(data)  # no time and no owner: equal images give equal bytes
        offset = tar.offset + tarfile.BLOCKSIZE
        tar.addfile(header, io.BytesIO(data))
        return self._names[-1], offset

    def close(self) -> None:
        """Renames every shard to its final name."""
        if self._tar is not None:
            self._tar.close()
            self._tar = None
        for name in self._names:
            sync_and_replace(self._partial(name), self.folder / name)
        self._names.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._tar is not None:
            self._tar.close()
        for name in self._names:
            self._partial(name).unlink(missing_ok=True)
        if self.folder.is_dir() and not any(self.folder.iterdir()):
            self.folder.rmdir()

    def _next(self) -> None:
        if self._tar is not None:
            self._tar.close()
        self.folder.mkdir(parents=True, exist_ok=True)
        self._names.append(f"shard-{self.number:06d}.tar")
        self.number += 1
        self._tar = tarfile.open(self._partial(self._names[-1]), "w", format=tarfile.USTAR_FORMAT)  # noqa: SIM115  # closed with the next one, or at the end

    def _opened(self) -> tarfile.TarFile:
        if self._tar is None:
            message = "no shard is open"
            raise RuntimeError(message)
        return self._tar

    def _partial(self, name: str) -> Path:
        return self.folder / f".{name}{PARTIAL}"


def next_number(shards: Collection[str]) -> int:
    """Number of the shard after those in an index."""
    return max((int(match[1]) + 1 for name in shards if (match := NAME.fullmatch(name))), default=0)


def sweep(folder: Path, shards: Collection[str]) -> None:
    """Removes what a killed ingest left: temporary files, and shards that are not in the index."""
    for path in folder.glob("*"):
        stray = NAME.fullmatch(path.name) is not None and path.name not in shards
        if stray or path.name.endswith(PARTIAL):
            path.unlink()
