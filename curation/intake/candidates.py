"""Candidates found at a path before any picture is opened, and the files that do not fit, with reasons."""

from __future__ import annotations

import os
import re
import unicodedata
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

SPLIT_NAMES = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("validation", "valid", "val", "dev", "publictest"), "validation"),
    **dict.fromkeys(("test", "testing", "privatetest"), "test"),
}


@dataclass(frozen=True)
class Candidate:
    """A potential sample: the location of its bytes, and its metadata."""

    path: str  # below the folder, with slashes
    label: str  # as written
    file: Path | None = None
    pixels: str = ""  # if there is no file: grey values, and the table and line that contain them
    table: Path | None = None
    line: int = 0
    split: str = ""
    group: str = ""
    performer: str = ""
    use: str = ""
    until: str = ""
    caption: str = ""
    title: str = ""
    licence: str = ""
    votes: Mapping[str, float] | None = None


NAMES_SHOWN = 4


@dataclass(frozen=True)
class UnrecognisedFile:
    """A file that is not a sample under this layout, and the reason."""

    path: str
    file: Path
    reason: str
    remedy: str


def skipped_files(listing: Listing) -> Iterator[str]:
    """One line for each reason why files were skipped: their number, examples, and the remedy."""
    by_reason: dict[str, list[UnrecognisedFile]] = {}
    for other in listing.others:
        by_reason.setdefault(other.reason, []).append(other)
    for reason, files in by_reason.items():
        # File names may contain names of people.
        names = [f"*{one.file.suffix}" if listing.hide_paths else one.path for one in files]
        shown = list(dict.fromkeys(names))[:NAMES_SHOWN]
        more = f" and {len(files) - len(shown):,} more" if len(files) > len(shown) and not listing.hide_paths else ""
        yield f"{len(files):,} skipped: {reason}: {', '.join(shown)}{more}; {files[0].remedy}"


@dataclass
class Listing:
    """Content of a folder or a table.

    Attributes:
        layout: The pattern or the kind of table.
        folder: Every file must lie in it.
        candidates: In a fixed order; can be iterated once.
        total: Number of candidates, if known beforehand.
        unrecognised: Pictures that the layout does not reach.
        others: Skipped files: not pictures by their name, or not named in the table.
        tables: The CSV files that the candidates were read from.
        empty: Folders without a file, in a form that may be shown.
        hide_paths: True if paths that do not fit may contain people's names.
        notes: Further notes for the user.
    """

    layout: str
    folder: Path
    candidates: Iterable[Candidate]
    total: int | None = None
    unrecognised: list[UnrecognisedFile] = field(default_factory=list)
    others: list[UnrecognisedFile] = field(default_factory=list)
    tables: list[Path] = field(default_factory=list)
    empty: list[str] = field(default_factory=list)
    hide_paths: bool = False
    notes: list[str] = field(default_factory=list)


def split_of(text: str) -> str | None:
    """The split that a name means; empty if none is given, None if it is not a split."""
    return SPLIT_NAMES.get(re.sub(r"[\s_-]+", "", text.casefold())) if text.strip() else ""


def shown(path: str) -> str:
    """A path as NFC, for comparison and output; bytes that are not UTF-8 are escaped, since CSV needs UTF-8."""
    return unicodedata.normalize("NFC", os.fsencode(path).decode("utf-8", "backslashreplace"))
