"""Made-up frames and actors for the page of a capture."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING

import numpy as np

from rushes.capture.frames import Frame
from rushes.tracking.face import UNITS, HeadPose, TrackedFace

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rushes.capture.analysis import RunningModel

ORIGIN = {"family": "expression", "version": 12, "digest": "4f1c0b7d9e2a55aa"}
EDGES = np.zeros((0, 2), int)
SIZE_PX = (120, 160)


def source(**changes: object) -> SimpleNamespace:
    """A camera that has dropped seven frames."""
    camera = {"name": "camera 0", "live": True, "total": None, "dropped": 7, "losses": 0}
    return SimpleNamespace(**camera | changes)


def actor(units: dict[str, float] | None = None, number: int = 0, state: str = "tracked") -> TrackedFace:
    """An actor with these units, who turns to the left and looks to the right."""
    values = np.array([(units or {}).get(name, 0) for name in UNITS], np.float32)
    head = HeadPose(10.0, -4.0, 2.0, np.array([0.0, 0.0, 0.6]))
    gaze_deg = np.array([(-8, 3), (-9, 3)], np.float32)
    landmarks_px = np.tile(np.array([80, 60, 0], np.float32), (478, 1))
    landmarks_px[:, 0] += np.linspace(-30, 30, 478)
    return TrackedFace(number, 0.98, values, head, gaze_deg, landmarks_px, state)


def analysis(
    actors: Sequence[TrackedFace] = (),
    number: int = 0,
    *,
    picture: bool = True,
    arrived_s: float | None = None,
    model: RunningModel | None = None,
) -> SimpleNamespace:
    """A frame with a picture of noise, or of a silent camera; the first actor is happy."""
    picture_bgr = np.random.default_rng(number).integers(0, 255, (*SIZE_PX, 3), np.uint8) if picture else None
    frame = Frame(number, number / 25, picture_bgr, arrived_s=arrived_s)
    happy = SimpleNamespace(label="happy", labels=("happy", "sad"), probabilities=(0.9, 0.1))
    numbers = [one.actor for one in actors if one.state == "tracked"][:1]
    return SimpleNamespace(frame=frame, actors=actors, expressions=[happy] * len(numbers), numbers=numbers, model=model)
