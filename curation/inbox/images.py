"""The inbox of images: each folder or table is a source; loose class folders together form the source `inbox`."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from curation.annotations.captions import CAPTIONS
from curation.errors import DataError, explained
from curation.intake.job import IngestResult, Job, name_of, source_slug
from curation.store.taxonomy import names_class
from curation.annotations.layouts import CLASS_FOLDERS
from curation.intake.picture_names import UNREAD, is_picture
from curation.intake.quarantine import Quarantine, Refusal, remove_empty
from curation.annotations.sample_tables import SAMPLES, is_table
from curation.inbox.inbox import Inbox, failed
from curation.inbox.stability import INBOX, still_written
from curation.annotations.csv_rows import header_of
from curation.annotations.votes import is_votes
from curation.intake.walk import Walk, visible

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

LEFT_BEHIND = re.compile(r"\.DS_Store|\._.*|Thumbs\.db|desktop\.ini")


@dataclass
class ImageInbox(Inbox):
    """The inbox of one collection of images."""

    def run(self) -> Iterator[IngestResult]:
        """Takes in each source that is ready; loose class folders go last, since votes beside them apply to all.

        A table directly in the inbox gives the labels, performers and permitted uses of its pictures. If it cannot be
        read, nothing is taken in: the pictures would be labelled by their folders instead.
        """
        entries = visible(self.folder)
        held = self._still_written(entries)
        yield from self._waiting(held)
        if self.folder / SAMPLES in entries and not held:
            table = list(self._take(self.folder / SAMPLES, []))
            yield from table
            held = entries if (self.folder / SAMPLES).exists() else held
        yield from self._play([entry for entry in visible(self.folder) if entry not in held])

    def _play(self, entries: list[Path]) -> Iterator[IngestResult]:
        folders = [entry for entry in entries if entry.is_dir() and not entry.is_symlink()]
        loose = [entry for entry in folders if self._is_class(entry)]
        tables = [entry for entry in entries if entry.is_file() and is_table(entry) and entry.name != SAMPLES]
        sources = [([entry], entry) for entry in [*(folder for folder in folders if folder not in loose), *tables]]
        sources += [(loose, self.folder)] if loose else []
        for number, (inside, path) in enumerate(sources, 1):
            yield from self._take(path, inside, last=number == len(sources))
        others = [entry for entry in entries if entry not in folders and entry not in tables]
        yield from self._put_aside([entry for entry in others if not self._is_votes(entry)])

    def _still_written(self, entries: list[Path]) -> list[Path]:
        """Entries to leave for the next run, since a source is taken in whole.

        Splits dealt from a part of a source would be final. A CSV may describe all other entries, as samples.csv does,
        so none is taken in without it.
        """
        fresh = [entry for entry in entries if still_written(entry, self.now)]
        if fresh and (self.folder / SAMPLES in entries or any(entry.suffix.lower() == ".csv" for entry in fresh)):
            return entries
        loose = [entry for entry in entries if entry.is_dir() and not entry.is_symlink() and self._is_class(entry)]
        return [*dict.fromkeys([*fresh, *(loose if any(entry in fresh for entry in loose) else [])])]

    def _is_class(self, folder: Path) -> bool:
        if names_class(folder.name, self.job.params.labels):
            return True
        try:
            inside = visible(folder)
        except DataError:
            return False  # reported when it is taken in
        return any(map(is_picture, inside)) and not any(one.is_dir() or is_table(one) for one in inside)

    def _take(self, path: Path, entries: list[Path], *, last: bool = False) -> Iterator[IngestResult]:
        job = replace(self.job, empties=self.folder if last else None)
        job = replace(job, source=source_slug(name_of(path))) if entries == [path] else job
        try:
            with explained():
                result = self._taken_in(job, path, entries)
        except DataError as error:
            result = failed(job, error)
        yield from [result] if result else []

    def _taken_in(self, job: Job, path: Path, entries: list[Path]) -> IngestResult | None:
        if entries and not any(map(_holds_files, entries)):
            _clear(entries)
            gone = [entry.name for entry in entries if not entry.exists()]
            note = f"nothing was in: {', '.join(gone)}; removed"
            return IngestResult(job.collection, job.source, notes=[note]) if gone else None
        loose = path == self.folder
        if not loose and path.is_dir() and (example := _no_samples(path)):
            # Unrelated notes do not fail a run; a folder that was meant to contain samples does (`take_in` raises).
            return self._note(f"{path.name}/ skipped: it holds no picture and no table, but {example}; take it out")
        only = [entry.name for entry in entries] if loose else None
        result = self.take_in(job, path, layout=CLASS_FOLDERS if loose else None, only=only)
        _clear(entries or visible(self.folder))
        return result

    def _put_aside(self, entries: list[Path]) -> Iterator[IngestResult]:
        refusals = [refusal for entry in entries if (refusal := _loose(entry)) is not None]
        if refusals:
            quarantine = Quarantine(self.job.root / "quarantine" / self.job.collection / INBOX)
            quarantine.keep(refusals, quarantine.note(refusals), move=True)
            counts = dict(Counter(refusal.reason for refusal in refusals))
            remedies = {refusal.reason: refusal.remedy for refusal in refusals}
            yield IngestResult(self.job.collection, INBOX, refused=counts, remedies=remedies)
        for entry in entries:
            if entry.is_file() and entry.name != SAMPLES:
                yield self._note(f"{entry.name} skipped: no folder and no table of samples; unpack it, or take it out")

    def _is_votes(self, entry: Path) -> bool:
        # Captions are read with the pictures that they describe, and removed with them.
        return entry.name == CAPTIONS or (
            entry.suffix.lower() == ".csv" and is_votes(header_of(entry), self.job.params.labels)
        )


def _loose(entry: Path) -> Refusal | None:
    if entry.is_symlink():
        return Refusal(entry.name, "leads out of the folder", "put there what it points to", entry)
    if is_picture(entry):
        return Refusal(entry.name, "lies in no class folder", "put it into a folder with the label's name", entry)
    return None


def _holds_files(entry: Path) -> bool:
    """True if there is a file to take in or to move to the quarantine.

    Raises:
        DataError: A folder cannot be read.
    """
    if not entry.is_dir():
        return True
    walk = Walk(entry)
    return bool(walk.files or walk.links)


def _no_samples(folder: Path) -> str:
    """The first file of a folder that contains neither pictures, of any format, nor tables; otherwise empty."""
    walk = Walk(folder)
    if walk.links or any(is_picture(file) or file.suffix.lower() in {*UNREAD, ".csv"} for _, file in walk.files):
        return ""
    return next((path for path, _ in walk.files), "")


def _clear(entries: Iterable[Path]) -> None:
    for folder in (entry for entry in entries if entry.is_dir() and not entry.is_symlink()):
        for path in folder.rglob("*"):
            if LEFT_BEHIND.fullmatch(path.name) and path.is_file():
                path.unlink()
        remove_empty(folder)
