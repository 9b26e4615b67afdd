"""Scripts as they are taken in: read once to see that there is one, then kept as they are, a row a script."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from curation.annotations.sample_tables import SCRIPTS
from curation.errors import RefusedError
from curation.intake.whole_files.ingest import FileIngest
from curation.intake.whole_files.kind import FileKind, Incoming, Row
from curation.script import medium
from curation.script.document import read_document
from rushes.screenplay_files.read_file import SUFFIXES
from rushes.screenplay_files.text_encoding import EXPORT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from curation.intake.job import Job

MB = 1_000_000


def _read(job: Job, script: Incoming) -> list[Row]:
    most = job.params.script.max_size_mb
    if script.file.stat().st_size > most * MB:
        reason = f"is larger than a script can be: more than {most:g} MB"
        raise RefusedError(
            reason, f"split it into separate scripts, or raise collections.{job.collection}.script.max_size_mb"
        )
    document = read_document(script.file.read_bytes(), script.file.suffix.lower())
    if not document.headings and not document.cues:
        reason = "is not a script: it has no scene heading and no dialogue"
        raise RefusedError(reason, f"{EXPORT}; or leave it out")
    title = script.candidate.title or document.title or Path(script.candidate.path).stem
    return [{"id": script.sha256[:12], "width": 0, "height": 0, "title": script.masked(title)}]


def _summary(rows: Sequence[Row]) -> str:
    return f"{len(rows):,} script{'s' * (len(rows) != 1)}; a script stays whole in its split"


SCRIPT = FileKind("script", medium.rows, SUFFIXES, SCRIPTS, _read, _summary, labelled_by_folder=True)

_INGEST = FileIngest(SCRIPT)
take_in, inbox = _INGEST.take_in, _INGEST.inbox
