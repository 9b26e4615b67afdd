"""What an intake, a listing and an inbox have to know of files that are taken in whole: films, or scripts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from curation.intake.candidates import Candidate
    from curation.intake.job import Job

Row = dict[str, Any]


@dataclass(frozen=True)
class Incoming:
    """A file that is being taken in: what was said of it, and what puts ids in the place of people's names."""

    candidate: Candidate
    file: Path
    sha256: str
    mask: Callable[[str, str], str]

    def masked(self, text: str) -> str:
        """A text about it without anybody's name."""
        return self.mask(text, self.candidate.performer)


@dataclass(frozen=True)
class FileKind:
    """A kind of files.

    Attributes:
        one: Name of one of them.
        rows: Plural name of their rows in the index.
        suffixes: By which it is told, in small letters.
        table: The file beside them that says what they are.
        read: (job, file) -> its rows, as far as they are the kind's own; at least `id`. Refuses what is none.
        told: Rows that are new -> what is worth saying of them.
        labelled_by_folder: A folder that is called like a label says what is in it.
    """

    one: str
    rows: str
    suffixes: frozenset[str]
    table: str
    read: Callable[[Job, Incoming], list[Row]]
    told: Callable[[Sequence[Row]], str]
    labelled_by_folder: bool = False

    def has(self, file: Path) -> bool:
        """True if a file is of this kind by its name."""
        return file.suffix.lower() in self.suffixes
