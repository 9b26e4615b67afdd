"""Intake of images: read and checked in parallel, stored in shards, with one index at the end."""

from __future__ import annotations

import hashlib
import os
from collections import deque
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
from curation.inbox.images import ImageInbox
from curation.inbox.stability import UNSETTLED, WAIT, stamp
from curation.intake.candidates import skipped_files
from curation.intake.intake import Intake, Taken, written_ns
from curation.intake.quarantine import Refusal
from curation.intake.source_writer import Row, write_index
from curation.intake.starter_policy import check_starter, sweep_collection
from curation.store.index import read_source_index, read_sources
from curation.store.shards import ShardWriter, next_number, sweep
from curation.store.source_info import real_sources
from curation.store.taxonomy import UNLABELLED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from curation.annotations.votes import Votes
    from curation.intake.candidates import Candidate, Listing
    from curation.intake.job import IngestResult, Job

T = TypeVar("T")
R = TypeVar("R")

AHEAD = 64  # pictures read before they are written; bounds the memory


def take_in(
    job: Job, path: Path, *, layout: str | None = None, votes: Path | None = None, only: Iterable[str] | None = None
) -> IngestResult:
    """Takes in the pictures at a path into a source.

    Args:
        job: Destination and terms.
        path: A folder or a CSV file.
        layout: Layout of the files; None: detected.
        votes: A CSV of votes; None: one found in the folder or beside it.
        only: Names directly below the folder; None: all.

    Raises:
        DataError: Nothing was taken in, or the disk is full or not writable for this user.
    """
    with explained():
        sweep_collection(job.root, job.collection)
        check_starter(job)
        listing = layouts.scan(path, job.params.labels, layout, only)
        if listing.empty and not job.move:
            message = f"there is nothing in: {', '.join(listing.empty)}"
            raise DataError(message, "put pictures there, or remove the empty folders")
        listing = with_captions(listing, path)
        return ImageIntake(job, listing, votes_for(listing, path, votes, job.params.labels)).run()


def inbox(folder: Path, job: Job, now: float) -> Iterator[IngestResult]:
    """Takes in each source of inbox/C that is ready."""
    return ImageInbox(folder, job, now, take_in).run()


@dataclass(frozen=True)
class _Read:
    """A candidate that is a sample, and its picture, or None if it is known already."""

    taken: Taken
    origin: str
    picture: Picture | None


