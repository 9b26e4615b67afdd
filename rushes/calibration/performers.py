"""Performers of a capture: which tracked actor is which performer, and the correction of each by their calibration.

Performers are given from left to right, as the camera sees them: who is who is decided by the places alone, so that
nothing about a face has to be stored. Afterwards a performer goes with the number of the actor, which the tracker
keeps over losses.
"""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Self

import numpy as np

from rushes.errors import MisuseError
from rushes.tracking.face import UNITS, HeadPose, TrackedFace

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rushes.calibration.calibration import Calibration, Tracker
    from rushes.tracking.units_network import UnitsNetwork

NOT_CALIBRATED = "not calibrated"
ALL_SEEN_S = 2.0  # from the first face on: a small one is found later than a large one


@dataclass(frozen=True)
class Performer:
    """A performer and their calibration, if there is one."""

    name: str
    calibration: Calibration | None = None

    @cached_property
    def neutral(self) -> np.ndarray:
        """Value of each unit at rest, float32 (52,)."""
        neutral = self.calibration.neutral if self.calibration else {}
        return np.array([neutral.get(unit, 0.0) for unit in UNITS], np.float32)

    @cached_property
    def gain(self) -> np.ndarray:
        """Gain of each unit, float32 (52,)."""
        gain = self.calibration.gain if self.calibration else {}
        return np.array([gain.get(unit, 1.0) for unit in UNITS], np.float32)


def check_performers(names: Sequence[str], actors: int) -> list[str]:
    """Names of performers without spaces around them, checked before the first frame.

    Raises:
        MisuseError: A name stands twice, or there are more performers than actors.
    """
    stripped = [name.strip() for name in names]
    if len({name.casefold() for name in stripped}) < len(stripped):
        message = f"--performer {', '.join(stripped)}: a name stands twice"
        raise MisuseError(message)
    if len(stripped) > max(1, actors):
        message = (
            f"--performer names {len(stripped)} performers, and {actors} of them can be tracked: add --actors "
            f"{len(stripped)}"
        )
        raise MisuseError(message)
    return stripped


def names_of(performers: Sequence[Performer], *, calibrated: bool = False) -> str:
    """Names of the performers, or of those who are calibrated, as text."""
    return ", ".join(one.name for one in performers if one.calibration is not None or not calibrated)


def note_of(performers: Sequence[Performer], actors: int) -> str:
    """Note on who is not calibrated, for whoever watches; empty if everybody is calibrated."""
    missing = [one.name for one in performers if one.calibration is None]
    if len(missing) == len(performers):
        return NOT_CALIBRATED
    others = ["others"] if actors > len(performers) else []
    return f"{NOT_CALIBRATED}: {', '.join(missing + others)}" if missing or others else ""


class Casting:
    """Number of the performer of each actor, from left to right at the first sight.

    The first ones are assigned once as many faces as actors are seen, or 2 s after the first one. Those who come later
    are the next performers.

    Args:
        performers: Number of performers.
        actors: Maximum number of actors.
    """

    def __init__(self, performers: int, actors: int) -> None:
        self.performers: dict[int, int] = {}  # by actor
        self._free, self._actors = list(range(performers)), actors
        self._since_s: float | None = None

    def assign(self, faces: Sequence[TrackedFace], time_s: float) -> None:
        """Takes the faces of a frame."""
        new = [face for face in faces if face.state == "tracked" and face.actor not in self.performers]
        if not new or not self._free:
            return
        self._since_s = time_s if self._since_s is None else self._since_s
        if not self.performers and len(new) < self._actors and time_s - self._since_s < ALL_SEEN_S:
            return
        from_left = sorted(new, key=lambda face: float(face.landmarks_px[:, 0].mean()))
        for face in from_left[: len(self._free)]:
            self.performers[face.actor] = self._free.pop(0)


class PerformerTracker:
    """A tracker whose actors have the names of performers, and are corrected by their calibrations.

    Args:
        tracker: The tracker.
        performers: Performers, from left to right as the camera sees them.
        actors: Maximum number of actors.
    """

    def __init__(self, tracker: Tracker, performers: Sequence[Performer], actors: int = 1) -> None:
        self._tracker, self._performers = tracker, tuple(performers)
        self._casting = Casting(len(performers), actors)
        self._last: dict[int, TrackedFace] = {}  # by actor, as tracked, before a face was lost

    @property
    def units(self) -> UnitsNetwork | None:
        """See `Tracker`."""
        return self._tracker.units

    def with_performers(self, performers: Sequence[Performer]) -> Self:
        """This tracker with other calibrations of the same performers, who keep their actors."""
        other = copy(self)
        other._performers = tuple(performers)  # noqa: SLF001  # of this class
        return other

    def with_units(self, units: UnitsNetwork | None) -> Self:
        """See `Tracker`."""
        other = copy(self)
        other._tracker = self._tracker.with_units(units)  # noqa: SLF001  # of this class
        return other

    def track(self, picture_bgr: np.ndarray, time_s: float) -> list[TrackedFace]:
        """See `Tracker`."""
        faces = self._tracker.track(picture_bgr, time_s)
        self._casting.assign(faces, time_s)
        return [self._named(face) for face in faces]

    def wait(self, time_s: float) -> list[TrackedFace]:
        """See `Tracker`."""
        return [self._named(face) for face in self._tracker.wait(time_s)]

    def _named(self, face: TrackedFace) -> TrackedFace:
        number = self._casting.performers.get(face.actor)
        if number is None:
            return face
        performer = self._performers[number]
        if face.state != "easing":
            self._last[face.actor] = face
        named = replace(face, performer=performer.name, calibrated=performer.calibration is not None)
        if performer.calibration is None:
            return named
        # On the way to neutral, correct the last values and ease them: neutral is 0 after the correction as before it.
        last = self._last.get(face.actor, face)
        share, unfiltered = _share(face, last), face.unfiltered
        if unfiltered is not None:
            unfiltered = _corrected(unfiltered, last.unfiltered or last, performer, share)
        return replace(_corrected(named, last, performer, share), unfiltered=unfiltered)


def _corrected(face: TrackedFace, last: TrackedFace, performer: Performer, share: float) -> TrackedFace:
    """A face with a share of its last values, corrected by a calibration."""
    neutral_deg, head = performer.calibration.angles_deg if performer.calibration else (0.0, 0.0, 0.0), last.head
    units = np.clip((last.units - performer.neutral) * performer.gain, 0, 1) * np.float32(share)
    angles_deg = np.array([head.yaw_deg, head.pitch_deg, head.roll_deg]) - neutral_deg
    yaw_deg, pitch_deg, roll_deg = (angles_deg * share).tolist()
    return replace(face, units=units, head=HeadPose(yaw_deg, pitch_deg, roll_deg, face.head.translation_m))


def _share(face: TrackedFace, last: TrackedFace) -> float:
    """Share of its last values that a face still has."""
    if face.state != "easing":
        return 1.0
    now, before = _values(face), _values(last)
    return float(np.clip(now @ before / max(before @ before, 1e-9), 0, 1))


def _values(face: TrackedFace) -> np.ndarray:
    return np.array([*face.units, face.head.yaw_deg, face.head.pitch_deg, face.head.roll_deg], np.float64)
