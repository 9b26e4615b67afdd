"""Ingest of films: each is read to the end and cut into shots, one row a shot."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tqdm import tqdm

from curation.annotations.sample_tables import FILMS
from curation.film import medium
from curation.film.containers import SUFFIXES
from curation.film.shot_detection import FilmShots, shots_of
from curation.inbox.files import FileInbox
from curation.intake.file_medium import FileKind, Incoming, Row
from curation.intake.files import take_in_files

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from curation.intake.job import IngestResult, Job


def _read(job: Job, film: Incoming) -> list[Row]:
    found = _shots(job, film)
    common = {
        "width": found.width_px,
        "height": found.height_px,
        "film": film.masked(Path(film.candidate.path).stem),
    }
    return [{"id": f"{film.sha256[:12]}-{shot.first:06d}", **common, **vars(shot)} for shot in found.shots]


def _shots(job: Job, film: Incoming) -> FilmShots:
    name = film.masked(Path(film.candidate.path).name)
    with tqdm(desc=f"ingest {job.collection}: {name}", unit="frame", disable=None) as bar:

        def progress(done: int, total: int) -> None:
            bar.total = max(total, done) if total else None
            bar.update(done - bar.n)

        return shots_of(film.file, job.params.shots, progress)


def _told(rows: Sequence[Row]) -> str:
    films = len({row["sha256"] for row in rows})
    seconds = sum(row["end_s"] - row["start_s"] for row in rows)
    return f"{films:,} film{'s' * (films != 1)} of {seconds:,.0f} s; a shot stays whole in its split"


FILM = FileKind("film", medium.rows, SUFFIXES, FILMS, _read, _told)


def take_in(
    job: Job,
    path: Path,
    *,
    layout: str | None = None,  # noqa: ARG001  # that of pictures
    votes: Path | None = None,  # noqa: ARG001  # likewise
    only: Iterable[str] | None = None,
) -> IngestResult:
    """Takes the films at a path into a source; see `take_in_files`."""
    return take_in_files(job, path, FILM, only)


def inbox(folder: Path, job: Job, now: float) -> Iterator[IngestResult]:
    """Takes in each folder of inbox/C that is ready, then the loose films."""
    return FileInbox(folder, job, now, take_in, FILM).run()
