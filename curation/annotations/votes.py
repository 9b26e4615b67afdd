"""Votes of several annotators on each image, from a CSV such as FER+: an image name, then one count a label."""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from dataclasses import dataclass
from math import inf
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from curation.annotations.csv_rows import Row, fault, header_of, rows_of
from curation.errors import DataError
from curation.store.taxonomy import resolve

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from curation.intake.candidates import Listing

IMAGE_COLUMNS = ("image", "image name", "path", "file", "filename")
TAILS = (2, 1)  # numbers of trailing path parts that may identify it
NOT_VOTES = (*IMAGE_COLUMNS, "usage")
BESIDE = ("*votes*.csv", "*ferplus*.csv", "*fer2013new*.csv")
WRITTEN = re.compile(r"([^\s:;,=]+)\s*[:=]\s*([\d.]+)")


@dataclass(frozen=True)
class Votes:
    """Counts by label name for each image, found by its path, by the end of the path, or by its file name.

    Attributes:
        file: Their CSV.
        by_tail: By the path and by each of TAILS; None where several images share one.
        asked_for: True if the user named the file, false if it was found.
    """

    file: Path
    by_tail: Mapping[str, dict[str, float] | None]
    asked_for: bool = False

    def of(self, path: str) -> dict[str, float] | None:
        """The counts of one image, or None; empty if nobody voted."""
        found = (self.by_tail.get(tail) for tail in _tails(path))
        return next((counts for counts in found if counts is not None), None)


def is_votes(header: Sequence[str], labels: Sequence[str]) -> bool:
    """True if a CSV with these columns contains votes on labels of the taxonomy."""
    known = [name for name in header if resolve(name, labels) is not None]
    return any(name in header for name in IMAGE_COLUMNS) and len(known) >= min(2, len(labels))


def find_votes(places: Sequence[Path], beside: Path, labels: Sequence[str]) -> Path | None:
    """The first file of votes inside the folders, or beside them under a matching file name."""
    inside = [file for folder in places for file in sorted(folder.glob("*.csv"))]
    outside = [file for pattern in BESIDE for file in sorted(beside.glob(pattern))]
    return next((file for file in [*inside, *outside] if is_votes(header_of(file), labels)), None)


def votes_for(listing: Listing, path: Path, asked_for: Path | None, labels: Sequence[str]) -> Votes | None:
    """Votes on the samples of a listing: the file that was asked for, else one that is found; removes it from `others`.

    Raises:
        DataError: The file that was asked for does not exist, or a line is wrong.
    """
    if asked_for is not None and not asked_for.is_file():
        message = f"{asked_for} does not exist"
        raise DataError(message, "give the CSV of votes: --votes FILE")
    inside = [path, listing.folder] if path.is_dir() else [path.parent]
    file = asked_for or find_votes(list(dict.fromkeys(inside)), path.parent, labels)
    if file is None:
        return None
    listing.others = [other for other in listing.others if os.path.realpath(other.file) != os.path.realpath(file)]
    known = listing.total is not None  # the rows of FER2013 have unique names
    return read_votes(file, [one.path for one in listing.candidates] if known else [], asked_for=asked_for is not None)


def read_votes(file: Path, paths: Iterable[str] = (), *, asked_for: bool = False) -> Votes:
    """Reads a file of votes.

    Args:
        file: The CSV.
        paths: The images to match; a tail that several of them share identifies none.
        asked_for: See Votes.

    Raises:
        DataError: A row is short, or a count is not a number.
    """
    by_tail: dict[str, dict[str, float] | None] = {}
    for line, row in rows_of(file):
        path = next((row[column] for column in IMAGE_COLUMNS if row.get(column)), "")
        counts = _counts(file, line, row)
        for tail in _tails(path) if path else []:  # FER+ leaves the name of a discarded image empty
            by_tail[tail] = None if tail in by_tail else counts
    shared = Counter(tail for path in paths for tail in _tails(path))
    return Votes(file, by_tail | {tail: None for tail, count in shared.items() if count > 1}, asked_for)


def parse_votes(text: str) -> dict[str, float] | None:
    """Parses the votes cell of samples.csv: `happy:7 sad:3`, or a JSON object; None if empty.

    Raises:
        DataError: It is neither.
    """
    if not text:
        return None
    written = [] if WRITTEN.sub("", text).strip(" ,;") else WRITTEN.findall(text)
    try:
        pairs = json.loads(text).items() if text.startswith("{") else written
        counts = {str(name): float(count) for name, count in pairs}
    except (TypeError, ValueError, RecursionError):  # of JSON, or of a count
        counts = {}
    if not counts or not all(0 <= count < inf for count in counts.values()):
        message = f"votes {text!r} are not of the form  happy:7 sad:3"
        raise DataError(message)
    return {name: count for name, count in counts.items() if count > 0}


def _tails(path: str) -> list[str]:
    parts = PurePosixPath(path).parts
    return list(dict.fromkeys(["/".join(parts), *("/".join(parts[-count:]) for count in TAILS)]))


def _counts(file: Path, line: int, row: Row) -> dict[str, float]:
    try:
        counts = {name: float(value or 0) for name, value in row.items() if name not in NOT_VOTES}
    except ValueError as error:
        raise fault(file, line, f"a count is not a number ({error})") from error
    if not all(0 <= count < inf for count in counts.values()):
        raise fault(file, line, "a count is negative or infinite")
    return {name: count for name, count in counts.items() if count > 0}
