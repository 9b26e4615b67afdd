"""Faces for the expression network from the landmarks of tracked actors, so that no detector runs for the label."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from rushes.expression.detector import Face
from rushes.tracking.crop import SCALE, rotation, square_of_landmarks

if TYPE_CHECKING:
    from rushes.tracking.face import TrackedFace

# BlazeFace's box relative to the square around all landmarks, along the axes of the head: medians over 130 rendered
# heads (yaw to 35 degrees) and 30 real faces. The spread of the side is 6 and 1 %, that of the middle 3 and 1 %; crops
# of the training pictures themselves have a spread of 15 %.
BOX_SIDE, BOX_DOWN = 0.90, 0.035
# The detector's key points: right eye, left eye, tip of the nose, mouth, and both ears, as landmarks to average.
KEY_POINTS = ((33, 133), (263, 362), (1,), (61, 291), (234,), (454,))


def label_face(face: TrackedFace) -> Face:
    """Box and key points that the detector would give for a tracked face."""
    square = square_of_landmarks(face.landmarks_px)
    around_px = square.side_px / SCALE
    x, y = np.array(square.middle_px) + rotation(square.roll_rad) @ np.array([0.0, BOX_DOWN * around_px])
    side_px = BOX_SIDE * around_px
    box_xywh_px = (float(x - side_px / 2), float(y - side_px / 2), side_px, side_px)
    points_62 = np.array([face.landmarks_px[list(indices), :2].mean(axis=0) for indices in KEY_POINTS])
    return Face(box_xywh_px, face.score, points_62)
