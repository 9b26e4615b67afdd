"""Intake of whole files, films, scripts or takes: each is read to its end, then copied unchanged, named by its hash.

The index is written after each file, so a killed run resumes with the next one. The source is never modified,
and hard links are not used, since DVC makes the files in its cache read-only.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections import Counter
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from common.atomic import PARTIAL, replacing
from common.hashing import sha256_of
from curation.errors import DataError, RefusedError, explained
from curation.inbox.stability import UNSETTLED, WAIT, stamp
from curation.intake.candidates import skipped_files
from curation.intake.intake import Intake, Taken, written_ns
from curation.intake.quarantine import Refusal
from curation.intake.source_writer import write_index
from curation.intake.starter_policy import check_starter, sweep_collection
from curation.intake.whole_files.kind import Incoming
from curation.intake.whole_files.listing import scan_files
from curation.medium import by_name
from curation.store.index import read_sources
from curation.store.source_info import real_sources

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from curation.intake.candidates import Candidate, Listing
    from curation.intake.job import IngestResult, Job
    from curation.intake.source_writer import Row
    from curation.intake.whole_files.kind import FileKind

FICLONE = 0x40049409  # Linux: shares disk blocks between both files until one of them is written to


def take_in_files(
    job: Job, path: Path, kind: FileKind, only: Iterable[str] | None = None, layout: str | None = None
) -> IngestResult:
    """Takes the files of a kind at a path into a source.

    Args:
        job: Destination and terms.
        path: A file, or a folder of files.
        kind: Their kind.
        only: Names directly below the folder; None: all.
        layout: Pattern of the paths, such as `{performer}/*`.

    Raises:
        DataError: Nothing was taken in, or the disk is full or not writable for this user.
    """
    with explained():
        sweep_collection(job.root, job.collection)
        check_starter(job)
        return FileIntake(job, scan_files(path, kind, job.params.labels, only, layout), kind).run()


class FileIntake(Intake):
    """One run over one listing of files of one kind."""

    def __init__(self, job: Job, listing: Listing, kind: FileKind) -> None:
        super().__init__(job, listing, kind.one)
        self.kind = kind
        self.notes: list[str] = []
        there = read_sources(job.root, job.collection)
        # The starter set is removed once there is real data, so its files are not duplicates of a film.
        real = [*real_sources(job.root, job.collection), *([job.source] if job.starter else [])]
        stays = there["source"].isin(real) | by_name(job.params.medium).adds_to_starter(job.params)
        there = there[stays & (there["source"] != job.source)]
        self.elsewhere = dict(zip(there["sha256"], there["source"], strict=True))
        self.rows_elsewhere = there["sha256"].value_counts()

    def _sweep(self, named: set[str]) -> None:
        if self.kind.column:
            named |= {row[self.kind.column] for row in self.rows if row[self.kind.column]}
        for path in self.job.folder.glob("*"):
            kept = path.suffix in {".json", ".parquet"} or path.name in named
            if path.name.endswith(PARTIAL) or not kept:
                path.unlink()

    def _store(self) -> None:
        for candidate in self.listing.candidates:
            self._take(candidate)
        self._check_found()
        if self.refusals.refused:
            self.people.save()  # ids in the quarantine, so that a corrected file is found there under the same one
        if self.new_terms:
            self._write()

    def _take(self, candidate: Candidate) -> None:
        before = stamp(candidate.file)
        try:
            self._take_or_refuse(candidate)
        except (RefusedError, FileNotFoundError) as error:
            # A file that changed during the read may have failed for that reason alone.
            if stamp(candidate.file) != before:
                self._leave(candidate)
                return
            if not isinstance(error, RefusedError):
                raise
            file = candidate.file if candidate.file is not None and candidate.file.is_file() else None
            refusal = Refusal(candidate.path, error.reason, error.remedy, file, person=candidate.performer)
            refusal = replace(refusal, beside=self.kind.beside(file).files if file is not None else ())
            self.refusals.refused.append((candidate, refusal))

    def _leave(self, candidate: Candidate) -> None:
        """Skips a file that changes while it is read.

        Only half of it would be stored. In an inbox it stays in place for the program that writes it.
        """
        if self.job.move:
            self.notes.append(f"1 {self.kind.one} {UNSETTLED}, and stays in the inbox")
            return
        refusal = Refusal(candidate.path, UNSETTLED, WAIT, person=candidate.performer)
        self.refusals.refused.append((candidate, refusal))

    def _take_or_refuse(self, candidate: Candidate) -> None:
        origin = self._origin_of(candidate)
        gone = candidate.file is None or not candidate.file.exists()
        # A killed run has already taken in and removed this file.
        if gone and origin in self.moved:
            self.taken.append(Taken(candidate, self.moved[origin]))
            return
        file = _real(candidate, self.listing.folder)
        written, sha256 = written_ns(file), sha256_of(file)
        # The same bytes are stored once, in any source of the collection.
        beside = self.kind.beside(file)
        there = [row for row in self.rows if row["sha256"] == sha256]
        if not there and sha256 not in self.elsewhere:
            self._enter(candidate, file, sha256, origin)
        elif there and beside.stored is not None and sha256_of(beside.stored) != there[0][f"{self.kind.column}_sha256"]:
            self._replace(there, candidate, file, origin)
        else:
            self._meet_again(candidate, sha256)
        self.taken.append(Taken(candidate, sha256, written))

    def _replace(self, rows: list[Row], candidate: Candidate, file: Path, origin: str) -> None:
        """Enters a known file with other curves or the like beside it, in place of its rows."""
        sha256, before = rows[0]["sha256"], (list(self.rows), self.before)
        old, new = ([row for row in part if row["sha256"] != sha256] for part in (self.rows[: self.before], self.added))
        self.rows, self.before = [*old, *new], len(old)
        try:
            self._enter(candidate, file, sha256, origin)
        except RefusedError:
            self.rows, self.before = before
            raise

    def _enter(self, candidate: Candidate, file: Path, sha256: str, origin: str) -> None:
        common = self._row_of(candidate, sha256, origin)  # draws the id of a new name, so runs before masking
        incoming = Incoming(candidate, file, sha256, self.people.masker(), self.kind.beside(file))
        found = self.kind.read(self.job, incoming)
        if self.kind.column:
            common |= self._stored(incoming.beside.stored)
        name = f"{sha256}{file.suffix.lower()}"
        _copy(file, self.job.folder / name, sha256)
        common |= {"licence": candidate.licence or None, "votes": None}
        common |= {"shard": name, "member": name, "offset": 0, "size_bytes": file.stat().st_size}
        self.rows += [{**common, "group": candidate.group or row["id"], **row} for row in found]
        self._write()
        self._replace_starter()

    def _stored(self, file: Path | None) -> Row:
        """Stores the file beside another one; returns the columns of the index that name it."""
        column = self.kind.column
        if file is None:
            return {column: None, f"{column}_sha256": None}
        sha256 = sha256_of(file)
        name = f"{sha256}{file.suffix.lower()}"
        _copy(file, self.job.folder / name, sha256)
        return {column: name, f"{column}_sha256": sha256}

    def _spent(self) -> list[Path]:
        whole = [one.candidate.file for one in self.taken if one.written in {0, written_ns(one.candidate.file)}]
        return [file for taken in whole if taken is not None for file in self.kind.beside(taken).files]

    def _write(self) -> None:
        self.people.save()
        write_index(self.job, self.listing.layout, self.rows)

    def _meet_again(self, candidate: Candidate, sha256: str) -> None:
        """Updates the terms of a known file: the latest ones apply. Labels are corrected in corrections.csv."""
        rows = [row for row in self.rows if row["sha256"] == sha256]
        if not rows:
            place = f"datasets/{self.job.collection}/{self.elsewhere[sha256]}"
            self.notes.append(f"1 {self.kind.one} lies in {place} already, byte for byte")
        self._update_terms(rows, candidate)
        label = self.job.label_of(candidate)
        if label and any(row["label"] != label for row in rows):
            corrections = f"datasets/{self.job.collection}/corrections.csv"
            relabel = f"relabel its {self.kind.rows} in {corrections}"
            self.notes.append(f"1 {self.kind.one} is there under another label, which stays: {relabel}")
        self.already += len(rows) or self.rows_elsewhere[sha256]

    def _check_found(self) -> None:
        if self.taken or self.refusals.refused or self.job.move:
            return
        others = [*self.listing.unrecognised, *self.listing.others]
        example = f"; {others[0].path} {others[0].reason}" if others and not self.listing.hide_paths else ""
        one = self.kind.one
        message = f"there is no {one} in {self.listing.folder.name}{example}"
        raise DataError(message, f"give a {one}, or a folder of {one}s: {', '.join(sorted(self.kind.suffixes))}")

    def _labels(self) -> Iterable[str]:
        return [row["label"] for row in self.added if row["label"]]

    def _units(self) -> tuple[str, str]:
        return self.kind.rows, f"{self.kind.one}s"

    def _notes(self) -> Iterator[str]:
        if self.added:
            yield self.kind.note(self.added)
        for note, count in Counter(self.notes).items():
            yield note if count == 1 else f"{count:,} times: {note}"
        yield from self._terms_note()
        if not self.job.move:
            yield from skipped_files(self.listing)


def _real(candidate: Candidate, folder: Path) -> Path:
    """The file of a candidate, which must lie in the folder."""
    file = candidate.file
    if file is None or not file.exists():
        reason = "is not there"
        raise RefusedError(reason, "put it there, or take out what points to it")
    real = Path(os.path.realpath(file))
    if not real.is_relative_to(folder):
        reason = "leads out of the folder"
        raise RefusedError(reason, "put the file itself there, or ingest the folder that it lies in")
    if not real.is_file():
        reason = "is not a regular file"
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
            raise RefusedError(UNSETTLED, WAIT)


def _reflink(file: Path, to: Path) -> bool:
    with suppress(OSError), file.open("rb") as source, to.open("wb") as target:
        fcntl.ioctl(target.fileno(), FICLONE, source.fileno())
        return True
    return False
