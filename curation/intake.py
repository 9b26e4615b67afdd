"""One intake of samples into a source: read, check, write, in an order that a kill anywhere cannot harm.

1. the key file of people's names   2. the shards   3. source.json   4. the index: from here on the samples are in
5. the starter set goes   6. the splits are extended   7. quarantine   8. the inbox, which keeps all until it is done
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections import Counter, deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq
from tqdm import tqdm

from curation import splits
from curation.atomic import replacing
from curation.errors import DataError
from curation.index import INDEX, SCHEMA, SOURCE, collection_folder, read_source, read_sources, sources
from curation.labels import line_to_add, resolve
from curation.layouts import SAMPLES, SAMPLES_COLUMNS, Candidate, Listing, Stranger, split_of
from curation.people import People
from curation.pictures import Picture, RefusedError, check, png_of, quiet_checks, read_safely
from curation.quarantine import Quarantine, Refusal
from curation.shards import ShardWriter, next_number, sweep
from curation.tables import fault

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from curation.params import CollectionParams
    from curation.votes import Votes

T = TypeVar("T")
R = TypeVar("R")

GONE = ".gone-"
AHEAD = 64  # pictures that are read before they are written; bounds the memory
BYTES_A_SAMPLE = 1024  # what tar and index add


@dataclass(frozen=True)
class IngestResult:
    """What an ingest did.

    Attributes:
        collection: Where to.
        source: The folder in datasets/C/ that holds the samples.
        added: Samples that are new.
        already: Samples that were there.
        refused: How many for each reason; they lie in quarantine/C/SOURCE.
        replaced_starter: The starter set went, since there is real data now.
        labels: How many of the new ones for each label.
        splits: The samples of the whole collection in each split.
        remedies: What to do about each reason.
        notes: What else is worth knowing.
        problem: Why nothing was taken in, or why the set is not ready to learn from; empty when all is well.
        remedy: What to do about the problem.
    """

    collection: str
    source: str
    added: int = 0
    already: int = 0
    refused: dict[str, int] = field(default_factory=dict)
    replaced_starter: bool = False
    labels: dict[str, int] = field(default_factory=dict)
    splits: dict[str, int] = field(default_factory=dict)
    remedies: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    problem: str = ""
    remedy: str = ""

    def summary(self) -> str:
        """The result in words, one line each."""
        lines = [f"{self.collection}/{self.source}: {self._counts()}"]
        lines += [f"  labels   {_counted(self.labels)}"] if self.labels else []
        for reason, count in self.refused.items():
            lines += [f"  refused  {count:,}: {reason}", f"           {self.remedies.get(reason, '')}".rstrip()]
        lines += [f"  kept in  quarantine/{self.collection}/{self.source}"] if self.refused else []
        lines += [f"  splits   {_counted(self.splits)} (all of {self.collection})"] if self.splits else []
        lines += ["  starter  its samples are gone: there is real data now"] if self.replaced_starter else []
        lines += [f"  note     {note}" for note in self.notes]
        lines += [f"  problem  {self.problem}", f"  remedy   {self.remedy}"] if self.problem else []
        return "\n".join(line for line in lines if line)

    def _counts(self) -> str:
        refused = sum(self.refused.values())
        if self.already and not self.added and not refused:
            return f"already there, all {self.already:,}"
        return f"{self.added:,} added, {self.already:,} already there, {refused:,} refused"


@dataclass(frozen=True)
class Job:
    """Where samples go, and what is said of their source."""

    root: Path
    collection: str
    params: CollectionParams
    source: str
    starter: bool = False
    licence: str = ""
    move: bool = False
    empties: Path | None = None  # an inbox of which this is the last entry: votes that lie in it are spent

    @property
    def folder(self) -> Path:
        """The folder of the source."""
        return collection_folder(self.root, self.collection) / self.source

    def label_of(self, candidate: Candidate) -> str | None:
        """The label of the taxonomy that a candidate has."""
        return resolve(candidate.label, self.params.labels)

    def check_starter(self) -> None:
        """Sees that starter and real samples are not mixed.

        Raises:
            DataError: They would be.
        """
        real = real_sources(self.root, self.collection)
        if self.starter and real:
            message = f"{self.collection} holds real samples ({', '.join(real)}); the starter set is not mixed in"
            raise DataError(message, "leave the starter out")
        if not self.starter and read_said(self.folder).get("starter"):
            message = f"{self.source!r} is the starter set's name"
            raise DataError(message, "give the source another name: --source NAME")


@dataclass(frozen=True)
class _Taken:
    """A candidate that is a sample: its picture, or None where it was there already."""

    candidate: Candidate
    sha256: str
    origin: str
    picture: Picture | None


@dataclass(frozen=True)
class _Refused:
    """A candidate that is none."""

    candidate: Candidate
    refusal: Refusal


class Intake:
    """One run over one listing."""

    def __init__(self, job: Job, listing: Listing, votes: Votes | None) -> None:
        self.job = job
        self.listing = listing
        self.votes = votes
        self.people = People.load(job.root, job.collection, invented=job.starter)
        self.quarantine = Quarantine(job.root / "quarantine" / job.collection / job.source)
        self.ids = set(read_sources(job.root, job.collection)["id"])
        self.rows = _rows_of(job.folder)
        self.before = len(self.rows)
        self.places = {(row["sha256"], row["origin"]): number for number, row in enumerate(self.rows)}
        # Out of an inbox, a table may still name files that a killed run took in and removed.
        self.moved = {row["origin"]: row["sha256"] for row in self.rows} if job.move else {}
        self.refused: list[_Refused] = []
        self.taken: list[_Taken] = []
        self.already = self.relabelled = self.matched = self.voted = self.new_votes = 0

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
        if len(self.rows) > self.before or self.new_votes:
            self._write_index()
        replaced = not self.job.starter and bool(self.rows) and _drop_starters(self.job)
        result = self._split(self._result(replaced_starter=replaced))
        self._see_to_refused()
        if self.job.move:
            self._empty_the_inbox()
        return result

    def _check_room(self) -> None:
        files = [one.file for one in self.listing.candidates if one.file] if self.listing.total is not None else []
        need = sum(_size_bytes(file) + BYTES_A_SAMPLE for file in files)
        free = shutil.disk_usage(self.job.root).free
        if need > free:
            message = f"{need / 2**20:,.0f} MiB of pictures, and the disk has {free / 2**20:,.0f} MiB left"
            raise DataError(message, "make room on the disk that holds datasets/")

    def _outcomes(self) -> Iterator[_Taken | _Refused]:
        name = f"ingest {self.job.collection}/{self.job.source}"
        bar = tqdm(total=self.listing.total, desc=name, unit="picture", disable=None)
        with bar, quiet_checks(), ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
            for outcome in _in_order(pool, self._look_at, self.listing.candidates):
                bar.update()
                yield outcome

    def _look_at(self, candidate: Candidate) -> _Taken | _Refused:
        drawn = _drawn(candidate) if candidate.file is None else None
        try:
            return self._check(candidate, drawn)
        except RefusedError as error:
            file = self._ours(candidate.file)
            refusal = Refusal(candidate.path, error.reason, error.remedy, file, drawn, person=candidate.performer)
            return _Refused(candidate, refusal)

    def _ours(self, file: Path | None) -> Path | None:
        # A table may name any file of this machine; what lies elsewhere is neither copied nor moved.
        inside = file is not None and file.parent.resolve().is_relative_to(self.listing.folder)
        return file if inside else None

    def _check(self, candidate: Candidate, drawn: bytes | None) -> _Taken:
        if self.job.label_of(candidate) is None:
            line = line_to_add(self.job.collection, self.job.params.labels, [candidate.label])
            reason = f"has the unknown label {candidate.label!r}"
            raise RefusedError(reason, line)
        origin = hashlib.sha256(f"{self.job.source}/{candidate.path}".encode()).hexdigest()[:16]
        if candidate.file is not None and origin in self.moved and not candidate.file.exists():
            return _Taken(candidate, self.moved[origin], origin, None)
        data = drawn if candidate.file is None else read_safely(candidate.file, self.listing.folder)
        sha256 = hashlib.sha256(data or b"").hexdigest()
        there = (sha256, origin) in self.places
        return _Taken(candidate, sha256, origin, None if there else check(data or b"", sha256))

    def _enter(self, outcome: _Taken | _Refused, writer: ShardWriter) -> None:
        if isinstance(outcome, _Refused):
            self.refused.append(outcome)
            return
        self.taken.append(replace(outcome, picture=None))
        candidate = outcome.candidate
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
        if self.taken or self.refused:
            return
        strangers = self.listing.strangers
        if not strangers:
            message = f"nothing found: no pictures lie as {self.listing.layout} says"
            raise DataError(message, "give the folder that holds the class folders, or say how they lie: --layout")
        example = "" if self.listing.hide_paths else f", for example {strangers[0].path}"
        message = f"none of {len(strangers):,} pictures can be taken in: the first {strangers[0].reason}{example}"
        raise DataError(message, strangers[0].remedy)

    def _check_labels(self) -> None:
        labels = {row["label"] for row in self.rows}
        for name in real_sources(self.job.root, self.job.collection):
            labels |= set(read_source(self.job.folder.with_name(name))["label"])
        if len(labels) == 1 and len(self.job.params.labels) > 1 and self.taken:
            message = f"one class only: all samples are {labels.pop()!r}, and from one class nothing can be learned"
            raise DataError(message, f"take in at least two of: {', '.join(self.job.params.labels)}")

    def _check_votes(self) -> None:
        if self.votes is not None and self.votes.asked_for and self.taken and not self.matched:
            message = f"{self.votes.file.name} names none of {len(self.taken):,} pictures"
            raise DataError(message, "its first column must hold their file names, or their paths below the folder")

    def _write_index(self) -> None:
        licence = self.job.licence or read_said(self.job.folder).get("licence", "")
        said = {"starter": self.job.starter, "licence": licence}
        said |= {"layout": self.listing.layout, "medium": self.job.params.medium}
        with replacing(self.job.folder / SOURCE) as partial:
            partial.write_text(json.dumps(said, indent=2, sort_keys=True) + "\n", encoding="utf-8")
        rows = [row | {"votes": list(row["votes"].items()) if row["votes"] else None} for row in self.rows]
        with replacing(self.job.folder / INDEX) as partial:
            pq.write_table(pa.Table.from_pylist(rows, schema=SCHEMA), partial)

    def _see_to_refused(self) -> None:
        if self.quarantine.folder.is_dir():
            taken = [one for one in self.taken if self.quarantine.may_hold(one.candidate.path, one.sha256)]
            self.quarantine.release(
                {self.mask(one.candidate.path, one.candidate.performer): one.sha256 for one in taken}
            )
        refusals = [replace(one.refusal, path=self.mask(one.refusal.path, one.refusal.person)) for one in self.refused]
        strangers = [self._of_stranger(stranger) for stranger in self._strangers()]
        places = self.quarantine.note([*refusals, *strangers])
        if self.job.move and self.listing.tables:
            kept = [(one.candidate, places.get(path.path)) for one, path in zip(self.refused, refusals, strict=True)]
            rows = [self._as_row(candidate, place) for candidate, place in kept if place is not None]
            self.quarantine.merge(SAMPLES, SAMPLES_COLUMNS, rows)
        self.quarantine.keep([*refusals, *strangers], places, move=self.job.move)

    @cached_property
    def mask(self) -> Callable[[str, str], str]:
        """Puts ids in the place of names; first asked for when all names have been met."""
        return self.people.masker()

    def _strangers(self) -> list[Stranger]:
        # Out of an inbox everything has to go somewhere; a folder keeps what was left aside.
        return [*self.listing.strangers, *(self.listing.others if self.job.move else [])]

    def _of_stranger(self, stranger: Stranger) -> Refusal:
        path = self.mask(stranger.path, "")
        if self.listing.hide_paths:
            path = "/".join(map(self._veiled, path.split("/")))
        return Refusal(path, stranger.reason, stranger.remedy, stranger.file)

    def _veiled(self, part: str) -> str:
        # It lies where nobody is named, so any part of its path may be a person's name.
        if resolve(part, self.job.params.labels) or split_of(part):
            return part
        return f"x-{hashlib.sha256(part.encode()).hexdigest()[:8]}{Path(part).suffix}"

    def _as_row(self, candidate: Candidate, place: str) -> dict[str, str]:
        texts = {name: getattr(candidate, name) for name in ("label", "split", "group", "use", "until", "caption")}
        votes = json.dumps(dict(candidate.votes), ensure_ascii=False) if candidate.votes else ""
        return {"path": place, **texts, "performer": self.people.id_of(candidate.performer) or "", "votes": votes}

    def _empty_the_inbox(self) -> None:
        home = self.job.empties or self.listing.folder
        files = [one.candidate.file for one in self.taken if one.candidate.file is not None]
        if self.votes is not None and self.votes.file.resolve().is_relative_to(home):
            files.insert(0, self.votes.file)  # they are in the index; what is left is told by the pictures
        for file in [*files, *self.listing.tables]:
            file.unlink(missing_ok=True)

    def _result(self, *, replaced_starter: bool) -> IngestResult:
        refusals: list[Refusal | Stranger] = [*(one.refusal for one in self.refused), *self._strangers()]
        return IngestResult(
            self.job.collection,
            self.job.source,
            added=len(self.rows) - self.before,
            already=self.already,
            refused=dict(Counter(one.reason for one in refusals).most_common()),
            replaced_starter=replaced_starter,
            labels=dict(sorted(Counter(row["label"] for row in self.rows[self.before :]).items())),
            remedies={one.reason: one.remedy for one in refusals},
            notes=list(self._notes()),
        )

    def _split(self, result: IngestResult) -> IngestResult:
        try:
            return replace(result, splits=splits.extend(self.job.root, self.job.collection, self.job.params))
        except DataError as error:
            return replace(result, problem=str(error), remedy=error.remedy)

    def _notes(self) -> Iterator[str]:
        yield f"read as {self.listing.layout}"
        yield from self.listing.notes
        if self.votes is not None:
            yield f"votes from {self.votes.file.name} for {self.voted:,} of {len(self.taken):,}"
        if self.new_votes:
            yield f"{self.new_votes:,} that were there already got their votes"
        if self.relabelled:
            corrections = f"datasets/{self.job.collection}/corrections.csv"
            yield f"{self.relabelled:,} are there under another label, which stays: relabel in {corrections}"
        if self.listing.empty:
            yield f"nothing was in: {', '.join(self.listing.empty)}"
        if not self.job.move:
            for reason, count in Counter(other.reason for other in self.listing.others).items():
                yield f"{count:,} left aside: {reason}"
        alone = sum(not row["group"] and row["performer"] is None for row in self.rows)
        if alone:
            yield (
                f"{alone:,} of {len(self.rows):,} samples name no performer and no group, so each picture is a group "
                "of its own: the same people or places may stand in several splits, and scores will flatter"
            )


def read_said(folder: Path) -> dict[str, Any]:
    """What source.json says of a source; empty when there is none."""
    path = folder / SOURCE
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else {}


def real_sources(root: Path, collection: str) -> list[str]:
    """The sources of a collection that are no starter sets."""
    folder = collection_folder(root, collection)
    return [name for name in sources(root, collection) if not read_said(folder / name).get("starter")]


def sweep_collection(root: Path, collection: str) -> None:
    """Finishes what a killed run began to remove."""
    for path in collection_folder(root, collection).glob(f"{GONE}*"):
        shutil.rmtree(path)


def _drop_starters(job: Job) -> bool:
    real = real_sources(job.root, job.collection)
    starters = [job.folder.with_name(name) for name in sources(job.root, job.collection) if name not in real]
    for starter in starters:
        gone = starter.with_name(f"{GONE}{starter.name}")
        starter.rename(gone)  # at once, so that no half of it is ever learned from
        shutil.rmtree(gone)
    return bool(starters)


def _rows_of(folder: Path) -> list[dict[str, Any]]:
    if not (folder / INDEX).is_file():
        return []
    return [{str(name): value for name, value in row.items()} for row in read_source(folder).to_dict("records")]


def _drawn(candidate: Candidate) -> bytes:
    try:
        return png_of(candidate.pixels)
    except ValueError as error:
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


def _counted(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in counts.items())
