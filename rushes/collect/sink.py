"""Output of a capture that collects pictures of faces on which the expression network is unsure.

The consent is that of one performer. Where one actor is tracked, or none, a picture is collected only if one face alone
is in the frame: that it is the performer's is the statement of whoever gives the consent. Of several actors, only the
one who has the performer's name is collected, until they leave the picture for the first time: that whoever comes back
is the same person is known by the face or the place alone.
With one actor, others in the frame are not noticed where they are not tracked.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING

from rushes.capture.summary import counted
from rushes.collect.consent import FORM, Consent, read_consent
from rushes.collect.delivery import deliver_abandoned
from rushes.collect.picture import centre_of, is_apart, picture_of
from rushes.collect.unsure import MARGIN, RATE_PER_MINUTE, Selection, is_unsure
from rushes.collect.writer import Writer
from rushes.errors import MisuseError, UserError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    import numpy as np

    from rushes.capture.analysis import Analysis
    from rushes.expression.classifier import FaceExpression


def _today() -> date:
    return datetime.now().astimezone().date()


@dataclass(frozen=True)
class Collecting:
    """Options of a capture that collects.

    Attributes:
        inbox: Folder of the inbox of a collection; created if it does not exist.
        consent: Consent of the performer.
        by_name: True if several actors are tracked, and the one with the name of the performer is collected.
        margin: Two labels closer than this are unsure.
        rate_per_minute: Maximum number of pictures a minute.
        today: The date in this machine's time zone.
    """

    inbox: Path
    consent: Consent
    by_name: bool = False
    margin: float = MARGIN
    rate_per_minute: float = RATE_PER_MINUTE
    today: Callable[[], date] = _today

    def check(self) -> None:
        """Checks before the first frame that the folder can be written to.

        Raises:
            MisuseError: It is a file, or cannot be written to.
        """
        there = next(place for place in (self.inbox, *self.inbox.absolute().parents) if place.exists())
        if not there.is_dir() or not os.access(there, os.W_OK):
            why = "cannot be written to" if there.is_dir() else "is not a folder"
            message = f"--collect {self.inbox}: {there} {why}: name another folder, such as inbox/faces"
            raise MisuseError(message)


def collecting_of(
    inbox: Path | None,
    consent: Path | None,
    performers: Sequence[str],
    actors: int,
    margin: float,
    rate_per_minute: float,
) -> Collecting | None:
    """Options of a capture that collects, from those of the command; None without --collect.

    Raises:
        MisuseError: Folder or consent is missing, the consent does not hold, or it is another performer's, or it is not
            known which of several actors gives it.
    """
    if inbox is None:
        if consent is not None:
            message = f"--consent {consent} permits to collect pictures: add --collect FOLDER"
            raise MisuseError(message)
        return None
    if consent is None:
        message = f"--collect {inbox} needs the consent of the performer: add --consent FILE.yaml; in the file, {FORM}"
        raise MisuseError(message)
    given = read_consent(consent.expanduser(), _today())
    if performers and given.who.casefold() not in {name.casefold() for name in performers}:
        named = ", ".join(performers)
        message = f"--consent {consent} is that of {given.who}, and --performer names {named}: give their own"
        raise MisuseError(message)
    if actors > 1 and not performers:
        message = (
            f"--collect takes pictures of {given.who} alone, and --actors {actors} tracks others too: name all with "
            f"--performer, from left to right, or track one actor"
        )
        raise MisuseError(message)
    return Collecting(inbox.expanduser(), given, actors > 1, margin, rate_per_minute)


class CollectingSink:
    """Collects pictures; `put` decides and crops, and all else is done by another thread."""

    def __init__(self, collecting: Collecting, log: Callable[[str], None]) -> None:
        self._collecting, self._log = collecting, log
        self._selection = Selection(collecting.rate_per_minute)
        self._writer = Writer(collecting.inbox, collecting.consent, log)
        self._has_ended = False
        self._followed: set[int] = set()  # actors with the name of the performer
        self._left: set[int] = set()  # those of them who were not in the picture in a frame since

    @classmethod
    def open(cls, collecting: Collecting, log: Callable[[str], None]) -> CollectingSink:
        """Creates the folder, and delivers what a killed capture left there.

        Raises:
            UserError: The folder cannot be created.
        """
        try:
            collecting.inbox.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            message = f"--collect {collecting.inbox}: cannot be made: {error.strerror}"
            raise UserError(message) from error
        for folder in deliver_abandoned(collecting.inbox):
            log(f"{folder}: pictures of a capture that was killed are in place now")
        consent = collecting.consent
        log(f"unsure pictures of {consent.who} are collected in {collecting.inbox}, by consent until {consent.until}")
        return cls(collecting, log)

    def put(self, analysis: Analysis, drawn_bgr: np.ndarray | None) -> bool:  # noqa: ARG002  # a sink takes both
        """Collects the face of a frame, if it is one to collect."""
        frame, face = analysis.frame, self._consenting(analysis)
        if frame.picture_bgr is None or face is None or not self._selection.is_due(frame.time_s):
            return True
        if is_unsure(face.probabilities, self._collecting.margin) and self._permitted():
            picture_bgr = picture_of(frame.picture_bgr, face)
            if picture_bgr is not None and self._selection.is_new(centre_of(picture_bgr)):
                self._selection.keep(centre_of(picture_bgr), frame.time_s)
                self._writer.put(picture_bgr)
        return True

    def _consenting(self, analysis: Analysis) -> FaceExpression | None:
        """Face of the performer, if a picture of it shows nobody else."""
        if not self._collecting.by_name:
            return analysis.expressions[0] if len(analysis.expressions) == 1 else None
        who, actors = self._collecting.consent.who.casefold(), analysis.actors
        self._followed |= {actor.actor for actor in actors if actor.performer.casefold() == who}
        self._left |= self._followed - {actor.actor for actor in actors}
        others = [actor for actor in actors if actor.actor not in self._followed - self._left]
        for number, face in zip(analysis.numbers, analysis.expressions, strict=False):
            if number in self._followed - self._left and all(is_apart(face, actor) for actor in others):
                return face
        return None

    def _permitted(self) -> bool:
        """True until the last day of the consent has passed, which a capture may see."""
        until = self._collecting.consent.until
        if not self._has_ended and self._collecting.today() > until:
            self._has_ended = True
            self._log(f"the consent of {self._collecting.consent.who} ended on {until}: nothing more is collected")
        return not self._has_ended

    def close(self) -> None:
        """Delivers the pictures, and logs the counts."""
        self._writer.close()
        self._log(self.counted)

    @property
    def counted(self) -> str:
        """Counts, as text."""
        writer = self._writer
        places = f" in {', '.join(map(str, writer.folders))}" if writer.folders else ""
        parts = [f"{counted(writer.written, 'unsure picture')} collected{places}"]
        parts += [f"{writer.failed} could not be written"] if writer.failed else []
        parts += [f"{writer.dropped} dropped, since the disk was too slow"] if writer.dropped else []
        return ", ".join(parts)
