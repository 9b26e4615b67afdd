"""Crops squares from a frame, upright or rotated."""

from __future__ import annotations

import cv2
import numpy as np


def cut_square(frame: np.ndarray, left: int, top: int, side: int) -> np.ndarray:
    """Crops a square from a frame, uint8 side,side,C; the nearest pixels are repeated beyond the frame."""
    height, width = frame.shape[:2]
    if left >= 0 and top >= 0 and left + side <= width and top + side <= height:
        return frame[top : top + side, left : left + side]
    # Clip the rows and columns of the square to the frame.
    columns = np.clip(np.arange(left, left + side), 0, width - 1)
    rows = np.clip(np.arange(top, top + side), 0, height - 1)
    inside = frame[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    # Compute the number of missing pixels on each side.
    above, before = max(0, -top), max(0, -left)
    below, after = side - above - inside.shape[0], side - before - inside.shape[1]
    if min(below, after) < 0:  # the square lies completely outside the frame
        return frame[rows[:, None], columns[None, :]]
    # Fill them with the nearest pixels.
    square = cv2.copyMakeBorder(inside, above, below, before, after, cv2.BORDER_REPLICATE)
    return square.reshape(side, side, *frame.shape[2:])  # OpenCV drops a single channel's axis


def turn_square(frame: np.ndarray, middle_px: tuple[float, float], side: int, roll_rad: float) -> np.ndarray:
    """Crops a rotated square, uint8 side,side,C, in which a head that leans right by `roll_rad` is upright.

    The point (u, v) of the square is the point `middle + rotation(roll_rad) (u - side / 2, v - side / 2)` of the frame.
    """
    # Crop an upright square that contains the rotated one.
    reach = int(np.ceil(side * 0.75))  # half the diagonal (0.71), and neighbours for the interpolation
    left, top = int(middle_px[0]) - reach, int(middle_px[1]) - reach
    around = cut_square(frame, left, top, 2 * reach)
    cos, sin = float(np.cos(roll_rad)), float(np.sin(roll_rad))
    # Compute the affine matrix from the square to the frame, about the middle of both; pixel centres are at whole
    # numbers.
    half, at_x, at_y = (side - 1) / 2, middle_px[0] - left - 0.5, middle_px[1] - top - 0.5
    to_frame_23 = np.array([[cos, -sin, at_x - half * (cos - sin)], [sin, cos, at_y - half * (sin + cos)]], np.float64)
    # Sample the frame at the mapped points.
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return np.asarray(cv2.warpAffine(around, to_frame_23, (side, side), flags=flags, borderMode=cv2.BORDER_REPLICATE))
