"""Request and result of an ingest."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from curation.annotations.sample_tables import SAMPLES
from curation.medium import by_name
from curation.store.index import collection_folder
from curation.store.taxonomy import means_none, resolve

if TYPE_CHECKING:
    from pathlib import Path

    from curation.intake.candidates import Candidate
    from curation.params import CollectionParams

REASONS_SHOWN = 12


@dataclass(frozen=True)
class Job:
    """Destination of the samples, and terms of their source."""

    root: Path
    collection: str
    params: CollectionParams
    source: str
    starter: bool = False
    licence: str = ""
    credit: str = ""  # name that must be credited wherever a picture made from it is shown
    move: bool = False
    empties: Path | None = None  # an inbox of which this is the last entry: votes that lie in it are used up

    @property
    def folder(self) -> Path:
        """The folder of the source."""
        return collection_folder(self.root, self.collection) / self.source

    def label_of(self, candidate: Candidate) -> str | None:
        """The label of a candidate in the taxonomy; empty if it needs none, None if its label is unknown."""
        # Films and scripts may omit the label; pictures must have one, or state that they have none.
        if (not candidate.label and not by_name(self.params.medium).labelled) or means_none(
            candidate.label, self.params.labels
        ):
            return ""
        return resolve(candidate.label, self.params.labels)


@dataclass(frozen=True)
class IngestResult:
    """Result of an ingest.

    Attributes:
        collection: The collection.
        source: The folder in datasets/C/ that contains the samples.
        added: Number of new samples.
        already: Number of samples that were there.
        refused: Number for each reason; they lie in quarantine/C/SOURCE.
        replaced_starter: True if the starter set was removed, since there is real data now.
        labels: Number of new samples for each label.
        splits: Number of samples of the whole collection in each split.
        remedies: Remedy for each reason.
        notes: Further notes for the user.
        problem: Reason why nothing was taken in, or why the set is not ready for training; empty on success.
        remedy: Remedy for the problem.
        units: Names of the unit that is added and of the one that is refused, such as shots and films.
    """

    collection: str
    source: str
    added: int = 0
    already: int = 0
    refused: dict[str, int] = field(default_factory=dict)
    replaced_starter: bool = False
    labels: dict[str, int] = field(default_factory=dict)
    splits: dict[str, int] = field(default_factory=dict)
    remedies: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    problem: str = ""
    remedy: str = ""
    units: tuple[str, str] = ("", "")

    def summary(self) -> str:
        """The result as text, one line for each item."""
        lines = [f"{self.collection}/{self.source}: {self._counts()}"]
        lines += [f"  labels   {_counted(self.labels)}"] if self.labels else []
        lines += self._refusals()
        lines += [f"  splits   {_counted(self.splits)} (all of {self.collection})"] if self.splits else []
        lines += ["  starter  its samples are gone: there is real data now"] if self.replaced_starter else []
        lines += [f"  note     {note}" for note in (self.notes[1:] if self._idle else self.notes)]
        lines += [f"  problem  {self.problem}", f"  remedy   {self.remedy}"] if self.problem else []
        return "\n".join(line for line in lines if line)

    @property
    def _idle(self) -> bool:
        """True if there are no counts, only a note."""
        return bool(self.notes) and not (self.added or self.already or self.refused or self.problem)

    def _counts(self) -> str:
        if self._idle:
            return self.notes[0]
        refused = sum(self.refused.values())
        unit = f" {self.units[0]}" if self.units[0] else ""
        refused_unit = f" {self.units[1].removesuffix('s') if refused == 1 else self.units[1]}" if self.units[1] else ""
        if self.already and not self.added and not refused:
            return f"already there, all {self.already:,}{unit}"
        return f"{self.added:,}{unit} added, {self.already:,} already there, {refused:,}{refused_unit} refused"

    def _refusals(self) -> list[str]:
        if not self.refused:
            return []
        lines, pending = [], ""
        for reason, count in list(self.refused.items())[:REASONS_SHOWN]:
            remedy = self.remedies.get(reason, "")
            lines += [f"           {pending}"] if pending not in {"", remedy} else []
            lines += [f"  refused  {count:,}: {reason}"]
            pending = remedy
        more = len(self.refused) - REASONS_SHOWN
        lines += [f"  refused  and for {more:,} more reasons"] if more > 0 else []
        place = f"quarantine/{self.collection}/{self.source}"
        return [*lines, f"           {pending}".rstrip(), f"  kept in  {place}, with their reasons in reasons.csv"]


def source_slug(name: str) -> str:
    """A source's name from a folder's: lower-case letters of any script, digits, dashes.

    Folders that differ only in digits after an @, such as `collected@20270630-0915`, are parts of one source.
    """
    name = re.sub(r"(?<=.)@[\d-]+$", "", unicodedata.normalize("NFKC", name))
    return re.sub(r"[\W_]+", "-", name.casefold()).strip("-") or "source"


def name_of(path: Path) -> str:
    """Name of the source at a path: that of the folder or of the table."""
    if path.is_dir():
        return path.name
    return path.parent.name if path.name == SAMPLES else path.stem


def _counted(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in counts.items())
