"""One intake of whole files into a source, films or scripts: each is read to its end, then copied as it is.

File by file: 1. the copy, named by its hash   2. the key file of people's names   3. source.json   4. the index: from
here on it is in, and a killed run goes on with the next file   5. the starter goes. At the end the splits are
extended, and quarantine and inbox follow, as in curation.image.ingest. The source is never touched: no hard links,
since
DVC closes what it keeps to writing.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from common.atomic import PARTIAL, replacing
from curation.errors import DataError, RefusedError, explained
from curation.film.video import sha256_of
from curation.inbox.stability import UNSETTLED, WAIT, stamp
from curation.intake.candidates import left_aside
from curation.intake.file_medium import Incoming
from curation.intake.job import IngestResult
from curation.intake.pseudonyms import People
from curation.intake.quarantine import Refusal
from curation.intake.refusals import Refusals
from curation.intake.source_writer import TERMS, rows_of, withheld, write_index
from curation.intake.starter_policy import drop_starters
from curation.store import splits
from curation.store.index import read_sources
from curation.store.source_info import real_sources

if TYPE_CHECKING:
    from collections.abc import Iterator

    from curation.intake.candidates import Candidate, Listing
    from curation.intake.file_medium import FileKind
    from curation.intake.job import Job

FICLONE = 0x40049409  # Linux: the same blocks of the disk for both files, until one of them is written to


@dataclass
class FileIntake:
    """One run over one listing of files of one kind."""

    job: Job
    kind: FileKind
    listing: Listing
    taken: list[tuple[Candidate, str, int]] = field(default_factory=list)  # with hash, and when it was written
    added: list[dict[str, Any]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    already: int = 0
    new_terms: int = 0
    replaced: bool = False

    def __post_init__(self) -> None:
        self.people = People.load(self.job.root, self.job.collection, invented=self.job.starter)
        self.refusals = Refusals(self.job, self.listing, self.people)
        self.rows = rows_of(self.job.folder)
        there = read_sources(self.job.root, self.job.collection)
        # What the starter has goes, once there is real data: it is not a reason to leave a film out.
        real = [*real_sources(self.job.root, self.job.collection), *([self.job.source] if self.job.starter else [])]
        there = there[there["source"].isin(real) & (there["source"] != self.job.source)]
        self.elsewhere = dict(zip(there["sha256"], there["source"], strict=True))
        self.rows_elsewhere = there["sha256"].value_counts()
        self.moved = {row["origin"]: row["sha256"] for row in self.rows} if self.job.move else {}

    def run(self) -> IngestResult:
        """Takes in file by file.

        Raises:
            DataError: There is none of the kind, none can be taken in, or the disk has no room.
        """
        _sweep(self.job.folder, {row["shard"] for row in self.rows})
        self._check_room()
        for candidate in self.listing.candidates:
            self._take(candidate)
        self._check_found()
        if self.new_terms:
            self._write()
        self.replaced |= not self.job.starter and bool(self.rows) and drop_starters(self.job)
        self.refusals.advise()
        return self._put_away(self._split(self._result()))

    def _take(self, candidate: Candidate) -> None:
        before = stamp(candidate.file)
        try:
            self._take_or_refuse(candidate)
        except (RefusedError, FileNotFoundError) as error:
            if stamp(candidate.file) != before:
                self._leave(candidate)
                return
            if not isinstance(error, RefusedError):
                raise
            file = candidate.file if candidate.file is not None and candidate.file.is_file() else None
            refusal = Refusal(candidate.path, error.reason, error.remedy, file, person=candidate.performer)
            self.refusals.refused.append((candidate, refusal))

    def _leave(self, candidate: Candidate) -> None:
        """Of a file that changes under our hands half would be kept; in an inbox its writer needs it where it is."""
        if self.job.move:
            self.notes.append(f"1 {self.kind.one} {UNSETTLED}, and stays in the inbox")
            return
        refusal = Refusal(candidate.path, UNSETTLED, WAIT, person=candidate.performer)
        self.refusals.refused.append((candidate, refusal))

    def _take_or_refuse(self, candidate: Candidate) -> None:
        if self.job.label_of(candidate) is None:
            reason = f"has the unknown label {candidate.label!r}"
            raise RefusedError(reason, "")  # all unknown labels get one remedy, once they are known
        origin = hashlib.sha256(f"{self.job.source}/{candidate.path}".encode()).hexdigest()[:16]
        gone = candidate.file is None or not candidate.file.exists()
        if gone and origin in self.moved:
            self.taken.append((candidate, self.moved[origin], 0))
            return
        file = _real(candidate, self.listing.folder)
        written, sha256 = file.stat().st_mtime_ns, sha256_of(file)
        if sha256 not in {row["sha256"] for row in self.rows} | self.elsewhere.keys():
            self._enter(candidate, file, sha256, origin)
        else:
            self._meet_again(candidate, sha256)
        self.taken.append((candidate, sha256, written))

    def _enter(self, candidate: Candidate, file: Path, sha256: str, origin: str) -> None:
        common = self._common(candidate, sha256, origin)  # draws the id of a new name, so before it is masked
        incoming = Incoming(candidate, file, sha256, self.people.masker())
        found = self.kind.read(self.job, incoming)
        name = f"{sha256}{file.suffix.lower()}"
        _copy(file, self.job.folder / name, sha256)
        common |= {"shard": name, "member": name, "offset": 0, "size_bytes": file.stat().st_size}
        rows = [{**common, "group": candidate.group or row["id"], **row} for row in found]
        self.rows += rows
        self.added += rows
        self._write()
        self.replaced |= not self.job.starter and drop_starters(self.job)

    def _common(self, candidate: Candidate, sha256: str, origin: str) -> dict[str, Any]:
        return {
            "source": self.job.source,
            "sha256": sha256,
            "label": self.job.label_of(candidate),
            "split": candidate.split,
            "performer": self.people.id_of(candidate.performer),
            **{term: getattr(candidate, term) or None for term in TERMS},
            "licence": candidate.licence or None,
            "votes": None,
            "origin": origin,
        }

    def _write(self) -> None:
        self.people.save()
        write_index(self.job, self.listing.layout, self.rows)

    def _meet_again(self, candidate: Candidate, sha256: str) -> None:
        """The last word on its use holds; what it shows is corrected elsewhere."""
        rows = [row for row in self.rows if row["sha256"] == sha256]
        if not rows:
            place = f"datasets/{self.job.collection}/{self.elsewhere[sha256]}"
            self.notes.append(f"1 {self.kind.one} lies in {place} already, byte for byte")
        said = {term: getattr(candidate, term) for term in TERMS if getattr(candidate, term)}
        self.new_terms += any(row[term] != text for row in rows for term, text in said.items())
        for row in rows:
            row.update(said)
        label = self.job.label_of(candidate)
        if label and any(row["label"] != label for row in rows):
            corrections = f"datasets/{self.job.collection}/corrections.csv"
            relabel = f"relabel its {self.kind.rows} in {corrections}"
            self.notes.append(f"1 {self.kind.one} is there under another label, which stays: {relabel}")
        self.already += len(rows) or self.rows_elsewhere[sha256]

    def _check_room(self) -> None:
        files = [one.file for one in self.listing.candidates if one.file is not None and one.file.is_file()]
        need, free = sum(file.stat().st_size for file in files), shutil.disk_usage(self.job.root).free
        if need > free:
            message = f"{need / 2**20:,.0f} MiB of {self.kind.one}s, and the disk has {free / 2**20:,.0f} MiB left"
            raise DataError(message, "make room on the disk that holds datasets/")

    def _check_found(self) -> None:
        if self.taken or self.refusals.refused or self.job.move:
            return
        others = [*self.listing.unrecognised, *self.listing.others]
        example = f"; {others[0].path} {others[0].reason}" if others and not self.listing.hide_paths else ""
        one = self.kind.one
        message = f"there is no {one} in {self.listing.folder.name}{example}"
        raise DataError(message, f"give a {one}, or a folder of {one}s: {', '.join(sorted(self.kind.suffixes))}")

    def _result(self) -> IngestResult:
        refused, remedies = self.refusals.counted()
        labels = Counter(row["label"] for row in self.added if row["label"])
        return IngestResult(
            self.job.collection,
            self.job.source,
            added=len(self.added),
            already=self.already,
            refused=refused,
            replaced_starter=self.replaced,
            labels=dict(sorted(labels.items())),
            remedies=remedies,
            units=(self.kind.rows, f"{self.kind.one}s"),
        )

    def _split(self, result: IngestResult) -> IngestResult:
        try:
            if self.rows:
                result = replace(result, splits=splits.extend(self.job.root, self.job.collection, self.job.params))
        except DataError as error:
            result = replace(result, problem=str(error), remedy=error.remedy)
        return replace(result, notes=[*self._notes(), *withheld(self.job, self.rows)])

    def _notes(self) -> Iterator[str]:
        if self.added:
            yield self.kind.told(self.added)
        for note, count in Counter(self.notes).items():
            yield note if count == 1 else f"{count:,} times: {note}"
        if self.new_terms:
            yield f"{self.new_terms:,} that were there already have another use, last day or caption now"
        if not self.job.move:
            yield from left_aside(self.listing)

    def _put_away(self, result: IngestResult) -> IngestResult:
        try:
            with explained():
                self.refusals.release((candidate, sha256) for candidate, sha256, _ in self.taken)
                self.refusals.keep()
                return self._empty_the_inbox(result) if self.job.move else result
        except DataError as error:
            return replace(result, problem=str(error), remedy=error.remedy)

    def _empty_the_inbox(self, result: IngestResult) -> IngestResult:
        files = [(one.file, written) for one, _, written in self.taken if one.file is not None and one.file.exists()]
        changed = [file for file, written in files if file.stat().st_mtime_ns != written]
        for file in [*(file for file, _ in files if file not in changed), *self.listing.tables]:
            file.unlink(missing_ok=True)
        note = f"{len(changed):,} were written to while they were read, and stay in the inbox"
        return replace(result, notes=[*result.notes, note]) if changed else result


def _real(candidate: Candidate, folder: Path) -> Path:
    """The file of a candidate, which lies in the folder and nowhere else."""
    file = candidate.file
    if file is None or not file.exists():
        reason = "is not there"
        raise RefusedError(reason, "put it there, or take out what points to it")
    real = Path(os.path.realpath(file))
    if not real.is_relative_to(folder):
        reason = "leads out of the folder"
        raise RefusedError(reason, "put the file itself there, or ingest the folder that it lies in")
    if not real.is_file():
        reason = "is no regular file"
        raise RefusedError(reason, "take it out")
    if not os.access(real, os.R_OK):
        reason = "cannot be read: Permission denied"
        raise RefusedError(reason, "allow this user to read it")
    return real


def _copy(file: Path, to: Path, sha256: str) -> None:
    with replacing(to) as partial:
        if not _reflink(file, partial):
            shutil.copyfile(file, partial)
        if sha256_of(partial) != sha256:
            reason = "was written to while it was read"
            raise RefusedError(reason, "wait until its copy is done, then run again")


def _reflink(file: Path, to: Path) -> bool:
    with suppress(OSError), file.open("rb") as source, to.open("wb") as target:
        fcntl.ioctl(target.fileno(), FICLONE, source.fileno())
        return True
    return False


def _sweep(folder: Path, files: set[str]) -> None:
    """Removes what a killed ingest left: files that are not whole, and such as the index does not name."""
    for path in folder.glob("*"):
        kept = path.suffix in {".json", ".parquet"} or path.name in files
        if path.name.endswith(PARTIAL) or not kept:
            path.unlink()
