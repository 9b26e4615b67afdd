"""The rotated square around a face that the landmark network sees.

Points are continuous: pixel i of a row reaches from i to i + 1, and its centre is at i + 0.5.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import cv2
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

# mediapipe/tasks/cc/vision/face_landmarker: the square has 1.5 times the side of the face, for both sources.
SCALE = 1.5
RIGHT_EYE, LEFT_EYE = 33, 263  # outer corners of the actor's eyes among the landmarks


class Detection(Protocol):
    """A face as a detector gives it, such as `rushes.expression.detector.Face`."""

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
        """Samples the square, uint8 size,size,C; the border pixels of the picture are repeated beyond it."""
        # OpenCV counts from the centres of pixels.
        to_frame_23 = self._to_frame(size_px)
        to_frame_23[:, 2] += to_frame_23[:, :2].sum(axis=1) / 2 - 0.5
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        size = (size_px, size_px)
        return np.asarray(cv2.warpAffine(picture, to_frame_23, size, flags=flags, borderMode=cv2.BORDER_REPLICATE))

    def to_frame(self, points_n3: np.ndarray, size_px: int) -> np.ndarray:
        """Maps points of the sampled square to the frame, N x (x, y, z); z is only scaled."""
        to_frame_23 = self._to_frame(size_px)
        flat_n2 = points_n3[:, :2] @ to_frame_23[:, :2].T + to_frame_23[:, 2]
        return np.column_stack([flat_n2, points_n3[:, 2] * (self.side_px / size_px)])

    def is_same_face(self, other: FaceSquare) -> bool:
        """True if both squares lie around one face: the middles are less than half a face apart."""
        apart_px = np.hypot(*np.subtract(self.middle_px, other.middle_px))
        return bool(apart_px < max(self.side_px, other.side_px) / SCALE / 2)

    def _to_frame(self, size_px: int) -> np.ndarray:
        """Affine matrix from the sampled square to the frame."""
        scale = self.side_px / size_px
        turn_22 = scale * rotation(self.roll_rad)
        return np.column_stack([turn_22, self.middle_px - turn_22 @ np.full(2, size_px / 2)])


def rotation(roll_rad: float) -> np.ndarray:
    """Rotation matrix of picture coordinates, which turns clockwise as seen."""
    cos, sin = np.cos(roll_rad), np.sin(roll_rad)
    return np.array([[cos, -sin], [sin, cos]])


def square_of_detection(face: Detection) -> FaceSquare:
    """Square around a detector's box, rotated by the line of the eyes."""
    x, y, w, h = face.box_xywh_px
    return FaceSquare((x + w / 2, y + h / 2), SCALE * max(w, h), _roll_rad(*face.keypoints_px[:2]))


def square_of_landmarks(landmarks_px: np.ndarray) -> FaceSquare:
    """Square around all landmarks, rotated by the line of the outer eye corners."""
    roll_rad = _roll_rad(landmarks_px[RIGHT_EYE], landmarks_px[LEFT_EYE])
    # Bound the landmarks along the axes of the head.
    upright_22 = rotation(roll_rad)
    along_n2 = landmarks_px[:, :2] @ upright_22
    low, high = along_n2.min(axis=0), along_n2.max(axis=0)
    x, y = (float(value) for value in upright_22 @ ((low + high) / 2))
    return FaceSquare((x, y), SCALE * float((high - low).max()), roll_rad)


def _roll_rad(right_eye: Sequence[float] | np.ndarray, left_eye: Sequence[float] | np.ndarray) -> float:
    return float(np.arctan2(left_eye[1] - right_eye[1], left_eye[0] - right_eye[0]))
