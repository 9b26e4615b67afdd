"""Follows a patch from frame to frame by template matching, without a network."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2

from rushes.faces.crops import cut_square

if TYPE_CHECKING:
    import numpy as np

CELLS = 48  # along a side of the patch
REACH_CELLS = 10  # largest shift: a fifth of its side
MIN_CORRELATION = 0.9  # of the patch with its match
MIN_CONTRAST = 4.0  # standard deviation of the patch in grey levels; a uniform patch matches anything


class Patch:
    """A square patch of a frame, at low resolution.

    Args:
        frame_bgr: uint8 H,W,3.
        box_xywh_px: Left, top, width and height of a box; the patch is the square around its middle.
    """

    def __init__(self, frame_bgr: np.ndarray, box_xywh_px: tuple[float, float, float, float]) -> None:
        # Compute the searched square: the patch with a margin of the largest shift on each side.
        x, y, w, h = box_xywh_px
        self._side_px = max(1, round(max(w, h) * (1 + 2 * REACH_CELLS / CELLS)))
        self._corner_px = round(x + w / 2 - self._side_px / 2), round(y + h / 2 - self._side_px / 2)
        # Keep the inner cells as the template.
        inner = slice(REACH_CELLS, REACH_CELLS + CELLS)
        self._piece = self._coarse(frame_bgr)[inner, inner]

    def shift_px(self, frame_bgr: np.ndarray) -> tuple[float, float] | None:
        """Shift of the patch to the right and down, in pixels; None if it is uniform or has no match within reach."""
        if self._piece.std() < MIN_CONTRAST:
            return None
        # Compute the normalised cross-correlation of the patch at each shift.
        match = cv2.matchTemplate(self._coarse(frame_bgr), self._piece, cv2.TM_CCOEFF_NORMED)
        _, best, _, (column, row) = cv2.minMaxLoc(match)
        if not best >= MIN_CORRELATION:  # also NaN
            return None
        # Refine the maximum to a fraction of a cell by a parabola, and convert cells to pixels.
        cell_px = self._side_px / (CELLS + 2 * REACH_CELLS)
        across, down = column + _peak(match[row], column), row + _peak(match[:, column], row)
        return (across - REACH_CELLS) * cell_px, (down - REACH_CELLS) * cell_px

    def _coarse(self, frame_bgr: np.ndarray) -> np.ndarray:
        cells = CELLS + 2 * REACH_CELLS
        # Subsample a large square to at least two pixels per cell, then average it to cells in grey.
        step = max(1, self._side_px // (2 * cells))
        part_bgr = cut_square(frame_bgr, *self._corner_px, self._side_px)[::step, ::step]
        part_hw = cv2.cvtColor(part_bgr, cv2.COLOR_BGR2GRAY)  # averaging one channel takes a third of the time
        how = cv2.INTER_AREA if part_hw.shape[0] > cells else cv2.INTER_LINEAR
        return cv2.resize(part_hw, (cells, cells), interpolation=how)


def _peak(values: np.ndarray, at: int) -> float:
    """Offset of the vertex of a parabola through a maximum and its neighbours, -0.5 to 0.5; 0 at an end."""
    if not 0 < at < len(values) - 1:
        return 0.0
    # Compute the second difference; the vertex is a maximum only if it is negative.
    before, here, after = (float(value) for value in values[at - 1 : at + 2])
    bend = before - 2 * here + after
    return 0.0 if bend >= 0 else (before - after) / (2 * bend)
