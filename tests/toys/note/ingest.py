"""Notes as they are taken in: a row a file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from curation.errors import RefusedError
from curation.intake.whole_files.ingest import FileIngest
from curation.intake.whole_files.kind import FileKind, Incoming, Row
from curation.note import medium

if TYPE_CHECKING:
    from collections.abc import Sequence

    from curation.intake.job import Job


def _read(_job: Job, note: Incoming) -> list[Row]:
    words = note.file.read_bytes().split()
    if not words:
        reason = "is empty"
        raise RefusedError(reason, "write something into it")
    return [{"id": note.sha256[:12], "width": 0, "height": 0, "words": len(words)}]


def _told(rows: Sequence[Row]) -> str:
    return f"{len(rows):,} notes"


NOTE = FileKind("note", medium.rows, frozenset({".note"}), "notes.csv", _read, _told, labelled_by_folder=True)

_INGEST = FileIngest(NOTE)
take_in, inbox = _INGEST.take_in, _INGEST.inbox
