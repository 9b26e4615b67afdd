"""Folder of collected pictures with their table, which appears in an inbox when it is complete.

    inbox/faces/.collected@20270630-091512-0417/    while it grows, hidden from an ingest
    inbox/faces/collected@20270630-091512-0417/     complete: pictures, and samples.csv with their consent

An ingest ignores the digits, so that all captures add to the source `collected`. The hidden folder of a
capture that was killed is delivered by the next one.
"""

from __future__ import annotations

import contextlib
import csv
import io
import os
import secrets
import time
from datetime import datetime
from typing import TYPE_CHECKING

from rushes.output_files import write_whole

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

if TYPE_CHECKING:
    from pathlib import Path

    from rushes.collect.consent import Consent

NAME = "collected@"
TABLE = "samples.csv"
COLUMNS = ("path", "label", "performer", "use", "until")
NO_LABEL = "unlabelled"
MOST_PICTURES = 500  # of a folder: 80 minutes at the default rate, then it is delivered and another one is begun
ABANDONED_S = 86_400.0  # without a change, where files cannot be locked


class Delivery:
    """A folder that grows; it is created with its first picture.

    Attributes:
        hidden: The folder while it grows.
        folder: The folder once it is complete.

    Args:
        inbox: Folder of the inbox.
        consent: Consent for all pictures.
    """

    def __init__(self, inbox: Path, consent: Consent) -> None:
        self._inbox, self._consent = inbox, consent
        self._lock: int | None = None
        self._begin()

    def _begin(self) -> None:
        self._stamp = f"{datetime.now().astimezone():%Y%m%d-%H%M%S}-{secrets.randbelow(10_000):04d}"
        self.hidden, self.folder = self._inbox / f".{NAME}{self._stamp}", self._inbox / f"{NAME}{self._stamp}"
        self._names: list[str] = []
        self._unlock()

    def _unlock(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    @property
    def is_full(self) -> bool:
        """True if the folder has as many pictures as it should."""
        return len(self._names) >= MOST_PICTURES

    def add(self, content: bytes, suffix: str) -> None:
        """Adds a picture; the table lists it first, so that no picture is ever without its consent.

        Raises:
            OSError: It cannot be written; the folder is as it was.
        """
        if not self.hidden.is_dir():
            if self._names:  # delivered by another capture, which took it for abandoned: the next folder is another one
                self._begin()
            self.hidden.mkdir(parents=True)
        if self._lock is None:
            with contextlib.suppress(OSError):
                self._lock = _locked(self.hidden)
        name = f"{self._stamp}-{len(self._names):04d}-{secrets.token_hex(2)}{suffix}"
        self._write_table([*self._names, name])
        try:
            write_whole(self.hidden / name, content)
        except OSError:
            with contextlib.suppress(OSError):
                self._write_table(self._names)
            raise
        self._names.append(name)

    def _write_table(self, names: list[str]) -> None:
        text = io.StringIO(newline="")
        who = (self._consent.who, self._consent.use, self._consent.until.isoformat())
        csv.writer(text, lineterminator="\n").writerows([COLUMNS, *((name, NO_LABEL, *who) for name in names)])
        write_whole(self.hidden / TABLE, text.getvalue().encode())

    def close(self) -> None:
        """Delivers the folder, or removes one without a picture.

        Raises:
            OSError: It cannot be renamed; the next capture delivers it.
        """
        try:
            if self._names and not self.folder.is_dir():  # else another capture has delivered it
                self.hidden.rename(self.folder)
            elif self.hidden.is_dir():
                (self.hidden / TABLE).unlink(missing_ok=True)
                self.hidden.rmdir()
        finally:
            self._unlock()


def deliver_abandoned(inbox: Path) -> list[Path]:
    """Delivers folders of captures that were killed; returns them."""
    delivered = []
    for hidden in sorted(inbox.glob(f".{NAME}*")):
        with contextlib.suppress(OSError):  # another capture does the same, or the disk fails
            if (hidden / TABLE).is_file() and _is_abandoned(hidden):
                for part in hidden.glob(".*.part"):
                    part.unlink()
                folder = hidden.with_name(hidden.name.removeprefix("."))
                hidden.rename(folder)
                delivered.append(folder)
    return delivered


def _locked(folder: Path) -> int:
    """Descriptor that locks a folder until it is closed or the process ends.

    Raises:
        BlockingIOError: Another process has locked it.
        OSError: This system cannot lock folders.
    """
    if fcntl is None:
        raise OSError
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def _is_abandoned(folder: Path) -> bool:
    try:
        os.close(_locked(folder))
    except BlockingIOError:
        return False
    except OSError:
        return time.time() - folder.stat().st_mtime > ABANDONED_S
    return True
