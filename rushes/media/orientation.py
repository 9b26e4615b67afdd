"""The eight orientations in which a camera may store a picture, of films and of still pictures."""

from __future__ import annotations

import math
from itertools import product
from typing import NamedTuple

import numpy as np


class Orientation(NamedTuple):
    """Mirroring, left to right, and then quarter turns anticlockwise that show a stored picture upright."""

    mirrored: bool
    quarters: int

    def upright(self, stored_hwc: np.ndarray) -> np.ndarray:
        """Mirrors and rotates a picture as stored."""
        mirrored_hwc = stored_hwc[:, ::-1] if self.mirrored else stored_hwc
        return np.ascontiguousarray(np.rot90(mirrored_hwc, self.quarters))


ORIENTATIONS = tuple(Orientation(mirrored, quarters) for mirrored, quarters in product((False, True), range(4)))


def orientation_of(matrix_33: np.ndarray) -> Orientation:
    """Orientation by a display matrix, to the nearest quarter turn. ISO/IEC 14496-12, 8.3.2.

    Args:
        matrix_33: Maps (x, y, 1), as a row and with y down, from the stored picture to the screen.
    """
    # Its rows are where the screen has the directions right and down of the stored picture.
    (right_x, right_y), (down_x, down_y) = matrix_33[:2, :2].tolist()
    mirrored = right_x * down_y < right_y * down_x
    if mirrored:
        right_x, right_y = -right_x, -right_y
    return Orientation(mirrored, round(math.atan2(-right_y, right_x) / (math.pi / 2)) % 4)
