"""The rotated square around a face that the landmark network sees.

Points are continuous: pixel i of a row reaches from i to i + 1, and its centre is at i + 0.5.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from rushes.warp import sample_square

if TYPE_CHECKING:
    from collections.abc import Sequence

# mediapipe/tasks/cc/vision/face_landmarker: the square has 1.5 times the side of the face, for both sources.
SCALE = 1.5
RIGHT_EYE, LEFT_EYE = 33, 263  # outer corners of the actor's eyes among the landmarks


class Detection(Protocol):
    """A face as a detector gives it, such as `rushes.faces.detector.Face`."""

    @property
    def box_xywh_px(self) -> tuple[float, float, float, float]:
        """Left, top, width and height."""
        ...

    @property
    def keypoints_px(self) -> np.ndarray:
        """The actor's right eye, then the left eye, then others: N x (x, y)."""
        ...


@dataclass(frozen=True)
class FaceSquare:
    """A square of the frame in which a face is upright.

    Attributes:
        middle_px: Its middle (x, y).
        side_px: Its side.
        roll_rad: Its rotation: above 0 if the head leans to the right of the picture.
    """

    middle_px: tuple[float, float]
    side_px: float
    roll_rad: float

    def cut(self, picture: np.ndarray, size_px: int) -> np.ndarray:
        """Samples the square, size,size,3; the border pixels of the picture are repeated beyond it."""
        return sample_square(picture, self.middle_px, self.side_px, self.roll_rad, size_px)

    def to_frame(self, points_n3: np.ndarray, size_px: int) -> np.ndarray:
        """Maps points of the sampled square to the frame, N x (x, y, z); z is only scaled."""
        scale, half, (x, y) = self.side_px / size_px, size_px / 2, self.middle_px
        cos, sin = scale * math.cos(self.roll_rad), scale * math.sin(self.roll_rad)
        to_frame_33 = np.array([[cos, -sin, 0.0], [sin, cos, 0.0], [0.0, 0.0, scale]])
        start_3 = np.array([x - half * (cos - sin), y - half * (sin + cos), 0.0])
        return np.asarray(points_n3 @ to_frame_33.T + start_3)

    def is_same_face(self, other: FaceSquare) -> bool:
        """True if both squares lie around one face: the middles are less than half a face apart."""
        apart_px = np.hypot(*np.subtract(self.middle_px, other.middle_px))
        return bool(apart_px < max(self.side_px, other.side_px) / SCALE / 2)


def rotation(roll_rad: float) -> np.ndarray:
    """Rotation matrix of picture coordinates, which turns clockwise as seen."""
    cos, sin = math.cos(roll_rad), math.sin(roll_rad)
    return np.array([[cos, -sin], [sin, cos]])


def square_of_detection(face: Detection) -> FaceSquare:
    """Square around a detector's box, rotated by the line of the eyes."""
    x, y, w, h = face.box_xywh_px
    return FaceSquare((x + w / 2, y + h / 2), SCALE * max(w, h), _roll_rad(*face.keypoints_px[:2]))


def square_of_landmarks(landmarks_px: np.ndarray) -> FaceSquare:
    """Square around all landmarks, rotated by the line of the outer eye corners."""
    roll_rad = roll_of_landmarks(landmarks_px)
    # Bound the landmarks along the axes of the head.
    upright_22 = rotation(roll_rad)
    along_2n = upright_22.T @ landmarks_px[:, :2].T
    low, high = along_2n.min(axis=1), along_2n.max(axis=1)
    x, y = (float(value) for value in upright_22 @ ((low + high) / 2))
    return FaceSquare((x, y), SCALE * float((high - low).max()), roll_rad)


def roll_of_landmarks(landmarks_px: np.ndarray) -> float:
    """Rotation of the line of the outer eye corners."""
    return _roll_rad(landmarks_px[RIGHT_EYE].tolist(), landmarks_px[LEFT_EYE].tolist())


def _roll_rad(right_eye: Sequence[float] | np.ndarray, left_eye: Sequence[float] | np.ndarray) -> float:
    return math.atan2(left_eye[1] - right_eye[1], left_eye[0] - right_eye[0])
