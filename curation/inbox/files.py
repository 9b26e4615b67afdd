"""Ingest of inbox/C where C holds films or scripts: each folder is a source, loose files together are `inbox`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from curation.errors import DataError, explained
from curation.intake.job import IngestResult, Job, slug
from curation.media import FILE_KINDS, take_in
from curation.intake.quarantine import remove_empty
from curation.annotations.sample_tables import SAMPLES
from curation.inbox.stability import still_written
from curation.intake.walk import visible

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from curation.intake.file_medium import FileKind


@dataclass
class FileInbox:
    """The inbox of one collection of whole files.

    Attributes:
        folder: inbox/C.
        job: Where its files go; its source is that of loose ones.
        now: Seconds since 1970, for what is still being written to.
    """

    folder: Path
    job: Job
    now: float

    @property
    def kind(self) -> FileKind:
        """What its files are."""
        return FILE_KINDS[self.job.params.medium]

    def run(self) -> Iterator[IngestResult]:
        """Takes in each folder that is still, then the loose files; one that is still being copied waits."""
        entries = visible(self.folder)
        held = [entry for entry in entries if still_written(entry, self.now)]
        if held:
            names = ", ".join(entry.name for entry in held)
            note = f"still being written to, so left in inbox/{self.job.collection} until the next run: {names}"
            yield IngestResult(self.job.collection, self.job.source, notes=[note])
        ready = [entry for entry in entries if entry not in held]
        # Looked at before any is taken in: those that are then empty are removed, and no folders any more.
        folders = [entry for entry in ready if entry.is_dir() and not entry.is_symlink()]
        for folder in folders:
            yield from self._take(replace(self.job, source=slug(folder.name)), folder, None)
            remove_empty(folder)
        loose = [entry for entry in ready if entry not in folders]
        # What a table says of files that are still coming, it says when they have come.
        wait = any(entry.name in {self.kind.table, SAMPLES} for entry in entries) and bool(held)
        if any(map(self.kind.has, loose)) and not wait:
            yield from self._take(self.job, self.folder, [entry.name for entry in loose])
        elif loose and not wait:
            yield from self._strange(loose)

    def _take(self, job: Job, path: Path, only: list[str] | None) -> Iterator[IngestResult]:
        try:
            with explained():
                result = take_in(job, path, layout=None, only=only)
        except DataError as error:
            result = IngestResult(job.collection, job.source, problem=str(error), remedy=error.remedy)
        yield from [result] if result.problem or result.notes or result.added or result.refused else []

    def _strange(self, entries: list[Path]) -> Iterator[IngestResult]:
        one = self.kind.one
        for entry in entries:
            note = f"{entry.name} left aside: no {one} and no folder of {one}s; take it out"
            yield IngestResult(self.job.collection, self.job.source, notes=[note])
