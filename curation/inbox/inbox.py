"""The inbox of one collection: each entry that is ready is taken in; one that cannot be stays, with the reason."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from curation.errors import DataError, explained
from curation.inbox.stability import INBOX
from curation.intake.job import IngestResult, Job

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path


class TakeIn(Protocol):
    """Signature of `take_in` of a medium."""

    def __call__(
        self, job: Job, path: Path, *, layout: str | None = None, only: Iterable[str] | None = None
    ) -> IngestResult:
        """Takes in the samples at a path into the job's source."""


@dataclass
class Inbox(ABC):
    """Base of the inboxes of images and of whole files.

    Attributes:
        folder: inbox/C.
        job: Destination and terms; its source is that of loose files.
        now: Seconds since 1970, to detect files that are still being written.
        take_in: That of the medium.
    """

    folder: Path
    job: Job
    now: float
    take_in: TakeIn

    @abstractmethod
    def run(self) -> Iterator[IngestResult]:
        """Takes in each source that is ready."""

    def _waiting(self, entries: list[Path]) -> Iterator[IngestResult]:
        if entries:
            names = ", ".join(entry.name for entry in entries)
            yield self._note(f"still being written to, so left in inbox/{self.job.collection} until the next run: {names}")

    def _note(self, note: str) -> IngestResult:
        return IngestResult(self.job.collection, INBOX, notes=[note])

    def _taken(self, job: Job, path: Path, *, only: list[str] | None = None) -> IngestResult:
        """The result of one source; if it cannot be read, the problem is reported and the others are still taken in."""
        try:
            with explained():
                return self.take_in(job, path, only=only)
        except DataError as error:
            return failed(job, error)


def failed(job: Job, error: DataError) -> IngestResult:
    """The result of a source from which nothing was taken in."""
    return replace(IngestResult(job.collection, job.source), problem=str(error), remedy=error.remedy)
