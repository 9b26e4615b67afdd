"""Session of a calibration: its steps, its clock, and the faces of its two parts."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rushes.calibration.steps import MOTIONS, NEUTRAL, READY, Step

if TYPE_CHECKING:
    from rushes.tracking.face import TrackedFace


@dataclass
class Session:
    """Faces of the two parts.

    Attributes:
        neutral_s: Seconds of the neutral face, from the first frame with a face.
        motion_s: Seconds of the range of motion after it.
        lead_s: Seconds before both, whose faces do not count.
        time_s: Time since the first frame with a face, without pauses; None before it.
    """

    neutral_s: float = 5.0
    motion_s: float = 20.0
    lead_s: float = 0.0
    at_rest: list[TrackedFace] = field(default_factory=list)
    in_motion: list[TrackedFace] = field(default_factory=list)
    time_s: float | None = None

    @property
    def plan(self) -> list[tuple[Step, float]]:
        """Steps with their seconds."""
        each_s = self.motion_s / len(MOTIONS)
        return [(READY, self.lead_s), (NEUTRAL, self.neutral_s), *((step, each_s) for step in MOTIONS)]

    @property
    def begun(self) -> bool:
        """True from the first frame with a face on."""
        return self.time_s is not None

    @property
    def ended(self) -> bool:
        """True once all steps are over."""
        return self.time_s is not None and self.time_s >= self.lead_s + self.neutral_s + self.motion_s

    def now(self) -> tuple[int, float]:
        """Number of the step in the plan, and the seconds that are left of it."""
        ends_s = list(itertools.accumulate(length_s for _, length_s in self.plan))
        time_s = self.time_s or 0.0
        number = next((number for number, end_s in enumerate(ends_s) if time_s < end_s), len(ends_s) - 1)
        return number, max(0.0, ends_s[number] - time_s)

    def add(self, face: TrackedFace | None, step_s: float) -> None:
        """Takes the face of the next frame, so many seconds after the one before."""
        self.time_s = 0.0 if self.time_s is None else self.time_s + step_s
        if face is not None and not self.ended and self.time_s >= self.lead_s:
            (self.at_rest if self.time_s < self.lead_s + self.neutral_s else self.in_motion).append(face)


@dataclass(frozen=True)
class Look:
    """A frame of a session.

    Attributes:
        face: The performer's; None if it is not seen.
        has_picture: False while a camera gives none.
        time_s: Time in the source.
        step_s: Time since the frame before.
    """

    face: TrackedFace | None
    has_picture: bool
    time_s: float
    step_s: float
