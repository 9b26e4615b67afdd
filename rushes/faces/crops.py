"""Crops squares from a frame, upright or rotated."""

from __future__ import annotations

import cv2
import numpy as np

from rushes.warp import sample_square

# Pixels of a picture for each of the result, along a side, above which linear sampling would skip some of them.
MAX_STEP = 4 / 3


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


def turn_square(
    frame: np.ndarray, middle_px: tuple[float, float], side: int, roll_rad: float, size_px: int | None = None
) -> np.ndarray:
    """Crops a rotated square, uint8, in which a head that leans right by `roll_rad` is upright.

    The point (u, v) of the square is the point `middle + rotation(roll_rad) (u - side / 2, v - side / 2)` of the frame.

    Args:
        frame: uint8 H,W,3.
        middle_px: Middle of the square in the frame.
        side: Side of the square in the frame.
        roll_rad: Its rotation.
        size_px: Side of the result, to which a larger square is shrunk by area averaging; `side` by default.
    """
    size_px = size_px or side
    # Halve an upright square that contains the rotated one until its pixels are nearly as large as those of the result.
    part, left, top, step = frame, 0, 0, 1
    while side >= MAX_STEP * step * size_px:
        step *= 2
    if step > 1:
        bound = side * (abs(np.cos(roll_rad)) + abs(np.sin(roll_rad)))
        reach = step * (int(bound / 2 / step) + 2)  # and neighbours for the interpolation
        left, top = int(middle_px[0]) - reach, int(middle_px[1]) - reach
        part = cut_square(frame, left, top, 2 * reach)
        while len(part) > 2 * reach // step:
            part = cv2.resize(part, (len(part) // 2, len(part) // 2), interpolation=cv2.INTER_AREA)
    middle_part_px = (middle_px[0] - left) / step, (middle_px[1] - top) / step
    return sample_square(part, middle_part_px, side / step, roll_rad, size_px)
