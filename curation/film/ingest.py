"""Ingest of films: each is read to the end and cut into shots, one row a shot."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tqdm import tqdm

from curation.annotations.sample_tables import FILMS
from curation.film import medium
from curation.film.containers import SUFFIXES
from curation.film.shot_detection import FilmShots, shots_of
from curation.intake.whole_files.ingest import FileIngest
from curation.intake.whole_files.kind import FileKind, Incoming, Row

if TYPE_CHECKING:
    from collections.abc import Sequence

    from curation.intake.job import Job


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


def _note(rows: Sequence[Row]) -> str:
    films = len({row["sha256"] for row in rows})
    seconds = sum(row["end_s"] - row["start_s"] for row in rows)
    return f"{films:,} film{'s' * (films != 1)} of {seconds:,.0f} s; a shot stays whole in its split"


FILM = FileKind("film", medium.rows, SUFFIXES, FILMS, _read, _note)

_INGEST = FileIngest(FILM)
take_in, inbox = _INGEST.take_in, _INGEST.inbox
