"""Offset and gain of each unit of a performer; `rushes.calibration.performers` corrects faces by them.

    value = clip((unit - neutral) * gain, 0, 1)        gain = 1 / (top - neutral), or 1
    angle = angle - neutral angle                      of the head: yaw, pitch, roll

`neutral` is the median over the neutral face, so that a blink does not count, and `top` the 98th percentile over the
range of motion, so that one wrong frame does not. A unit that hardly moved (top - neutral below 0.2) has no gain, since
it would enlarge noise. The head's angles at rest are a person's own, up to 12 degrees of pitch, since foreheads, noses
and chins differ; they are small, so that they are subtracted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Protocol, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from rushes.errors import NothingFitsError, UserError
from rushes.tracking.face import UNITS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rushes.tracking.face import TrackedFace
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
                "camera, or give the part more time (--neutral, --motion); a clip must be as long as both"
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
