"""The inbox of films, scripts or takes: each folder is a source; loose files together form the source `inbox`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from curation.annotations.sample_tables import SAMPLES
from curation.inbox.inbox import Inbox
from curation.inbox.stability import still_written
from curation.intake.job import IngestResult, Job, source_slug
from curation.intake.quarantine import remove_empty
from curation.intake.walk import visible

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from curation.intake.whole_files.kind import FileKind


@dataclass
class FileInbox(Inbox):
    """The inbox of one collection of whole files.

    Attributes:
        kind: Kind of its files.
    """

    kind: FileKind

    def run(self) -> Iterator[IngestResult]:
        """Takes in each folder whose copy is complete, then the loose files; one that is still being copied waits."""
        entries = visible(self.folder)
        written = {entry.stem for entry in entries if still_written(entry, self.now)}
        held = [entry for entry in entries if entry.stem in written]  # with what lies beside it under its name
        yield from self._waiting(held)
        ready = [entry for entry in entries if entry not in held]
        # Listed before any folder is taken in: empty ones are removed then, and would no longer count as folders.
        folders = [entry for entry in ready if entry.is_dir() and not entry.is_symlink()]
        for folder in folders:
            yield from self._worth_a_line(replace(self.job, source=source_slug(folder.name)), folder, None)
            remove_empty(folder)
        loose = [entry for entry in ready if entry not in folders]
        # A table may describe files that are still being copied, so loose files wait for those.
        wait = any(entry.name in {self.kind.table, SAMPLES} for entry in entries) and bool(held)
        if any(map(self.kind.has, loose)) and not wait:
            yield from self._worth_a_line(self.job, self.folder, [entry.name for entry in loose])
        elif not wait:
            yield from map(self._unrecognised, loose)

    def _worth_a_line(self, job: Job, path: Path, only: list[str] | None) -> Iterator[IngestResult]:
        result = self._taken(job, path, only=only)
        if result.problem or result.notes or result.added or result.refused:
            yield result

    def _unrecognised(self, entry: Path) -> IngestResult:
        one = self.kind.one
        return self._note(f"{entry.name} skipped: no {one} and no folder of {one}s; take it out")
