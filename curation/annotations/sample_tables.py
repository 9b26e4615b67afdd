"""Tables of samples, read line by line.

films.csv, scripts.csv, takes.csv
                        path and, optionally, title, licence, label and other columns of samples.csv; one line a file
samples.csv             path,label and, optionally, split, group, performer, use, until, caption, votes
emotion,pixels,Usage    FER2013 as one CSV

`use` lists the permitted uses of an image: `training`, or several, separated by commas or semicolons; empty permits
any use. `until` is the last day of the permission, such as 2030-01-31. curation.store.consent enforces both.
"""

from __future__ import annotations

import os
import posixpath
import unicodedata
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from curation.annotations.csv_rows import Row, fault, header_of, header_of_table, rows_of
from curation.annotations.votes import parse_votes
from curation.errors import DataError
from curation.intake.candidates import Candidate, Listing, shown, split_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

SAMPLES, FILMS, SCRIPTS, TAKES = "samples.csv", "films.csv", "scripts.csv", "takes.csv"
SAMPLES_COLUMNS = ("path", "label", "split", "group", "performer", "use", "until", "caption", "votes")
FER_CSV = "emotion,pixels,Usage"
FER_LABELS = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")  # by FER2013's index


def read_beside(file: Path, one: str) -> list[Candidate]:
    """Annotations of files from a table beside them; every column except `path` is optional and may be empty.

    Args:
        file: The table.
        one: The noun for one of the files, such as "film".

    Raises:
        DataError: It has no column path, or a line is wrong.
    """
    header = header_of_table(file)
    if "path" not in header:
        names = ", ".join(header[:8]) or "nothing"
        message = f"{file.name} is not a table of {one}s: its first line names {names}"
        raise DataError(message, "give it a column path, and optionally label, split, performer, use, until, caption")
    return list(_samples_rows(file, file.parent.resolve(), labelled=False))


def is_table(file: Path) -> bool:
    """True if a file is a table of samples."""
    header = header_of(file) if file.suffix.lower() == ".csv" else []
    return _is_fer(header) or _is_samples(header)


def table_in(folder: Path) -> Path | None:
    """The table directly in a folder, if there is one."""
    named = folder / SAMPLES
    if named.is_file():
        return named
    return next((file for file in sorted(folder.glob("*.csv")) if _is_fer(header_of(file))), None)


def read_sample_table(file: Path) -> Listing:
    """Lists the samples of a table.

    Raises:
        DataError: Its format is unknown, or a line is wrong.
    """
    header = header_of_table(file)
    if _is_fer(header):
        return Listing(FER_CSV, file.parent, _fer_rows(file), tables=[file])
    if not _is_samples(header):
        raise _no_table(file, header)
    folder = file.parent.resolve()
    candidates = list(_samples_rows(file, folder))
    hide_paths = any(candidate.performer for candidate in candidates)
    return Listing(SAMPLES, folder, candidates, len(candidates), tables=[file], hide_paths=hide_paths)


def _no_table(file: Path, header: Sequence[str]) -> DataError:
    wanted = f"give a folder, or a CSV with {', '.join(SAMPLES_COLUMNS[:2])} or {FER_CSV}"
    if file.suffix.lower() != ".csv":  # an archive, a film, an image: its bytes must not be printed
        return DataError(f"{file.name} is neither a folder nor a CSV", f"if it is an archive, unpack it; {wanted}")
    names = ", ".join(header[:8]) + ", ..." * (len(header) > 8)  # noqa: PLR2004  as many as a line holds
    return DataError(f"{file.name} is not a table of samples: its first line names {names or 'nothing'}", wanted)


def _is_fer(header: Sequence[str]) -> bool:
    return {"emotion", "pixels"} <= set(header)


def _is_samples(header: Sequence[str]) -> bool:
    return {"path", "label"} <= set(header)


def _samples_rows(file: Path, folder: Path, *, labelled: bool = True) -> Iterator[Candidate]:
    lines: dict[str, tuple[int, str]] = {}
    for line, row in rows_of(file):
        candidate = _sample(file, folder, line, row, labelled=labelled)
        first, label = lines.setdefault(candidate.path, (line, candidate.label))
        if label != candidate.label:
            raise fault(file, line, f"this picture is on line {first} with another label")
        if first == line:
            yield candidate


def _sample(file: Path, folder: Path, line: int, row: Row, *, labelled: bool) -> Candidate:
    split = split_of(row.get("split", ""))
    label = row.get("label", "")
    if not row["path"] or "\0" in row["path"] or (labelled and not label):
        raise fault(file, line, f"it needs a path{' and a label' * labelled}")
    if split is None:
        raise fault(file, line, f"unknown split {row['split']!r}: train, validation or test")
    try:
        until = date.fromisoformat(row["until"]).isoformat() if row.get("until") else ""
    except ValueError as error:
        raise fault(file, line, str(error)) from error
    try:
        votes = parse_votes(row.get("votes", ""))
    except DataError as error:
        raise fault(file, line, str(error)) from error
    path, place = _placed(row["path"], folder)
    texts = {name: row.get(name, "") for name in ("group", "performer", "use", "caption", "title", "licence")}
    return Candidate(path, label, place, table=file, line=line, split=split, until=until, votes=votes, **texts)


def _placed(text: str, folder: Path) -> tuple[str, Path]:
    """The path to show, and the file under its name on disk, which may encode accents differently."""
    place = Path(text.replace("\\", "/"))
    if place.is_absolute():
        place = Path(os.path.realpath(place.parent), place.name)
        place = place.relative_to(folder) if place.is_relative_to(folder) else place
    path = posixpath.normpath(place.as_posix())
    spelled = [folder / path, *(folder / unicodedata.normalize(form, path) for form in ("NFC", "NFD"))]
    return shown(path), next((file for file in spelled if os.path.lexists(file)), spelled[0])


def _fer_rows(file: Path) -> Iterator[Candidate]:
    pixels = 0
    for number, (line, row) in enumerate(rows_of(file)):
        split = split_of(row.get("usage", ""))
        if split is None:
            raise fault(file, line, f"unknown Usage {row['usage']!r}: Training, PublicTest or PrivateTest")
        count = row["pixels"].count(" ") + 1
        pixels = pixels or count
        if count != pixels:
            raise fault(file, line, f"{count} pixels, where the rows before have {pixels}")
        name = f"fer{number:07d}.png"  # as FER+ names the images, by their row
        yield Candidate(name, _fer_label(row["emotion"]), pixels=row["pixels"], table=file, line=line, split=split)


def _fer_label(emotion: str) -> str:
    known = emotion.isdecimal() and int(emotion) < len(FER_LABELS)
    return FER_LABELS[int(emotion)] if known else emotion
