"""The shape that every output of tracked faces has, and choices that several of them share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rushes.tracking.face import TrackedFace


class Sink(Protocol):
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
