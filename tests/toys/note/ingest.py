"""Notes as they are taken in: a row a file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from curation.errors import RefusedError
from curation.inbox.files import FileInbox
from curation.intake.file_medium import FileKind, Incoming, Row
from curation.intake.files import take_in_files
from curation.note import medium

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from curation.intake.job import IngestResult, Job


def _read(_job: Job, note: Incoming) -> list[Row]:
    if not note.file.read_bytes().strip():
        reason = "is empty"
        raise RefusedError(reason, "write something into it")
    return [{"id": note.sha256[:12], "width": 0, "height": 0}]


def _told(rows: Sequence[Row]) -> str:
    return f"{len(rows):,} notes"


NOTE = FileKind("note", medium.rows, frozenset({".note"}), "notes.csv", _read, _told, labelled_by_folder=True)


def take_in(
    job: Job,
    path: Path,
    *,
    layout: str | None = None,  # noqa: ARG001  # that of pictures
    votes: Path | None = None,  # noqa: ARG001  # likewise
    only: Iterable[str] | None = None,
) -> IngestResult:
    """Takes the notes at a path into a source."""
    return take_in_files(job, path, NOTE, only)


def inbox(folder: Path, job: Job, now: float) -> Iterator[IngestResult]:
    """Takes in each folder of inbox/C that is ready, then the loose notes."""
    return FileInbox(folder, job, now, take_in, NOTE).run()
