"""`take_in` and `inbox` of a medium whose files are taken in whole, derived from its `FileKind`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from curation.inbox.files import FileInbox
from curation.intake.whole_files.intake import take_in_files

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from curation.intake.job import IngestResult, Job
    from curation.intake.whole_files.kind import FileKind


@dataclass(frozen=True)
class FileIngest:
    """Ingest of one kind of files."""

    kind: FileKind

    def take_in(
        self,
        job: Job,
        path: Path,
        *,
        layout: str | None = None,
        votes: Path | None = None,  # noqa: ARG002  # those of images
        only: Iterable[str] | None = None,
    ) -> IngestResult:
        """Takes the files at a path into a source; see `take_in_files`."""
        return take_in_files(job, path, self.kind, only, layout)

    def inbox(self, folder: Path, job: Job, now: float) -> Iterator[IngestResult]:
        """Takes in each folder of inbox/C that is ready, then the loose files."""
        return FileInbox(folder, job, now, self.take_in, self.kind).run()
