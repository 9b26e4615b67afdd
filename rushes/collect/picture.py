"""Picture of a face for training: upright, whole, and with the square that the network saw in its middle.

Training takes the centre square of a picture. So the picture is as wide as the network's crop, and has the room that
keeps hair and chin above and below it alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from rushes.expression.classifier import Crop, crop_face

if TYPE_CHECKING:
    from rushes.expression.classifier import FaceExpression
    from rushes.tracking.face import TrackedFace

ROOM = 0.25  # of the side of the square, above and below it, as far as the frame has it
REACH = 1.0  # farthest point of the picture from the middle of the face, in sides: a corner, turned and shifted
MIN_SIDE_PX = 48  # of the square; a smaller face shows less than the network takes
_AS_GIVEN = Crop(scale=1.0, shift_y=0.0)


def picture_of(frame_bgr: np.ndarray, face: FaceExpression) -> np.ndarray | None:
    """Picture of a face in a frame.

    Args:
        frame_bgr: uint8 H,W,3.
        face: The face, with its roll and the crop of the network.

    Returns:
        uint8 H,W,3, at least as high as wide, whose centre square is the crop; None if the face is too small or leaves
        the frame.
    """
    height, width = frame_bgr.shape[:2]
    x, y, w, h = face.box_xywh_px
    side = round(max(w, h) * face.crop.scale)
    if side < MIN_SIDE_PX or x < 0 or y < 0 or x + w > width or y + h > height:
        return None
    # Find the middle of the network's square, which is shifted along the axis of the head.
    shift_px = max(w, h) * face.crop.shift_y
    middle_x = x + w / 2 - np.sin(face.roll_rad) * shift_px
    middle_y = y + h / 2 + np.cos(face.roll_rad) * shift_px
    # Add the room that the frame has both above and below it, so that the square stays in the middle.
    room = max(0, int(min(ROOM * side, middle_y - side / 2, height - middle_y - side / 2)))
    whole = side + 2 * room
    box = (middle_x - whole / 2, middle_y - whole / 2, float(whole), float(whole))
    square_bgr = crop_face(frame_bgr, box, _AS_GIVEN, face.roll_rad)
    return np.ascontiguousarray(square_bgr[:, room : room + side])


def is_apart(face: FaceExpression, other: TrackedFace) -> bool:
    """True if another actor is not in the picture of a face."""
    x, y, w, h = face.box_xywh_px
    low_2, high_2 = other.landmarks_px[:, :2].min(axis=0), other.landmarks_px[:, :2].max(axis=0)
    apart_px = float(np.hypot(*((low_2 + high_2) / 2 - (x + w / 2, y + h / 2))))
    return apart_px > REACH * max(w, h) * face.crop.scale + float(np.hypot(*(high_2 - low_2))) / 2


def centre_of(picture_bgr: np.ndarray) -> np.ndarray:
    """Centre square of a picture, as training takes it."""
    room = (picture_bgr.shape[0] - picture_bgr.shape[1]) // 2
    return picture_bgr[room : room + picture_bgr.shape[1]]
