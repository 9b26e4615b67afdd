"""A performer who consents, a clip of faces that differ, and a classifier that is sure of none."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import cv2
import numpy as np

from rushes.collect.consent import Consent
from rushes.expression.classifier import Crop
from tests.support.runtime import LABELS, SIZE_PX

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

LAST = date(2030, 1, 31)
ANNA = Consent(who="Anna Quill", use="training, report", until=LAST)


def write_consent(path: Path, **changed: str | None) -> Path:
    """A consent file, valid unless lines are changed, or taken out by None."""
    lines = {"who": "Anna Quill", "use": "training, report", "until": "2030-01-31", "signed": "on paper"} | changed
    path.write_text("".join(f"{name}: {text}\n" for name, text in lines.items() if text is not None), encoding="utf-8")
    return path


def face_frame(number: int, count: int = 1) -> np.ndarray:
    """A grey frame with bright squares, whose blocks differ from frame to frame."""
    frame_bgr = np.full((120, 160, 3), 170, np.uint8)
    blocks = np.random.default_rng(number).integers(210, 255, (6, 6), np.uint8)
    face = cv2.resize(blocks, (60, 60), interpolation=cv2.INTER_NEAREST)[..., None]
    for place in range(count):
        frame_bgr[30:90, 10 + 75 * place : 70 + 75 * place] = face
    return frame_bgr


def write_faces(path: Path, frames: int = 10, fps: float = 1.0) -> Path:
    """A clip of such frames, by default one a second."""
    video = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), fps, (160, 120))
    for number in range(frames):
        video.write(face_frame(number))
    video.release()
    return path


class Unsure:
    """A classifier that finds the first two labels nearly as likely as each other."""

    labels, crop, size_px = tuple(LABELS), Crop(), SIZE_PX

    def classify(self, squares_bgr: Sequence[np.ndarray]) -> np.ndarray:
        """See `Classifier`."""
        return np.tile(np.float32([0.45, 0.4, 0.15]), (len(squares_bgr), 1))
