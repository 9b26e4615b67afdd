"""Memory of a long capture, in a process of its own: tracker, outputs and summary are real, the networks are not.

    python -m benchmarks.support.capture.memory BUNDLE FRAMES FIRST

The stand-ins take no time: a face that moves, is lost and comes back. Prints the resident megabytes after the frames
FIRST and FRAMES, as two numbers.
"""

from __future__ import annotations

import contextlib
import gc
import os
import socket
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import psutil

from rushes.bundle.manifest import read_bundle
from rushes.capture.analysis import TrackingAnalyser
from rushes.capture.frames import Frame
from rushes.capture.outputs import Outputs
from rushes.capture.summary import Summary
from rushes.expression.classifier import Crop
from rushes.expression.detector import Face
from rushes.tracking.head_pose import camera_of
from rushes.tracking.landmarks import LANDMARKS, open_landmarks
from rushes.tracking.tracker import FaceTracker

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rushes.capture.frames import FrameSource
    from rushes.tracking.crop import FaceSquare
    from rushes.tracking.head_pose import CanonicalFace

SIZE_PX = (64, 48)
AWAY_EVERY, AWAY = 200, 60  # frames: the face is gone for the last so many of each so many


class _Models:
    """Stands in for detector, landmark networks and classifier."""

    labels = ("happy", "sad")
    crop = Crop()

    def __init__(self, face: CanonicalFace) -> None:
        self.face, self.number = face, 0
        self._random = np.random.default_rng(0)
        points_cm = np.vstack([face.vertices_cm, face.vertices_cm[: LANDMARKS - len(face.vertices_cm)]])
        placed_n3 = points_cm * [-1.0, -1.0, -1.0] + [0.0, 0.0, 60.0]
        flat_n2 = camera_of(*SIZE_PX).project(placed_n3)
        span_px = float((flat_n2.max(axis=0) - flat_n2.min(axis=0)).max())
        self._unit_n3 = np.column_stack([(flat_n2 - flat_n2.mean(axis=0)) / span_px, (placed_n3[:, 2] - 60) / 20])

    @property
    def there(self) -> bool:
        """True if the face is in this frame."""
        return self.number % AWAY_EVERY < AWAY_EVERY - AWAY

    def places(self, frame_bgr: np.ndarray) -> list[None]:  # noqa: ARG002  # see rushes.tracking.tracker.Detector
        """The whole frame."""
        return [None]

    def search(self, frame_bgr: np.ndarray, places: Sequence[None]) -> list[Face]:  # noqa: ARG002  # as above
        """The face, if it is there."""
        points_62 = np.array([[24.0, 20.0], [40.0, 20.0], [32.0, 26.0], [32.0, 32.0], [18.0, 24.0], [46.0, 24.0]])
        return [Face((16.0, 8.0, 32.0, 32.0), 0.9, points_62)] if self.there else []

    def find(self, picture_bgr: np.ndarray, square: FaceSquare) -> tuple[np.ndarray, float]:  # noqa: ARG002  # as above
        """Landmarks in the middle of the frame."""
        points_n3 = self._unit_n3 * 30 + self._random.normal(0, 0.1, self._unit_n3.shape)
        points_n3[:, :2] += np.array(SIZE_PX) / 2 + 2 * np.sin(self.number / 30)
        return points_n3.astype(np.float32), 0.99 if self.there else 0.01

    def units(self, landmarks_px: np.ndarray) -> np.ndarray:  # noqa: ARG002  # as above
        """Any units."""
        return self._random.uniform(0, 1, 52).astype(np.float32)

    def classify(self, squares_bgr: Sequence[np.ndarray]) -> np.ndarray:
        """Any probabilities."""
        return np.tile(np.array([0.75, 0.25], np.float32), (len(squares_bgr), 1))


class _Source:
    """A source as far as the outputs use it."""

    name, fps, total, live, dropped, losses = "a long take", 30.0, None, False, 0, 0


def rss_mb(bundle: Path, frames: int, first: int) -> tuple[float, float]:
    """Resident megabytes after `first` and after all frames."""
    models = _Models(open_landmarks(read_bundle(bundle)).face)
    analyser = TrackingAnalyser(FaceTracker(models, models), models, np.zeros((0, 2), int))  # type: ignore[arg-type]
    picture_bgr, summary, then_mb = np.full((SIZE_PX[1], SIZE_PX[0], 3), 90, np.uint8), Summary(), 0.0
    with tempfile.TemporaryDirectory() as scratch, contextlib.ExitStack() as stack:
        receiver = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        receiver.bind(("127.0.0.1", 0))  # full after some packets; the kernel drops the others
        port = receiver.getsockname()[1]
        outputs = Outputs(
            json_to=os.devnull,
            drive=(f"vmc://127.0.0.1:{port}", f"livelink://127.0.0.1:{port}"),
            curves=Path(scratch, "take.csv"),
            bvh=Path(scratch, "take.bvh"),
        )
        source: FrameSource = _Source()  # type: ignore[assignment]
        sinks = outputs.open(stack, source, None, analyser.edges, lambda _: None)
        for number in range(frames):
            models.number = number
            analysis = analyser.analyse(Frame(number, number / source.fps, picture_bgr))
            summary.add(analysis, live=False)
            for sink in sinks:
                sink.put(analysis, None)
            summary.sent(analysis)
            if number + 1 == first:
                then_mb = _rss_mb()
        assert summary.frames_with_face
        return then_mb, _rss_mb()


def _rss_mb() -> float:
    gc.collect()
    return float(psutil.Process().memory_info().rss / 2**20)


if __name__ == "__main__":
    print(*rss_mb(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])))
