"""One intake of samples into a source: reads, checks and writes, in an order that survives a kill at any point.

1. the key file of people's names   2. the samples   3. source.json   4. the index, which commits the samples
5. removal of the starter set   6. the splits   7. quarantine   8. the inbox, which keeps all files until then

The subclass stores the samples: images together in shards with one index at the end, whole files each on its own, so
that a killed run resumes with the next file.
"""

from __future__ import annotations

import hashlib
import shutil
from abc import ABC, abstractmethod
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from curation.errors import DataError, RefusedError, explained
from curation.intake.job import IngestResult
from curation.intake.pseudonyms import People
from curation.intake.refusals import Refusals
from curation.intake.source_writer import TERMS, rows_of, withheld
from curation.intake.starter_policy import drop_starters
from curation.medium import by_name
from curation.store import splits

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from curation.intake.candidates import Candidate, Listing
    from curation.intake.job import Job
    from curation.intake.source_writer import Row

MIB = 2**20


@dataclass(frozen=True)
class Taken:
    """A candidate that is now a sample.

    Attributes:
        candidate: Its metadata.
        sha256: Hash of its bytes.
        written: Modification time of its file, in nanoseconds; 0 if it was gone already.
    """

    candidate: Candidate
    sha256: str
    written: int = 0


class Intake(ABC):
    """One run over one listing.

    Attributes:
        rows: Rows of the source's index; new ones are appended.
        before: Number of rows that were there.
        moved: Origins of the rows and their sha256, for an inbox only: its table may still name files that a killed
            run took in and removed.
        taken: Candidates that are in.
        already: Number of samples that were there.
        new_terms: Number of those whose use, last day or caption has changed.
        replaced: True if the starter set was removed.
    """

    bytes_a_sample = 0  # added by the index and the shard

    def __init__(self, job: Job, listing: Listing, name: str) -> None:
        """Reads the present content of the source.

        Args:
            job: Destination and terms.
            listing: The candidates.
            name: Name of one of the files, such as "picture".
        """
        self.job = job
        self.listing = listing
        self.name = name
        self.people = People.load(job.root, job.collection, invented=job.starter)
        self.refusals = Refusals(job, listing, self.people)
        self.rows: list[Row] = rows_of(job.folder)
        self.before = len(self.rows)
        self.moved = {row["origin"]: row["sha256"] for row in self.rows} if job.move else {}
        self.taken: list[Taken] = []
        self.already = self.new_terms = 0
        self.replaced = False

    def run(self) -> IngestResult:
        """Reads, checks and writes.

        Raises:
            DataError: Nothing was taken in, or the disk has no room.
        """
        self._sweep({row["shard"] for row in self.rows})
        self._check_room()
        self._store()
        self._replace_starter()
        self.refusals.advise()
        return self._put_away(self._split(self._result()))

    @property
    def added(self) -> Sequence[Row]:
        """The new rows."""
        return self.rows[self.before :]

    @abstractmethod
    def _sweep(self, named: set[str]) -> None:
        """Removes remains of a killed run: files that the index does not name."""

    @abstractmethod
    def _store(self) -> None:
        """Takes in the candidates, and writes the index."""

    @abstractmethod
    def _notes(self) -> Iterator[str]:
        """Lines for the user in addition to the counts."""

    @abstractmethod
    def _labels(self) -> Iterable[str]:
        """The label of each new sample, as it is counted."""

    def _units(self) -> tuple[str, str]:
        """Names of the unit that is added, and of the unit that is refused, where these differ."""
        return "", ""

    def _spent(self) -> list[Path]:
        """Files of an inbox that are in the index now, apart from the samples and the tables that name them."""
        return []

    def _origin_of(self, candidate: Candidate) -> str:
        """Hash of the place that a candidate came from; the place itself may contain people's names.

        Raises:
            RefusedError: Its label is not in the taxonomy.
        """
        if self.job.label_of(candidate) is None:
            reason = f"has the unknown label {candidate.label!r}"
            raise RefusedError(reason, "")  # all unknown labels get one remedy, once they are known
        return hashlib.sha256(f"{self.job.source}/{candidate.path}".encode()).hexdigest()[:16]

    def _row_of(self, candidate: Candidate, sha256: str, origin: str) -> dict[str, Any]:
        """Index columns that samples of all media share."""
        return {
            "source": self.job.source,
            "sha256": sha256,
            "label": self.job.label_of(candidate),
            "split": candidate.split,
            "performer": self.people.id_of(candidate.performer),
            **{term: getattr(candidate, term) or None for term in TERMS},
            "origin": origin,
        }

    def _update_terms(self, rows: Sequence[Row], candidate: Candidate) -> None:
        """Updates the terms of rows.

        Consent may be given or withdrawn after a sample came in, so the latest terms apply.
        """
        terms = {name: getattr(candidate, name) for name in TERMS if getattr(candidate, name)}
        self.new_terms += any(row[name] != text for row in rows for name, text in terms.items())
        for row in rows:
            row.update(terms)

    def _replace_starter(self) -> None:
        medium = by_name(self.job.params.medium)
        if medium.adds_to_starter(self.job.params):
            return
        # Students alone learn from samples that are kept apart, so a starter is still needed beside them.
        apart = medium.sets_apart(self.job.params)
        taught = any(row["label"] or not apart for row in self.rows)
        self.replaced |= not self.job.starter and taught and drop_starters(self.job)

    def _check_room(self) -> None:
        files = [one.file for one in self.listing.candidates if one.file] if self.listing.total is not None else []
        need = sum(_size_bytes(file) + self.bytes_a_sample for file in files)
        free = shutil.disk_usage(self.job.root).free
        if need > free:
            message = f"{need / MIB:,.0f} MiB of {self.name}s, and the disk has {free / MIB:,.0f} MiB left"
            raise DataError(message, "make room on the disk that holds datasets/")

    def _result(self) -> IngestResult:
        refused, remedies = self.refusals.counted()
        return IngestResult(
            self.job.collection,
            self.job.source,
            added=len(self.added),
            already=self.already,
            refused=refused,
            replaced_starter=self.replaced,
            labels=dict(sorted(Counter(self._labels()).items())),
            remedies=remedies,
            units=self._units(),
        )

    def _split(self, result: IngestResult) -> IngestResult:
        try:
            if self.rows:
                result = replace(result, splits=splits.extend(self.job.root, self.job.collection, self.job.params))
        except DataError as error:
            result = replace(result, problem=str(error), remedy=error.remedy)
        return replace(result, notes=[*self._notes(), *withheld(self.job, self.rows)])

    def _terms_note(self) -> Iterator[str]:
        if self.new_terms:
            yield f"{self.new_terms:,} that were there already have another use, last day or caption now"

    def _put_away(self, result: IngestResult) -> IngestResult:
        """Fills the quarantine and empties the inbox.

        The samples are in by now, so a disk error from here on is reported beside the result.
        """
        try:
            with explained():
                self.refusals.release((one.candidate, one.sha256) for one in self.taken)
                self.refusals.keep()
                return self._empty_the_inbox(result) if self.job.move else result
        except DataError as error:
            return replace(result, problem=str(error), remedy=error.remedy)

    def _empty_the_inbox(self, result: IngestResult) -> IngestResult:
        """Removes files that are in the index; a file that was written to after it was read stays."""
        files = [(one.candidate.file, one.written) for one in self.taken if one.candidate.file is not None]
        changed = {file for file, written in files if written_ns(file) not in {0, written}}
        # The tables go last: the next run needs them if this one is killed here.
        for file in [*self._spent(), *(file for file, _ in files if file not in changed), *self.listing.tables]:
            file.unlink(missing_ok=True)
        note = f"{len(changed):,} were written to while they were read, and stay in the inbox"
        return replace(result, notes=[*result.notes, note]) if changed else result


def written_ns(file: Path | None) -> int:
    """Modification time of a file, in nanoseconds; 0 if there is no file."""
    try:
        return file.stat().st_mtime_ns if file is not None else 0
    except OSError:
        return 0


def _size_bytes(file: Path) -> int:
    try:
        return file.stat().st_size
    except OSError:
        return 0
