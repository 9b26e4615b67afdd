"""Offset and gain of each unit of a performer, and how a tracker's faces are corrected by them.

    value = clip((unit - neutral) * gain, 0, 1)        gain = 1 / (top - neutral), or 1
    angle = angle - neutral angle                      of the head: yaw, pitch, roll

`neutral` is the median over the neutral face, so that a blink does not count, and `top` the 98th percentile over the
range of motion, so that one wrong frame does not. A unit that hardly moved (top - neutral below 0.2) has no gain, since
it would enlarge noise. The head's angles at rest are a person's own, up to 12 degrees of pitch, since foreheads, noses
and chins differ; they are small, so that they are subtracted.
"""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Protocol, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from rushes.errors import NothingFitsError, UserError
from rushes.tracking.face import UNITS, HeadPose, TrackedFace

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rushes.tracking.units_network import UnitsNetwork

TOP_PERCENT = 98
MIN_MOTION = 0.2
MIN_FRAMES = 10
MAX_ANGLE_DEG = 30.0  # at rest; beyond it the performer does not look at the camera

Share = Annotated[float, Field(ge=0, le=1)]
Gain = Annotated[float, Field(ge=1, le=1 / MIN_MOTION)]
Angle = Annotated[float, Field(ge=-MAX_ANGLE_DEG, le=MAX_ANGLE_DEG)]


class Calibration(BaseModel):
    """Calibration of a performer.

    Attributes:
        performer: Name.
        date: Date and time, ISO 8601.
        model_digest: Digest of the model that was used.
        networks: SHA-256 of the landmark networks, by their roles: the calibration holds for these.
        neutral: Value of each unit at rest.
        gain: Gain of each unit that moved enough.
        angles_deg: Yaw, pitch and roll of the head at rest.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    performer: str
    date: str
    model_digest: str
    networks: dict[str, str]
    neutral: dict[str, Share]
    gain: dict[str, Gain]
    angles_deg: tuple[Angle, Angle, Angle]

    def unmoved(self) -> list[str]:
        """Units that hardly moved, and so have no gain."""
        return [unit for unit in UNITS if unit not in self.gain]


@dataclass(frozen=True)
class Origin:
    """Origin of a calibration: date, digest of the model, and hashes of the landmark networks."""

    date: str
    model_digest: str
    networks: Mapping[str, str]


def measure(
    performer: str, origin: Origin, at_rest: Sequence[TrackedFace], in_motion: Sequence[TrackedFace]
) -> Calibration:
    """Calibration from the frames of the neutral face and those of the range of motion.

    Raises:
        NothingFitsError: The face was seen in too few frames.
        UserError: The performer does not look at the camera.
    """
    for faces, part in ((at_rest, "neutral face"), (in_motion, "range of motion")):
        if len(faces) < MIN_FRAMES:
            message = (
                f"a face in {len(faces)} frames of the {part}, and {MIN_FRAMES} are needed: keep the face before the "
                "camera, or give the part more time (--neutral, --motion)"
            )
            raise NothingFitsError(message)
    neutral, top = ranges(at_rest, in_motion)
    motion = zip(UNITS, (top - neutral).tolist(), strict=True)
    moved = {unit: value for unit, value in motion if value >= MIN_MOTION}
    heads = [face.head for face in at_rest]
    angles_deg = np.median([(head.yaw_deg, head.pitch_deg, head.roll_deg) for head in heads], axis=0)
    if np.abs(angles_deg).max() > MAX_ANGLE_DEG:
        shown = ", ".join(f"{angle:.0f}" for angle in angles_deg)
        message = (
            f"the head is turned by {shown} degrees (yaw, pitch, roll): look straight at the camera and start again"
        )
        raise UserError(message)
    return Calibration(
        performer=performer,
        date=origin.date,
        model_digest=origin.model_digest,
        networks=dict(origin.networks),
        neutral=dict(zip(UNITS, np.round(neutral, 5).tolist(), strict=True)),
        gain={unit: round(1 / value, 5) for unit, value in moved.items()},
        angles_deg=tuple(np.round(angles_deg, 3).tolist()),
    )


def ranges(at_rest: Sequence[TrackedFace], in_motion: Sequence[TrackedFace]) -> tuple[np.ndarray, np.ndarray]:
    """Value of each unit at rest and at its end, float64 (52,) each, in the order of UNITS."""
    neutral = np.median(np.array([face.units for face in at_rest], np.float64), axis=0)
    top = np.percentile(np.array([face.units for face in in_motion], np.float64), TOP_PERCENT, axis=0)
    return neutral, top


class Tracker(Protocol):
    """A tracker of faces, such as `rushes.tracking.tracker.FaceTracker`."""

    @property
    def units(self) -> UnitsNetwork | None:
        """Network that reads the units; None for MediaPipe's."""
        ...

    def with_units(self, units: UnitsNetwork | None) -> Self:
        """This tracker with another network for the units."""
        ...

    def track(self, picture_bgr: np.ndarray, time_s: float) -> list[TrackedFace]:
        """Faces in the next frame."""
        ...

    def wait(self, time_s: float) -> list[TrackedFace]:
        """Faces while there is no picture."""
        ...


