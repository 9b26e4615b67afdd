"""Passes tracked actors to an output of `rushes.drive`, and with the picture to the recording of a take."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

    from rushes.capture.analysis import Analysis
    from rushes.drive.sink import FaceSink
    from rushes.take.recording import Recording


@dataclass(frozen=True)
class ActorSink:
    """An output of tracked actors.

    Attributes:
        sink: The output.
        in_silence: True if it also gets actors while a camera gives no picture, so that a character returns to neutral.
            A file has no frames there.
    """

    sink: FaceSink
    in_silence: bool

    def put(self, analysis: Analysis, drawn_bgr: np.ndarray | None) -> bool:  # noqa: ARG002  # a sink takes both
        """Outputs the actors of a frame."""
        frame = analysis.frame
        if frame.picture_bgr is not None or self.in_silence:
            self.sink.put(frame.time_s, frame.number, analysis.actors)
        return True


@dataclass(frozen=True)
class RecordingSink:
    """The recording of a take: frames with a picture.

    Attributes:
        recording: The recording.
    """

    recording: Recording

    def put(self, analysis: Analysis, drawn_bgr: np.ndarray | None) -> bool:  # noqa: ARG002  # a sink takes both
        """Records the actors of a frame and its picture as the camera gave it."""
        frame = analysis.frame
        if frame.picture_bgr is not None:
            origin = analysis.model.origin if analysis.model else None
            self.recording.put(frame.time_s, frame.number, analysis.actors, frame.picture_bgr, origin)
        return True
