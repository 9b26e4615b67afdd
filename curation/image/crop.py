"""Square crops of images; nothing is stretched."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from curation.params import Crop

LOOK_PX = 64  # shorter side of the thumbnail that is searched for edges
PULL = 0.25  # weight of the centre: a crop at the end of the image needs that much more of the edges to win


def fit(picture_hwc: np.ndarray, size_px: int, crop: Crop = "centre") -> np.ndarray:
    """The square crop of an image, scaled; uint8 size,size,C."""
    side = min(picture_hwc.shape[:2])
    top, left = offsets(picture_hwc, crop)
    square_hwc = picture_hwc[top : top + side, left : left + side]
    method = cv2.INTER_AREA if side > size_px else cv2.INTER_CUBIC
    fitted = cv2.resize(square_hwc, (size_px, size_px), interpolation=method)
    return fitted.reshape(size_px, size_px, picture_hwc.shape[2])


def offsets(picture_hwc: np.ndarray, crop: Crop) -> tuple[int, int]:
    """Top and left of the square, in pixels; one of them is 0."""
    height, width = picture_hwc.shape[:2]
    spare = abs(height - width)
    at = spare // 2 if crop == "centre" or spare == 0 else _busiest(picture_hwc, spare)
    return (at, 0) if height > width else (0, at)


def _busiest(picture_hwc: np.ndarray, spare: int) -> int:
    """Offset along the longer side at which the square has most edges; ties go to the middle."""
    height, width = picture_hwc.shape[:2]
    scale = LOOK_PX / min(height, width)
    size = (max(LOOK_PX, round(width * scale)), max(LOOK_PX, round(height * scale)))
    small_hwc = cv2.resize(picture_hwc, size, interpolation=cv2.INTER_AREA)
    grey_hw = small_hwc if small_hwc.ndim == 2 else small_hwc.mean(axis=2)  # noqa: PLR2004  # H,W
    rise_hw, run_hw = np.gradient(grey_hw.astype(np.float32))
    # Edge strength summed per line across the longer side, then per window of LOOK_PX lines by differences of sums.
    edges_n = np.hypot(rise_hw, run_hw).sum(axis=1 if height > width else 0)
    sums_n = np.concatenate([[0.0], np.cumsum(edges_n)])
    held_n = sums_n[LOOK_PX:] - sums_n[:-LOOK_PX]
    # Penalise distance from the middle, quadratically.
    away_n = np.linspace(-1, 1, len(held_n)) if len(held_n) > 1 else np.zeros(1)
    worth_n = held_n / (held_n.max() + 1e-6) - PULL * away_n**2
    # Rounded, so that another order of summation on another machine does not change the choice.
    return round(int(worth_n.round(6).argmax()) / max(1, len(held_n) - 1) * spare)
