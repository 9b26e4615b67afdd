"""Files that grow by the frame: each whole record is readable at once, and after a kill or on a full disk."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

from rushes.errors import UserError
from rushes.output_files import open_alone

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


class GrowingFile:
    """File to which whole records are appended. A record that does not fit on the disk is taken back."""

    def __init__(self, path: Path) -> None:
        """Creates the file.

        Raises:
            UserError: It cannot be created, or another process writes it.
        """
        self.path = path
        self.records = 0
        self.size = 0
        with self._failing("cannot be written"):
            self._file = open_alone(path)

    def append(self, text: str | bytes, *, records: int = 1) -> None:
        """Appends records, such as lines, all or none.

        Args:
            text: Text with its line breaks, or bytes.
            records: Number of records in it, 0 for a heading.

        Raises:
            UserError: The disk is full or fails; the file ends with the record before.
        """
        content = _bytes(text)
        with self._failing("cannot be written any further"):
            try:
                self._write(content)
            except OSError:
                with contextlib.suppress(OSError):  # a device cannot be cut
                    self._file.seek(self.size)
                    self._file.truncate()
                raise
        self.size += len(content)
        self.records += records

    def overwrite(self, at: int, content: str | bytes) -> None:
        """Writes over a part of the file that exists, which takes no further space on the disk."""
        with self._failing("cannot be completed"):
            self._file.seek(at)
            self._write(_bytes(content))
            self._file.seek(self.size)

    def _write(self, content: bytes) -> None:
        rest = memoryview(content)
        while rest:  # a nearly full disk takes a part, and fails at the next try
            rest = rest[self._file.write(rest) :]

    @contextlib.contextmanager
    def _failing(self, what: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            kept = f"; the {self.records} frames until then are kept" if self.records else ""
            message = f"{self.path} {what}: {error.strerror}{kept}"
            raise UserError(message) from error

    @property
    def closed(self) -> bool:
        """True after `close`."""
        return self._file.closed

    def close(self) -> None:
        """Puts the file on the disk and closes it; a second call does nothing."""
        if not self._file.closed:
            with contextlib.suppress(OSError):  # a pipe or a device cannot be synced
                os.fsync(self._file.fileno())
            self._file.close()


def _bytes(text: str | bytes) -> bytes:
    return text.encode() if isinstance(text, str) else text


class FilePerActor:
    """Files of one take, one for each actor: `take.csv` for the first one seen, `take.actor1.csv` for actor 1."""

    def __init__(self, path: Path, begin: Callable[[Path], GrowingFile]) -> None:
        """Creates the first file, so that a place that cannot be written fails at the start.

        Raises:
            UserError: It cannot be created.
        """
        self._path, self._begin = path, begin
        self._spare: GrowingFile | None = begin(path)
        self.files: dict[int, GrowingFile] = {}

    def of(self, actor: int) -> GrowingFile:
        """File of an actor, created at the first call.

        Raises:
            UserError: It cannot be created.
        """
        if actor not in self.files:
            path = self._path.with_name(f"{self._path.stem}.actor{actor}{self._path.suffix}")
            self.files[actor], self._spare = self._spare or self._begin(path), None
        return self.files[actor]

    def close(self) -> None:
        """Closes the files."""
        for file in (*self.files.values(), *([self._spare] if self._spare else [])):
            file.close()
