"""Raw pictures in: from a folder, a table or the inbox into datasets/C/SOURCE, or into quarantine with a reason.

The source is never touched. The inbox is emptied: what was taken in is removed from it, what was refused is moved.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from curation import layouts
from curation.errors import DataError
from curation.intake import IngestResult, Intake, Job, sweep_collection
from curation.labels import resolve
from curation.pictures import SUFFIXES
from curation.quarantine import SAMPLES, Quarantine, Refusal, remove_empty
from curation.tables import header_of
from curation.votes import Votes, find_votes, is_votes, read_votes

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from curation.layouts import Listing
    from curation.params import CollectionParams

__all__ = ["IngestResult", "inbox", "ingest", "slug"]

INBOX = "inbox"
LEFT_BEHIND = re.compile(r"\.DS_Store|\._.*|Thumbs\.db|desktop\.ini")


def ingest(
    path: Path,
    root: Path,
    collection: str,
    params: CollectionParams,
    *,
    source: str | None = None,
    layout: str | None = None,
    votes: Path | None = None,
    starter: bool = False,
    move: bool = False,
    licence: str = "",
) -> IngestResult:
    """Takes pictures into a collection; safe to repeat.

    Args:
        path: A folder or a CSV file; never touched, unless `move`.
        root: The checkout.
        collection: The collection's name.
        params: Its section of params.yaml.
        source: The name of the source; None: that of the folder.
        layout: How the files lie, such as `{label}/{performer}/*`; None: found out.
        votes: A CSV of votes, such as FER+; None: one found in the folder or beside it.
        starter: This is the starter set, which the first real samples replace.
        move: Take files out of where they are, as from the inbox.
        licence: For source.json.

    Raises:
        DataError: Nothing was taken in, and the message says why.
    """
    real = _checked(path, root)
    name = slug(source if source is not None else _name_of(real))
    job = Job(root, collection, params, name, starter=starter, licence=licence, move=move)
    return _take_in(job, real, layout=layout, votes=votes)


def inbox(root: Path, collection: str, params: CollectionParams) -> list[IngestResult]:
    """Takes in whatever lies in inbox/C: each entry is a source, loose class folders together are `inbox`.

    What was taken in is removed from the inbox, what was refused is moved to quarantine. An entry that cannot be read
    as samples stays where it is; its result names the problem, and the others are taken in all the same.
    """
    folder = root / INBOX / collection
    if not folder.is_dir():
        return []
    sweep_collection(root, collection)
    return list(_Inbox(folder.resolve(), Job(root, collection, params, INBOX, move=True)).run())


def slug(name: str) -> str:
    """A source's name from a folder's: small letters of any script, digits, dashes."""
    return re.sub(r"[\W_]+", "-", unicodedata.normalize("NFKC", name).casefold()).strip("-") or "source"


def _take_in(
    job: Job, path: Path, *, layout: str | None, votes: Path | None = None, only: Iterable[str] | None = None
) -> IngestResult:
    sweep_collection(job.root, job.collection)
    job.check_starter()
    listing = layouts.scan(path, job.params.labels, layout, only)
    if listing.empty and not job.move:
        message = f"there is nothing in: {', '.join(listing.empty)}"
        raise DataError(message, "put pictures there, or remove the empty folders")
    return Intake(job, listing, _votes(votes, path, listing, job.params)).run()


def _checked(path: Path, root: Path) -> Path:
    if not path.exists():
        message = f"{path} does not exist"
        raise DataError(message, "check the path; a folder or a CSV file is wanted")
    real, datasets = path.resolve(), (root / "datasets").resolve()
    if real.is_relative_to(datasets):
        message = f"{path} lies in datasets/, which is what ingest writes"
        raise DataError(message, "give the folder that the samples came from")
    if datasets.is_relative_to(real):
        message = f"{path} holds this checkout"
        raise DataError(message, "give the folder of the samples alone")
    return real


def _name_of(path: Path) -> str:
    if path.is_dir():
        return path.name
    return path.parent.name if path.name == SAMPLES else path.stem


def _votes(votes: Path | None, path: Path, listing: Listing, params: CollectionParams) -> Votes | None:
    if votes is not None and not votes.is_file():
        message = f"{votes} does not exist"
        raise DataError(message, "give the CSV of votes: --votes FILE")
    inside = [path, listing.folder] if path.is_dir() else [path.parent]
    file = votes or find_votes(list(dict.fromkeys(inside)), path.parent, params.labels)
    if file is None:
        return None
    listing.others = [other for other in listing.others if other.file.resolve() != file.resolve()]
    known = listing.total is not None  # the rows of FER2013 each have a name of their own
    return read_votes(file, [one.path for one in listing.candidates] if known else [], asked_for=votes is not None)


@dataclass
class _Inbox:
    """What lies in inbox/C, one entry after another."""

    folder: Path
    job: Job

    def run(self) -> Iterator[IngestResult]:
        """Takes in each entry; loose class folders go last, since votes that lie beside them serve all."""
        if (self.folder / SAMPLES).is_file():
            yield from self._take(self.folder / SAMPLES, [])
        entries = layouts.visible(self.folder)
        folders = [entry for entry in entries if entry.is_dir() and not entry.is_symlink()]
        loose = [entry for entry in folders if self._is_class(entry)]
        tables = [entry for entry in entries if entry.is_file() and layouts.is_table(entry) and entry.name != SAMPLES]
        sources = [([entry], entry) for entry in [*(folder for folder in folders if folder not in loose), *tables]]
        sources += [(loose, self.folder)] if loose else []
        for number, (inside, path) in enumerate(sources, 1):
            yield from self._take(path, inside, last=number == len(sources))
        others = [entry for entry in entries if entry not in folders and entry not in tables]
        yield from self._put_aside([entry for entry in others if not self._is_votes(entry)])

    def _is_class(self, folder: Path) -> bool:
        if resolve(folder.name, self.job.params.labels):
            return True
        inside = layouts.visible(folder)
        return layouts.holds_pictures(folder) and not any(one.is_dir() or layouts.is_table(one) for one in inside)

    def _take(self, path: Path, entries: list[Path], *, last: bool = False) -> Iterator[IngestResult]:
        loose = path == self.folder
        job = replace(self.job, empties=self.folder if last else None)
        job = replace(job, source=slug(_name_of(path))) if entries == [path] else job
        if entries and not any(map(_holds_files, entries)):
            yield from self._drained(job, entries)
            return
        only = [entry.name for entry in entries] if loose else None
        try:
            result = _take_in(job, path, layout=layouts.CLASS_FOLDERS if loose else None, only=only)
        except DataError as error:
            yield IngestResult(job.collection, job.source, problem=str(error), remedy=error.remedy)
            return
        _clear(entry for entry in entries or layouts.visible(self.folder))
        yield result

    def _drained(self, job: Job, entries: list[Path]) -> Iterator[IngestResult]:
        _clear(entries)
        gone = [entry.name for entry in entries if not entry.exists()]
        if gone:
            yield IngestResult(job.collection, job.source, notes=[f"nothing was in: {', '.join(gone)}; removed"])

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
                message = f"inbox/{self.job.collection}/{entry.name} is no folder and no table of samples"
                yield IngestResult(self.job.collection, INBOX, problem=message, remedy="unpack it, or take it out")

    def _is_votes(self, entry: Path) -> bool:
        return entry.suffix.lower() == ".csv" and is_votes(header_of(entry), self.job.params.labels)


def _loose(entry: Path) -> Refusal | None:
    if entry.is_symlink():
        return Refusal(entry.name, "leads out of the folder", "put there what it points to", entry)
    if entry.suffix.lower() in SUFFIXES:
        return Refusal(entry.name, "lies in no class folder", "put it into a folder with the label's name", entry)
    return None


def _holds_files(entry: Path) -> bool:
    below = entry.rglob("*") if entry.is_dir() else [entry]
    return any((path.is_symlink() or not path.is_dir()) and not path.name.startswith(".") for path in below)


def _clear(entries: Iterable[Path]) -> None:
    for folder in (entry for entry in entries if entry.is_dir() and not entry.is_symlink()):
        for path in folder.rglob("*"):
            if LEFT_BEHIND.fullmatch(path.name) and path.is_file():
                path.unlink()
        remove_empty(folder)
