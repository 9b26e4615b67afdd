"""Which intake reads which medium: the one place that asks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from curation import intake
from curation.errors import explained
from curation.film_intake import FilmIntake
from curation.film_listing import scan_films
from curation.starters import check_starter, sweep_collection

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from curation.job import IngestResult, Job


def take_in(
    job: Job, path: Path, *, layout: str | None, votes: Path | None = None, only: Iterable[str] | None = None
) -> IngestResult:
    """Takes what lies at a path into a source.

    Args:
        job: Where to.
        path: A folder, a CSV file or a film.
        layout: How pictures lie; None: found out.
        votes: A CSV of votes on pictures; None: one found in the folder or beside it.
        only: Names right below the folder; None: all.

    Raises:
        DataError: Nothing was taken in, or the disk is full or closed to this user.
    """
    if job.params.medium == "image":
        return intake.take_in(job, path, layout=layout, votes=votes, only=only)
    with explained():
        sweep_collection(job.root, job.collection)
        check_starter(job)
        return FilmIntake(job, scan_films(path, only)).run()
