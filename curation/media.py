"""Which intake reads which medium: the one place that asks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from curation.errors import explained
from curation.film.ingest import FILM
from curation.image import ingest
from curation.intake.file_listing import scan_files
from curation.intake.files import FileIntake
from curation.intake.starter_policy import check_starter, sweep_collection
from curation.script.ingest import SCRIPT

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from curation.intake.file_medium import FileKind
    from curation.intake.job import IngestResult, Job

# The media whose files are taken in whole; of pictures there are too many, and they go into shards.
FILE_KINDS: Mapping[str, FileKind] = {"film": FILM, "script": SCRIPT}


def take_in(
    job: Job, path: Path, *, layout: str | None, votes: Path | None = None, only: Iterable[str] | None = None
) -> IngestResult:
    """Takes what lies at a path into a source.

    Args:
        job: Where to.
        path: A folder, a CSV file, a film or a script.
        layout: How pictures lie; None: found out.
        votes: A CSV of votes on pictures; None: one found in the folder or beside it.
        only: Names right below the folder; None: all.

    Raises:
        DataError: Nothing was taken in, or the disk is full or closed to this user.
    """
    kind = FILE_KINDS.get(job.params.medium)
    if kind is None:
        return ingest.take_in(job, path, layout=layout, votes=votes, only=only)
    with explained():
        sweep_collection(job.root, job.collection)
        check_starter(job)
        return FileIntake(job, kind, scan_files(path, kind, job.params.labels, only)).run()
