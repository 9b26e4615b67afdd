"""Runs the models on one frame."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rushes.expression.classifier import classify_faces

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rushes.capture.frames import Frame
    from rushes.expression.classifier import Classifier, FaceExpression
    from rushes.expression.detector import Detector


@dataclass(frozen=True)
class Analysis:
    """A frame and what was found in it.

    Attributes:
        frame: The frame.
        expressions: Expression of each face, the largest face first.
        detect_ms: Time for finding the faces.
        classify_ms: Time for classifying them.
    """

    frame: Frame
    expressions: Sequence[FaceExpression] = field(default_factory=list)
    detect_ms: float = 0.0
    classify_ms: float = 0.0


@dataclass(frozen=True)
class Analyser:
    """Runs the models on each frame.

    Attributes:
        detector: Finds faces, and follows them from frame to frame.
        classifier: The expression network.
    """

    detector: Detector
    classifier: Classifier

    def analyse(self, frame: Frame) -> Analysis:
        """Finds and classifies the faces of a frame; a frame without pixels has none."""
        if frame.picture_bgr is None:
            return Analysis(frame)
        started_s = time.perf_counter()
        faces = self.detector.detect(frame.picture_bgr)
        found_s = time.perf_counter()
        expressions = classify_faces(frame.picture_bgr, faces, self.classifier)
        ended_s = time.perf_counter()
        return Analysis(frame, expressions, 1000 * (found_s - started_s), 1000 * (ended_s - found_s))