class CalibratedTracker:
    """A tracker whose first actor is corrected by the calibration of a performer.

    Args:
        tracker: The tracker.
        calibration: Calibration of actor 0.
    """

    def __init__(self, tracker: Tracker, calibration: Calibration) -> None:
        self._tracker = tracker
        self._last: TrackedFace | None = None  # as tracked, before a face was lost
        self._take(calibration)

    def _take(self, calibration: Calibration) -> None:
        self._neutral = np.array([calibration.neutral[unit] for unit in UNITS], np.float32)
        self._gain = np.array([calibration.gain.get(unit, 1.0) for unit in UNITS], np.float32)
        self._angles_deg = calibration.angles_deg

    @property
    def units(self) -> UnitsNetwork | None:
        """See `Tracker`."""
        return self._tracker.units

    def with_calibration(self, calibration: Calibration) -> Self:
        """This tracker with another calibration."""
        other = copy(self)
        other._take(calibration)  # noqa: SLF001  # of this class
        return other

    def with_units(self, units: UnitsNetwork | None) -> Self:
        """See `Tracker`."""
        other = copy(self)
        other._tracker = self._tracker.with_units(units)  # noqa: SLF001  # of this class
        return other

    def track(self, picture_bgr: np.ndarray, time_s: float) -> list[TrackedFace]:
        """See `Tracker`."""
        return [self._corrected(face) for face in self._tracker.track(picture_bgr, time_s)]

    def wait(self, time_s: float) -> list[TrackedFace]:
        """See `Tracker`."""
        return [self._corrected(face) for face in self._tracker.wait(time_s)]

    def _corrected(self, face: TrackedFace) -> TrackedFace:
        if face.actor != 0:
            return face
        if face.state != "easing":
            self._last = face
        # On the way to neutral, correct the last values and ease them: neutral is 0 after the correction as before it.
        last = self._last or face
        share = _share(face, last)
        units = np.clip((last.units - self._neutral) * self._gain, 0, 1) * np.float32(share)
        angles_deg = (np.array([last.head.yaw_deg, last.head.pitch_deg, last.head.roll_deg]) - self._angles_deg) * share
        yaw_deg, pitch_deg, roll_deg = angles_deg.tolist()
        return replace(face, units=units, head=HeadPose(yaw_deg, pitch_deg, roll_deg, face.head.translation_m))


def _share(face: TrackedFace, last: TrackedFace) -> float:
    """Share of its last values that a face still has."""
    if face.state != "easing":
        return 1.0
    now, before = _values(face), _values(last)
    return float(np.clip(now @ before / max(before @ before, 1e-9), 0, 1))


def _values(face: TrackedFace) -> np.ndarray:
    return np.array([*face.units, face.head.yaw_deg, face.head.pitch_deg, face.head.roll_deg], np.float64)