class ImageIntake(Intake):
    """One run over one listing of images; they are stored in shards."""

    bytes_a_sample = 1024  # overhead of tar and index

    def __init__(self, job: Job, listing: Listing, votes: Votes | None) -> None:
        super().__init__(job, listing, "picture")
        self.votes = votes
        there = read_sources(job.root, job.collection)
        self.ids = set(there["id"])
        self.elsewhere = set(there.loc[there["source"] != job.source, "sha256"])
        self.places = {(row["sha256"], row["origin"]): number for number, row in enumerate(self.rows)}
        self.relabelled = self.matched = self.voted = self.new_votes = 0

    def _sweep(self, named: set[str]) -> None:
        sweep(self.job.folder, named)

    def _store(self) -> None:
        with ShardWriter(self.job.folder, next_number({row["shard"] for row in self.rows})) as writer:
            for outcome in self._outcomes():
                self._enter(outcome, writer)
            self._check_found()
            self._check_labels()
            self._check_votes()
            self.people.save()
            writer.close()
        if self.added or self.new_votes or self.new_terms:
            write_index(self.job, self.listing.layout, self.rows)

    def _outcomes(self) -> Iterator[_Read | tuple[Candidate, Refusal]]:
        name = f"ingest {self.job.collection}/{self.job.source}"
        bar = tqdm(total=self.listing.total, desc=name, unit="picture", disable=None)
        with bar, quiet_checks(), ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
            for outcome in _in_order(pool, self._look_at, self.listing.candidates):
                bar.update()
                yield outcome

    def _look_at(self, candidate: Candidate) -> _Read | tuple[Candidate, Refusal]:
        drawn, before = _drawn(candidate) if candidate.file is None else None, stamp(candidate.file)
        try:
            return self._check(candidate, drawn)
        except RefusedError as error:
            # The file changed during the read: it stays in place for its writer, and no half of it is kept.
            if stamp(candidate.file) != before:
                return candidate, Refusal(candidate.path, UNSETTLED, WAIT, person=candidate.performer)
            file = self._ours(candidate.file)
            return candidate, Refusal(
                candidate.path, error.reason, error.remedy, file, drawn, person=candidate.performer
            )

    def _ours(self, file: Path | None) -> Path | None:
        # A table may name any file on this machine; files outside the folder are neither copied nor moved.
        inside = file is not None and Path(os.path.realpath(file.parent)).is_relative_to(self.listing.folder)
        return file if inside else None

    def _check(self, candidate: Candidate, drawn: bytes | None) -> _Read:
        origin = self._origin_of(candidate)
        # A killed run has already taken in and removed this file.
        if candidate.file is not None and origin in self.moved and not candidate.file.exists():
            return _Read(Taken(candidate, self.moved[origin]), origin, None)
        written = written_ns(candidate.file)
        data = drawn if candidate.file is None else read_safely(candidate.file, self.listing.folder)
        sha256 = hashlib.sha256(data or b"").hexdigest()
        # A known picture from the same place is not decoded again.
        there = (sha256, origin) in self.places
        return _Read(Taken(candidate, sha256, written), origin, None if there else check(data or b"", sha256))

    def _enter(self, outcome: _Read | tuple[Candidate, Refusal], writer: ShardWriter) -> None:
        if not isinstance(outcome, _Read):
            self.refusals.refused.append(outcome)
            return
        # Drops the pixels: those of all of FER2013 are 300 MB of text.
        candidate = replace(outcome.taken.candidate, pixels="")
        taken = replace(outcome.taken, candidate=candidate)
        self.taken.append(taken)
        counts = candidate.votes or (self.votes.of(candidate.path) if self.votes else None)
        self.matched += counts is not None
        self.voted += bool(counts)
        number = self.places.get((taken.sha256, outcome.origin))
        if number is not None:
            self._meet_again(self.rows[number], candidate, dict(counts or {}))
        elif outcome.picture is not None:
            self.places[taken.sha256, outcome.origin] = len(self.rows)
            row = self._stored(taken, outcome.origin, outcome.picture, writer)
            self.rows.append(row | {"votes": dict(counts) if counts else None})

    def _meet_again(self, row: Row, candidate: Candidate, counts: dict[str, float]) -> None:
        self.already += 1
        self.relabelled += row["label"] != self.job.label_of(candidate)
        if counts and row["votes"] is None:
            row["votes"] = counts
            self.new_votes += 1
        self._update_terms([row], candidate)

    def _stored(self, taken: Taken, origin: str, picture: Picture, writer: ShardWriter) -> Row:
        name = self._fresh_id(taken.sha256, origin)
        member = f"{name}.{picture.suffix}"
        shard, offset = writer.add(member, picture.data)
        return {
            "id": name,
            **self._row_of(taken.candidate, taken.sha256, origin),
            "group": taken.candidate.group,
            "shard": shard,
            "member": member,
            "offset": offset,
            "size_bytes": len(picture.data),
            "width": picture.width_px,
            "height": picture.height_px,
        }

    def _fresh_id(self, sha256: str, origin: str) -> str:
        # Among thousands of copies of one picture, two may share six digits of their origins.
        names = [f"{sha256[:12]}-{origin[:digits]}" for digits in (6, 16)]
        name = next(name for name in names if name not in self.ids)
        self.ids.add(name)
        return name

    def _check_found(self) -> None:
        if self.taken or self.refusals.refused:
            return
        unrecognised = self.listing.unrecognised
        if not unrecognised:
            message = f"nothing found: no picture has a path of the form {self.listing.layout}"
            raise DataError(message, "give the folder that holds the class folders, or the form of paths: --layout")
        example = "" if self.listing.hide_paths else f", for example {unrecognised[0].path}"
        message = f"none of {len(unrecognised):,} pictures can be taken in: the first {unrecognised[0].reason}{example}"
        fitting = layouts.suggested([one.path for one in unrecognised], self.job.params.labels)
        raise DataError(message, f"these match --layout '{fitting}'" if fitting else unrecognised[0].remedy)

    def _check_labels(self) -> None:
        labels = {row["label"] for row in self.rows}
        for name in real_sources(self.job.root, self.job.collection):
            labels |= set(read_source_index(self.job.folder.with_name(name))["label"])
        labels -= {""}
        if len(labels) == 1 and len(self.job.params.labels) > 1 and self.taken:
            message = f"one class only: all samples are {labels.pop()!r}, and from one class nothing can be learned"
            raise DataError(message, f"take in at least two of: {', '.join(self.job.params.labels)}")

    def _check_votes(self) -> None:
        if self.votes is not None and self.votes.asked_for and self.taken and not self.matched:
            message = f"{self.votes.file.name} names none of {len(self.taken):,} pictures"
            raise DataError(message, "its first column must hold their file names, or their paths below the folder")

    def _spent(self) -> list[Path]:
        home = self.job.empties or self.listing.folder
        if self.votes is None or not Path(os.path.realpath(self.votes.file)).is_relative_to(home):
            return []
        return [self.votes.file]  # the counts are in the index; the remaining file would be taken for samples

    def _labels(self) -> Iterable[str]:
        return [row["label"] or UNLABELLED[0] for row in self.added]

    def _notes(self) -> Iterator[str]:
        yield f"read as {self.listing.layout}"
        yield from self.listing.notes
        if self.votes is not None:
            yield f"votes from {self.votes.file.name} for {self.voted:,} of {len(self.taken):,}"
        if self.new_votes:
            yield f"{self.new_votes:,} that were there already got their votes"
        yield from self._terms_note()
        twice = sum(row["sha256"] in self.elsewhere for row in self.added)
        if twice:
            others = f"collections.{self.job.collection}.sources in params.yaml"
            yield (
                f"{twice:,} of the {len(self.added):,} new ones lie in another source already, byte for "
                f"byte; clean keeps one of each. If that was not meant, name only the others in {others}"
            )
        if self.relabelled:
            corrections = f"datasets/{self.job.collection}/corrections.csv"
            yield f"{self.relabelled:,} are there under another label, which stays: relabel in {corrections}"
        if self.listing.empty:
            yield f"nothing was in: {', '.join(self.listing.empty)}"
        if not self.job.move:
            yield from skipped_files(self.listing)
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
