"""Refusals of an intake, prepared for the quarantine: names of people masked, rows of its table kept beside it."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from curation.annotations.sample_tables import SAMPLES, SAMPLES_COLUMNS
from curation.intake.candidates import split_of
from curation.intake.quarantine import Quarantine, Refusal
from curation.store.taxonomy import line_to_add, names_class

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from curation.intake.candidates import Candidate, Listing, UnrecognisedFile
    from curation.intake.job import Job
    from curation.intake.pseudonyms import People

UNKNOWN_NAMED = 12  # a larger number of unknown labels suggests that they are not labels


@dataclass
class Refusals:
    """The refused candidates of one intake, and all else of its listing that is not a sample."""

    job: Job
    listing: Listing
    people: People
    refused: list[tuple[Candidate, Refusal]] = field(default_factory=list)

    @cached_property
    def quarantine(self) -> Quarantine:
        """The quarantine of the source."""
        return Quarantine(self.job.root / "quarantine" / self.job.collection / self.job.source)

    @cached_property
    def mask(self) -> Callable[[str, str], str]:
        """Replaces names with ids; first used when all names are known."""
        return self.people.masker()

    @property
    def unrecognised(self) -> list[UnrecognisedFile]:
        """Unrecognised files; for an inbox, which must be emptied, skipped files as well."""
        return [*self.listing.unrecognised, *(self.listing.others if self.job.move else [])]

    def advise(self) -> None:
        """Gives all unknown labels one remedy; following one line for each label would still leave the others out."""
        unknown = [self.job.label_of(candidate) is None for candidate, _ in self.refused]
        names = sorted({one[0].label for one, hit in zip(self.refused, unknown, strict=True) if hit})
        line = line_to_add(self.job.collection, self.job.params.labels, names)
        if len(names) > UNKNOWN_NAMED:
            line = (
                "if these are not labels, put the files into folders of labels inside of these, and add "
                "--layout '{performer}/{label}/*'; if they are, name them in params.yaml, under "
                f"collections.{self.job.collection}.labels"
            )
        self.refused = [
            (candidate, replace(refusal, remedy=line) if hit else refusal)
            for (candidate, refusal), hit in zip(self.refused, unknown, strict=True)
        ]

    def counted(self) -> tuple[dict[str, int], dict[str, str]]:
        """Counts by reason, and the remedy for each."""
        everything: list[Refusal | UnrecognisedFile] = [*(refusal for _, refusal in self.refused), *self.unrecognised]
        counts = dict(Counter(one.reason for one in everything).most_common())
        return counts, {one.reason: one.remedy for one in everything}

    def release(self, taken: Iterable[tuple[Candidate, str]]) -> None:
        """Releases candidates that have been taken in since they were refused: candidates and their sha256."""
        if self.quarantine.folder.is_dir():
            here = [one for one in taken if self.quarantine.may_hold(one[0].path, one[1])]
            self.quarantine.release({self.mask(one.path, one.performer): sha256 for one, sha256 in here})

    def keep(self) -> None:
        """Copies or moves all of it to the quarantine; reasons and rows are written first."""
        refusals = [replace(refusal, path=self.mask(refusal.path, refusal.person)) for _, refusal in self.refused]
        unrecognised = [self._of_unrecognised(file) for file in self.unrecognised]
        places = self.quarantine.note([*refusals, *unrecognised])
        if self.job.move and self.listing.tables:
            pairs = zip(self.refused, refusals, strict=True)
            kept = [(candidate, places.get(refusal.path)) for (candidate, _), refusal in pairs]
            rows = [self._as_row(candidate, place) for candidate, place in kept if place is not None]
            self.quarantine.merge(SAMPLES, SAMPLES_COLUMNS, rows)
        self.quarantine.keep([*refusals, *unrecognised], places, move=self.job.move)

    def _of_unrecognised(self, file: UnrecognisedFile) -> Refusal:
        path = self.mask(file.path, "")
        if self.listing.hide_paths:
            path = "/".join(map(self._veiled, path.split("/")))
        return Refusal(path, file.reason, file.remedy, file.file)

    def _veiled(self, part: str) -> str:
        # The file matches no layout, so any part of its path may be a person's name.
        if names_class(part, self.job.params.labels) or split_of(part):
            return part
        return f"x-{hashlib.sha256(part.encode()).hexdigest()[:8]}{Path(part).suffix}"

    def _as_row(self, candidate: Candidate, place: str) -> dict[str, str]:
        texts = {name: getattr(candidate, name) for name in ("label", "split", "group", "use", "until", "caption")}
        votes = json.dumps(dict(candidate.votes), ensure_ascii=False) if candidate.votes else ""
        return {"path": place, **texts, "performer": self.people.id_of(candidate.performer) or "", "votes": votes}
