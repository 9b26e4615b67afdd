"""The shape that every output of tracked faces has, and choices that several of them share."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

import numpy as np

from rushes.tracking.face import HeadPose

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rushes.tracking.face import TrackedFace


class FaceSink(Protocol):
    """An output of tracked faces. Each class has a constructor `open` of its own."""

    def put(self, time_s: float, frame_number: int, faces: Sequence[TrackedFace]) -> None:
        """Outputs the faces of a frame.

        Args:
            time_s: Time of the frame since the start of the source.
            frame_number: Number of the frame in the source, from 0; a gap means dropped frames.
            faces: Faces in the frame; none if nobody is seen.

        Raises:
            UserError: A file cannot be written. What is already written is kept.
        """
        ...

    def close(self) -> None:
        """Completes and closes the output; a second call does nothing."""
        ...


def chosen_face(faces: Sequence[TrackedFace], actor: int | None) -> TrackedFace | None:
    """Face that drives a character: that of the given actor, or of the lowest id in the frame."""
    found = [face for face in faces if actor is None or face.actor == actor]
    return min(found, key=lambda face: face.actor, default=None)


def neutral(face: TrackedFace) -> TrackedFace:
    """A face at rest in the same place, for a character whose actor is not seen any more.

    The tracker eases a lost face, but may end before it is at rest: frames may be far apart, as where a camera blocks
    for a second, and another tracker may take over.
    """
    head = HeadPose(0.0, 0.0, 0.0, face.head.translation_m)
    units, gaze_deg = np.zeros_like(face.units), np.zeros_like(face.gaze_deg)
    return replace(face, score=0.0, units=units, head=head, gaze_deg=gaze_deg, state="easing")
