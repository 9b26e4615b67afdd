"""What was found at a path before any picture is opened: candidates, what fits nowhere, and why."""

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
    """A sample that might be taken in: where its bytes are, and all that was said of it."""

    path: str  # below the folder, with slashes
    label: str  # as written
    file: Path | None = None
    pixels: str = ""  # where there is no file: grey values, and the table and line that hold them
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
    """A file that is not a sample under this layout, and why."""

    path: str
    file: Path
    reason: str
    remedy: str


def left_aside(listing: Listing) -> Iterator[str]:
    """A line for each reason why files were left aside: how many, which, and what would have them taken."""
    by_reason: dict[str, list[UnrecognisedFile]] = {}
    for other in listing.others:
        by_reason.setdefault(other.reason, []).append(other)
    for reason, files in by_reason.items():
        # Names of files may be names of people.
        names = [f"*{one.file.suffix}" if listing.hide_paths else one.path for one in files]
        shown = list(dict.fromkeys(names))[:NAMES_SHOWN]
        more = f" and {len(files) - len(shown):,} more" if len(files) > len(shown) and not listing.hide_paths else ""
        yield f"{len(files):,} left aside: {reason}: {', '.join(shown)}{more}; {files[0].remedy}"


@dataclass
class Listing:
    """What a folder or a table holds.

    Attributes:
        layout: The pattern or the kind of table.
        folder: Every file must lie in it.
        candidates: In a fixed order; can be gone through once.
        total: How many, where that is known beforehand.
        unrecognised: Pictures that the layout does not reach.
        others: Files that are left aside: no pictures by their name, or not named in the table.
        tables: The CSV files that the candidates were read from.
        empty: Folders without a file, as they may be shown.
        hide_paths: Paths that do not fit may hold people's names.
        notes: What else is worth knowing.
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
    """The split that a name means; empty for none given, None when it is not a split."""
    return SPLIT_NAMES.get(re.sub(r"[\s_-]+", "", text.casefold())) if text.strip() else ""


def shown(path: str) -> str:
    """A path in the one form in which it is compared and written; a name that is not UTF-8 still has to go in a CSV."""
    return unicodedata.normalize("NFC", os.fsencode(path).decode("utf-8", "backslashreplace"))
