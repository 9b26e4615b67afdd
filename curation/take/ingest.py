"""Ingest of takes: films of one face, read to the end and stored unchanged, with the curves beside them.

NAME.mov, NAME.csv     a film and its curves, as Live Link Face writes them
camera.mkv, slate.json a folder of `rushes capture --record`; the performer is that of the slate, and its curves are
                       those of a model, and not taken as truth
NAME.mov               a film alone, without truth
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from tqdm import tqdm

from curation.annotations.sample_tables import TAKES
from curation.errors import RefusedError
from curation.film.containers import SUFFIXES
from curation.film.video import CONVERT, COPY, check_file, frames_of, opened
from curation.intake.whole_files.ingest import FileIngest
from curation.intake.whole_files.kind import Beside, FileKind, Incoming, Row
from curation.take import medium
from curation.take.truth import read_truth
from rushes.take.recording import FILM, LINES, SLATE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from curation.intake.job import Job

CURVES = ".csv"
MAX_SLATE_BYTES = 1 << 16
MISSING_SHARE, MISSING_S = 0.02, 0.5  # of a film that may be lacking


def beside(film: Path) -> Beside:
    """Files that belong to the film of a take."""
    # A recorded take.
    if film.name == FILM and _is_file(slate := film.with_name(SLATE)):
        recorded = [film.with_name(LINES), slate, *sorted(film.parent.glob("curves*.csv"))]
        return Beside(None, tuple(filter(_is_file, recorded)), _performer(slate))
    # A film with curves of the same stem.
    curves = (film.with_suffix(suffix) for suffix in (CURVES, CURVES.upper()))
    return Beside(next(filter(_is_file, curves), None))


def _is_file(file: Path) -> bool:
    return file.is_file() and not file.is_symlink()


def _performer(slate: Path) -> str:
    try:
        with slate.open("rb") as file:
            name = json.loads(file.read(MAX_SLATE_BYTES)).get("performer")
    except (OSError, ValueError, AttributeError, RecursionError):
        return ""
    return name.strip() if isinstance(name, str) else ""


def _read(job: Job, take: Incoming) -> list[Row]:
    check_file(take.file)
    name = take.masked(Path(take.candidate.path).name)
    frames, size_px = 0, (0, 0)
    with opened(take.file) as film, tqdm(desc=f"ingest {job.collection}: {name}", unit="frame", disable=None) as bar:
        bar.total = film.total or None
        for frame in frames_of(film):
            frames, size_px = frame.number + 1, size_px if frame.number else frame.picture_bgr.shape[1::-1]
            bar.update()
    if not frames:
        reason = f"holds no frame that can be decoded (its codec is {film.codec})"
        raise RefusedError(reason, COPY if film.faults else CONVERT)
    if film.lacking_s > max(MISSING_SHARE * film.duration_s, MISSING_S):
        reason = f"is truncated or damaged: {frames:,} frames can be read, {film.lacking_s:.1f} s are missing"
        raise RefusedError(reason, COPY)
    if take.beside.stored is not None:
        read_truth(take.beside.stored, film.fps, film.end_s, job.params.take.max_length_difference_s)
    title = take.masked(take.candidate.title or _title(take))
    row = {"id": take.sha256[:12], "width": size_px[0], "height": size_px[1], "title": title}
    # Without a group the takes of a performer are one.
    return [row | {"group": take.candidate.group, "fps": film.fps, "frames": frames, "length_s": film.end_s}]


def _title(take: Incoming) -> str:
    path = Path(take.candidate.path)
    return path.parent.name or path.stem if take.file.name == FILM else path.stem


def _note(rows: Sequence[Row]) -> str:
    seconds, known = sum(row["length_s"] for row in rows), sum(row["curves"] is not None for row in rows)
    return f"{seconds:,.0f} s; {known:,} with curves; the takes of a performer stay in one split"


TAKE = FileKind(
    "take",
    medium.rows,
    SUFFIXES,
    TAKES,
    _read,
    _note,
    beside=beside,
    column="curves",
    stray={
        CURVES: (
            "belongs to no film: none of the same name lies beside it",
            "put both in one folder, as NAME.mov and NAME.csv",
        )
    },
)

_INGEST = FileIngest(TAKE)
take_in, inbox = _INGEST.take_in, _INGEST.inbox
