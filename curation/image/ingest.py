"""One intake of samples into a source: read, check, write, in an order that a kill anywhere cannot harm.

1. the key file of people's names   2. the shards   3. source.json   4. the index: from here on the samples are in
5. the starter set goes   6. the splits are extended   7. quarantine   8. the inbox, which keeps all until it is done
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections import Counter, deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from tqdm import tqdm

from curation.annotations import layouts
from curation.annotations.captions import with_captions
from curation.annotations.csv_rows import fault
from curation.annotations.votes import votes_for
from curation.errors import DataError, RefusedError, explained
from curation.image.validate import Picture, check, png_of, quiet_checks, read_safely
from curation.inbox.stability import UNSETTLED, WAIT, stamp
from curation.intake.candidates import left_aside
from curation.intake.job import IngestResult
from curation.intake.pseudonyms import People
from curation.intake.quarantine import Refusal
from curation.intake.refusals import Refusals
from curation.intake.source_writer import TERMS, rows_of, withheld, write_index
from curation.intake.starter_policy import check_starter, drop_starters, sweep_collection
from curation.store import splits
from curation.store.index import read_source, read_sources
from curation.store.shards import ShardWriter, next_number, sweep
from curation.store.source_info import real_sources
from curation.store.taxonomy import UNLABELLED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from curation.annotations.votes import Votes
    from curation.intake.candidates import Candidate, Listing
    from curation.intake.job import Job

T = TypeVar("T")
R = TypeVar("R")

AHEAD = 64  # pictures that are read before they are written; bounds the memory
BYTES_A_SAMPLE = 1024  # what tar and index add


def take_in(
    job: Job, path: Path, *, layout: str | None, votes: Path | None = None, only: Iterable[str] | None = None
) -> IngestResult:
    """Takes what lies at a path into a source.

    Args:
        job: Where to.
        path: A folder or a CSV file.
        layout: How the files lie; None: found out.
        votes: A CSV of votes; None: one found in the folder or beside it.
        only: Names right below the folder; None: all.

    Raises:
        DataError: Nothing was taken in, or the disk is full or closed to this user.
    """
    with explained():
        sweep_collection(job.root, job.collection)
        check_starter(job)
        listing = layouts.scan(path, job.params.labels, layout, only)
        if listing.empty and not job.move:
            message = f"there is nothing in: {', '.join(listing.empty)}"
            raise DataError(message, "put pictures there, or remove the empty folders")
        listing = with_captions(listing, path)
        return Intake(job, listing, votes_for(listing, path, votes, job.params.labels)).run()


@dataclass(frozen=True)
class _Taken:
    """A candidate that is a sample: its picture, or None where it was there already."""

    candidate: Candidate
    sha256: str
    origin: str
    picture: Picture | None
    written: int = 0  # when its file was, in nanoseconds


class Intake:
    """One run over one listing."""

    def __init__(self, job: Job, listing: Listing, votes: Votes | None) -> None:
        self.job = job
        self.listing = listing
        self.votes = votes
        self.people = People.load(job.root, job.collection, invented=job.starter)
        self.refusals = Refusals(job, listing, self.people)
        there = read_sources(job.root, job.collection)
        self.ids = set(there["id"])
        self.elsewhere = set(there.loc[there["source"] != job.source, "sha256"])
        self.rows = rows_of(job.folder)
        self.before = len(self.rows)
        self.places = {(row["sha256"], row["origin"]): number for number, row in enumerate(self.rows)}
        # Out of an inbox, a table may still name files that a killed run took in and removed.
        self.moved = {row["origin"]: row["sha256"] for row in self.rows} if job.move else {}
        self.taken: list[_Taken] = []
        self.already = self.relabelled = self.matched = self.voted = self.new_votes = self.new_terms = 0

    def run(self) -> IngestResult:
        """Reads, checks and writes.

        Raises:
            DataError: Nothing was taken in.
        """
        shards = {row["shard"] for row in self.rows}
        sweep(self.job.folder, shards)
        self._check_room()
        with ShardWriter(self.job.folder, next_number(shards)) as writer:
            for outcome in self._outcomes():
                self._enter(outcome, writer)
            self._check_found()
            self._check_labels()
            self._check_votes()
            self.people.save()
            writer.close()
        if len(self.rows) > self.before or self.new_votes or self.new_terms:
            write_index(self.job, self.listing.layout, self.rows)
        replaced = not self.job.starter and bool(self.rows) and drop_starters(self.job)
        self.refusals.advise()
        return self._put_away(self._split(self._result(replaced_starter=replaced)))

    def _put_away(self, result: IngestResult) -> IngestResult:
        """The samples are in by now: what the disk refuses from here on is told beside that."""
        try:
            with explained():
                self.refusals.release((one.candidate, one.sha256) for one in self.taken)
                self.refusals.keep()
                return self._empty_the_inbox(result) if self.job.move else result
        except DataError as error:
            return replace(result, problem=str(error), remedy=error.remedy)

    def _check_room(self) -> None:
        files = [one.file for one in self.listing.candidates if one.file] if self.listing.total is not None else []
        need = sum(_size_bytes(file) + BYTES_A_SAMPLE for file in files)
        free = shutil.disk_usage(self.job.root).free
        if need > free:
            message = f"{need / 2**20:,.0f} MiB of pictures, and the disk has {free / 2**20:,.0f} MiB left"
            raise DataError(message, "make room on the disk that holds datasets/")

    def _outcomes(self) -> Iterator[_Taken | tuple[Candidate, Refusal]]:
        name = f"ingest {self.job.collection}/{self.job.source}"
        bar = tqdm(total=self.listing.total, desc=name, unit="picture", disable=None)
        with bar, quiet_checks(), ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
            for outcome in _in_order(pool, self._look_at, self.listing.candidates):
                bar.update()
                yield outcome

    def _look_at(self, candidate: Candidate) -> _Taken | tuple[Candidate, Refusal]:
        drawn, before = _drawn(candidate) if candidate.file is None else None, stamp(candidate.file)
        try:
            return self._check(candidate, drawn)
        except RefusedError as error:
            if stamp(candidate.file) != before:  # it stays where its writer has it, and no half of it is kept
                return candidate, Refusal(candidate.path, UNSETTLED, WAIT, person=candidate.performer)
            file = self._ours(candidate.file)
            return candidate, Refusal(
                candidate.path, error.reason, error.remedy, file, drawn, person=candidate.performer
            )

    def _ours(self, file: Path | None) -> Path | None:
        # A table may name any file of this machine; what lies elsewhere is neither copied nor moved.
        inside = file is not None and Path(os.path.realpath(file.parent)).is_relative_to(self.listing.folder)
        return file if inside else None

    def _check(self, candidate: Candidate, drawn: bytes | None) -> _Taken:
        if self.job.label_of(candidate) is None:
            reason = f"has the unknown label {candidate.label!r}"
            raise RefusedError(reason, "")  # all unknown labels get one remedy, once they are known
        origin = hashlib.sha256(f"{self.job.source}/{candidate.path}".encode()).hexdigest()[:16]
        if candidate.file is not None and origin in self.moved and not candidate.file.exists():
            return _Taken(candidate, self.moved[origin], origin, None)
        written = _written(candidate.file)
        data = drawn if candidate.file is None else read_safely(candidate.file, self.listing.folder)
        sha256 = hashlib.sha256(data or b"").hexdigest()
        there = (sha256, origin) in self.places
        return _Taken(candidate, sha256, origin, None if there else check(data or b"", sha256), written)

    def _enter(self, outcome: _Taken | tuple[Candidate, Refusal], writer: ShardWriter) -> None:
        if not isinstance(outcome, _Taken):
            self.refusals.refused.append(outcome)
            return
        # Without its pixels: those of a whole FER2013 are 300 MB of text.
        candidate = replace(outcome.candidate, pixels="")
        self.taken.append(replace(outcome, candidate=candidate, picture=None))
        counts = candidate.votes or (self.votes.of(candidate.path) if self.votes else None)
        self.matched += counts is not None
        self.voted += bool(counts)
        number = self.places.get((outcome.sha256, outcome.origin))
        if number is not None:
            self._meet_again(self.rows[number], candidate, dict(counts or {}))
        elif outcome.picture is not None:
            self.places[outcome.sha256, outcome.origin] = len(self.rows)
            self.rows.append(self._row(outcome, outcome.picture, writer) | {"votes": dict(counts) if counts else None})

    def _meet_again(self, row: dict[str, Any], candidate: Candidate, counts: dict[str, float]) -> None:
        self.already += 1
        self.relabelled += row["label"] != self.job.label_of(candidate)
        if counts and row["votes"] is None:
            row["votes"] = counts
            self.new_votes += 1
        # A consent is given and withdrawn after the picture came in: the last word holds.
        said = {name: getattr(candidate, name) for name in TERMS if getattr(candidate, name)}
        self.new_terms += any(row[name] != text for name, text in said.items())
        row.update(said)

    def _row(self, taken: _Taken, picture: Picture, writer: ShardWriter) -> dict[str, Any]:
        candidate = taken.candidate
        name = self._fresh_id(taken)
        member = f"{name}.{picture.suffix}"
        shard, offset = writer.add(member, picture.data)
        return {
            "id": name,
            "source": self.job.source,
            "sha256": taken.sha256,
            "label": self.job.label_of(candidate),
            "split": candidate.split,
            "group": candidate.group,
            "performer": self.people.id_of(candidate.performer),
            "use": candidate.use or None,
            "until": candidate.until or None,
            "caption": candidate.caption or None,
            "shard": shard,
            "member": member,
            "offset": offset,
            "size_bytes": len(picture.data),
            "width": picture.width_px,
            "height": picture.height_px,
            "origin": taken.origin,
        }

    def _fresh_id(self, taken: _Taken) -> str:
        # Of thousands of copies of one picture two may share six digits of their origins.
        names = [f"{taken.sha256[:12]}-{taken.origin[:digits]}" for digits in (6, 16)]
        name = next(name for name in names if name not in self.ids)
        self.ids.add(name)
        return name

    def _check_found(self) -> None:
        if self.taken or self.refusals.refused:
            return
        unrecognised = self.listing.unrecognised
        if not unrecognised:
            message = f"nothing found: no pictures lie as {self.listing.layout} says"
            raise DataError(message, "give the folder that holds the class folders, or say how they lie: --layout")
        example = "" if self.listing.hide_paths else f", for example {unrecognised[0].path}"
        message = f"none of {len(unrecognised):,} pictures can be taken in: the first {unrecognised[0].reason}{example}"
        raise DataError(message, unrecognised[0].remedy)

    def _check_labels(self) -> None:
        labels = {row["label"] for row in self.rows}
        for name in real_sources(self.job.root, self.job.collection):
            labels |= set(read_source(self.job.folder.with_name(name))["label"])
        labels -= {""}
        if len(labels) == 1 and len(self.job.params.labels) > 1 and self.taken:
            message = f"one class only: all samples are {labels.pop()!r}, and from one class nothing can be learned"
            raise DataError(message, f"take in at least two of: {', '.join(self.job.params.labels)}")

    def _check_votes(self) -> None:
        if self.votes is not None and self.votes.asked_for and self.taken and not self.matched:
            message = f"{self.votes.file.name} names none of {len(self.taken):,} pictures"
            raise DataError(message, "its first column must hold their file names, or their paths below the folder")

    def _empty_the_inbox(self, result: IngestResult) -> IngestResult:
        """Removes what is in the index; a file that was written to again since it was read stays."""
        files = [(one.candidate.file, one.written) for one in self.taken if one.candidate.file is not None]
        changed = {file for file, written in files if _written(file) not in {0, written}}
        home = self.job.empties or self.listing.folder
        spent = [*(file for file, _ in files if file not in changed), *self.listing.tables]
        if self.votes is not None and Path(os.path.realpath(self.votes.file)).is_relative_to(home):
            spent.insert(0, self.votes.file)  # they are in the index; what is left is told by the pictures
        for file in spent:
            file.unlink(missing_ok=True)
        note = f"{len(changed):,} were written to while they were read, and stay in the inbox"
        return replace(result, notes=[*result.notes, note]) if changed else result

    def _result(self, *, replaced_starter: bool) -> IngestResult:
        refused, remedies = self.refusals.counted()
        return IngestResult(
            self.job.collection,
            self.job.source,
            added=len(self.rows) - self.before,
            already=self.already,
            refused=refused,
            replaced_starter=replaced_starter,
            labels=dict(sorted(Counter(row["label"] or UNLABELLED[0] for row in self.rows[self.before :]).items())),
            remedies=remedies,
        )

    def _split(self, result: IngestResult) -> IngestResult:
        try:
            result = replace(result, splits=splits.extend(self.job.root, self.job.collection, self.job.params))
        except DataError as error:
            result = replace(result, problem=str(error), remedy=error.remedy)
        return replace(result, notes=[*self._notes(), *withheld(self.job, self.rows)])

    def _notes(self) -> Iterator[str]:
        yield f"read as {self.listing.layout}"
        yield from self.listing.notes
        if self.votes is not None:
            yield f"votes from {self.votes.file.name} for {self.voted:,} of {len(self.taken):,}"
        if self.new_votes:
            yield f"{self.new_votes:,} that were there already got their votes"
        if self.new_terms:
            yield f"{self.new_terms:,} that were there already have another use, last day or caption now"
        twice = sum(row["sha256"] in self.elsewhere for row in self.rows[self.before :])
        if twice:
            place = f"datasets/{self.job.collection}/{self.job.source}"
            yield (
                f"{twice:,} of the {len(self.rows) - self.before:,} new ones lie in another source already, byte for "
                f"byte; clean keeps one of each. If that was not meant, remove {place}"
            )
        if self.relabelled:
            corrections = f"datasets/{self.job.collection}/corrections.csv"
            yield f"{self.relabelled:,} are there under another label, which stays: relabel in {corrections}"
        if self.listing.empty:
            yield f"nothing was in: {', '.join(self.listing.empty)}"
        if not self.job.move:
            yield from left_aside(self.listing)
        alone = sum(not row["group"] and row["performer"] is None for row in self.rows)
        if alone:
            yield (
                f"{alone:,} of {len(self.rows):,} samples name no performer and no group, so each picture is a group "
                "of its own: the same people or places may stand in several splits, and scores will flatter"
            )


def _drawn(candidate: Candidate) -> bytes:
    try:
        return png_of(candidate.pixels)
    except DataError as error:
        raise fault(candidate.table or Path(), candidate.line, f"no picture: {error}") from error


def _in_order(pool: ThreadPoolExecutor, work: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
    waiting: deque[Any] = deque()
    for item in items:
        waiting.append(pool.submit(work, item))
        if len(waiting) >= AHEAD:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


def _size_bytes(file: Path) -> int:
    try:
        return file.stat().st_size
    except OSError:
        return 0


def _written(file: Path | None) -> int:
    """When a file was written to, in nanoseconds; 0 where there is none."""
    try:
        return file.stat().st_mtime_ns if file is not None else 0
    except OSError:
        return 0
