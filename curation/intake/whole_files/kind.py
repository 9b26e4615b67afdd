"""Interface of files that are taken in whole, films, scripts or takes, for intake, listings and inboxes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from curation.intake.candidates import Candidate
    from curation.intake.job import Job

Row = dict[str, Any]


@dataclass(frozen=True)
class Beside:
    """Files that belong to a file: they are taken in, refused and removed from an inbox with it.

    Attributes:
        stored: One that is stored with it, such as its curves.
        others: The others.
        performer: Name of the person that they name.
    """

    stored: Path | None = None
    others: tuple[Path, ...] = ()
    performer: str = ""

    @property
    def files(self) -> tuple[Path, ...]:
        """All of them."""
        return self.others if self.stored is None else (self.stored, *self.others)


def _nothing(_file: Path) -> Beside:
    return Beside()


@dataclass(frozen=True)
class Incoming:
    """A file that is being taken in, its metadata, and a function that replaces people's names with ids."""

    candidate: Candidate
    file: Path
    sha256: str
    mask: Callable[[str, str], str]
    beside: Beside = Beside()

    def masked(self, text: str) -> str:
        """Replaces all names of people in a text about the file."""
        return self.mask(text, self.candidate.performer)


@dataclass(frozen=True)
class FileKind:
    """A kind of files.

    Attributes:
        one: Name of one of them.
        rows: Plural name of their rows in the index.
        suffixes: Suffixes that identify it, in lower case.
        table: The file beside them with their metadata.
        read: (job, file) -> the columns of its rows that are specific to the kind; at least `id`. Refuses other files.
        note: New rows -> a note about them for the user.
        labelled_by_folder: True if a folder named after a label labels its files.
        beside: File -> the files that belong to it.
        column: Column of the index for the name under which the file beside it is stored; `COLUMN_sha256` is its hash.
        stray: Reason and remedy for files that lack the file that they belong to, by suffix in lower case.
    """

    one: str
    rows: str
    suffixes: frozenset[str]
    table: str
    read: Callable[[Job, Incoming], list[Row]]
    note: Callable[[Sequence[Row]], str]
    labelled_by_folder: bool = False
    beside: Callable[[Path], Beside] = _nothing
    column: str = ""
    stray: Mapping[str, tuple[str, str]] = field(default_factory=dict)

    def has(self, file: Path) -> bool:
        """True if the name of a file is of this kind."""
        return file.suffix.lower() in self.suffixes
