"""Tracked actors for tests, and a tracker that gives them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from rushes.tracking.face import UNITS, HeadPose, TrackedFace

if TYPE_CHECKING:
    from typing import Literal

    from rushes.tracking.units_network import UnitsNetwork


def made_up_actor(
    number: int = 0,
    at: tuple[float, float] = (160.0, 120.0),
    size: float = 80.0,
    state: Literal["tracked", "held", "easing"] = "tracked",
    angles_deg: tuple[float, float, float] = (0.0, 0.0, 0.0),
    **units: float,
) -> TrackedFace:
    """An actor whose landmarks fill an upright ellipse, with eyes, nose and mouth where a face has them."""
    angles = np.linspace(0, 2 * np.pi, 478, endpoint=False)
    unit_n2 = np.column_stack([0.4 * np.cos(angles), 0.5 * np.sin(angles)])
    for index, place in {33: (-0.25, -0.1), 133: (-0.08, -0.1), 362: (0.08, -0.1), 263: (0.25, -0.1)}.items():
        unit_n2[index] = place
    unit_n2[1], unit_n2[61], unit_n2[291] = (0, 0.05), (-0.12, 0.25), (0.12, 0.25)
    landmarks_px = np.column_stack([unit_n2 * size + at, np.zeros(478)]).astype(np.float32)
    values = np.zeros(len(UNITS), np.float32)
    for name, value in units.items():
        values[UNITS.index(name)] = value
    head = HeadPose(*angles_deg, np.array([0, 0, 0.6]))
    return TrackedFace(number, 0.99, values, head, np.zeros((2, 2), np.float32), landmarks_px, state)


@dataclass
class MadeUpTracker:
    """Gives the same actors for each picture, and none while there is no picture.

    Attributes:
        actors: The actors.
        times_s: Times of the frames, with True if there was a picture.
        units: Network that reads the units.
    """

    actors: list[TrackedFace]
    times_s: list[tuple[float, bool]] = field(default_factory=list)
    units: UnitsNetwork | None = None

    def with_units(self, units: UnitsNetwork | None) -> MadeUpTracker:
        """See `FaceTracker`."""
        return replace(self, units=units)

    def track(self, _picture_bgr: np.ndarray, time_s: float) -> list[TrackedFace]:
        """See `FaceTracker`."""
        self.times_s.append((time_s, True))
        return self.actors

    def wait(self, time_s: float) -> list[TrackedFace]:
        """See `FaceTracker`."""
        self.times_s.append((time_s, False))
        return []
