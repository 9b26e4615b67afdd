"""Detects title cards and credits by letters in lines: many on any image, few on plain ground.

A letter is a spot that is lighter (or darker) than its surroundings, as high as its neighbours in the line, as bright
as they are at its brightest, and on the same baseline: leaves, fences and flowers are never all of that at once.
"""

from __future__ import annotations

from statistics import median
from typing import NamedTuple

import cv2
import numpy as np

LOOK_PX = 720  # image height for letter detection
BRUSH_PX = 31  # wider than the strokes of letters
MIN_CONTRAST = 50  # grey levels between letter and ground
LOW_PX, HIGH_PX = 8, 110  # height of a letter
MOST_WIDE, LEAST_FILLED = 2.2, 0.15  # width in heights; share of its box
GAP, ALIKE, SAME_LEVEL = 1.2, 1.6, 10  # between letters in heights; ratio of heights; grey levels
LINE = 5  # minimum number of letters in a line
GROUND_PX, PLAIN = 180, 6.0  # image height for ground measurement; grey levels a pixel


class Card(NamedTuple):
    """Evidence for a title card: number of letters, and the share of the image that is plain."""

    letters: int
    ground: float


def card_of(grey_hw: np.ndarray) -> Card:
    """Measures letters and ground of a grey image, uint8 H,W."""
    seen_hw = _scaled(grey_hw, LOOK_PX)
    # Look for light letters on dark ground and the reverse.
    letters = max(_letters(seen_hw), _letters(255 - seen_hw))
    run_hw, rise_hw = cv2.spatialGradient(_scaled(grey_hw, GROUND_PX))  # Sobel: eight times the slope
    plain = np.hypot(run_hw.astype(np.float32), rise_hw.astype(np.float32)) < 8 * PLAIN
    return Card(letters, round(float(plain.mean()), 4))


def _scaled(grey_hw: np.ndarray, height_px: int) -> np.ndarray:
    height, width = grey_hw.shape
    size = (max(1, round(width * height_px / height)), height_px)
    method = cv2.INTER_AREA if height > height_px else cv2.INTER_LINEAR
    return grey_hw if height == height_px else cv2.resize(grey_hw, size, interpolation=method)


def _letters(grey_hw: np.ndarray) -> int:
    """Number of light spots that are arranged in lines like letters."""
    # White top-hat: what is lighter than its surroundings and narrower than the brush.
    brush = cv2.getStructuringElement(cv2.MORPH_RECT, (BRUSH_PX, BRUSH_PX))
    spots_hw = (cv2.morphologyEx(grey_hw, cv2.MORPH_TOPHAT, brush) > MIN_CONTRAST).astype(np.uint8)
    # Connected components are candidate letters; keep those of the size, aspect ratio and fill of a letter.
    count, names_hw, boxes_n5, _ = cv2.connectedComponentsWithStats(spots_hw, connectivity=8)
    left, top, wide, high, area = boxes_n5.T
    letter = (high >= LOW_PX) & (high <= HIGH_PX) & (wide <= MOST_WIDE * high) & (area >= LEAST_FILLED * wide * high)
    letter[0] = False  # label 0 is the ground
    if letter.sum() < LINE:
        return 0
    # The peak of each is its brightest pixel.
    places = np.flatnonzero(names_hw)
    names = names_hw.ravel()[places]
    of_letter = letter[names]
    peaks_n = np.zeros(count, np.uint8)
    np.maximum.at(peaks_n, names[of_letter], grey_hw.ravel()[places[of_letter]])
    spots = np.stack([left, left + wide, top + high, high, peaks_n], axis=1)[letter]
    return _in_lines(spots[np.lexsort((spots[:, 0], spots[:, 2]))])


def _in_lines(spots_n5: np.ndarray) -> int:
    """Number of spots (left, right, bottom, height, peak) that are in a line of at least LINE."""
    in_line = np.zeros(len(spots_n5), bool)
    bottoms_n = spots_n5[:, 2]
    for bottom in np.unique(bottoms_n):
        # Spots on the same baseline, within a pixel, read from left to right.
        near = np.arange(*np.searchsorted(bottoms_n, [bottom - 1, bottom + 2]))
        if len(near) >= LINE:
            for run in _runs(spots_n5, near[np.argsort(spots_n5[near, 0], kind="stable")]):
                in_line[run] = len(run) >= LINE
    return int(in_line.sum())


def _runs(spots_n5: np.ndarray, near: np.ndarray) -> list[list[int]]:
    runs: list[list[int]] = []
    for number in near:
        if runs and _follows(spots_n5, number, runs[-1]):
            runs[-1].append(int(number))
        else:
            runs.append([int(number)])
    return [run for run in runs if len(run) >= LINE]


def _follows(spots_n5: np.ndarray, number: int, run: list[int]) -> bool:
    left, _, _, high, peak = spots_n5[number]
    # A letter follows if it is close to the run's last and of the run's usual height and brightness.
    usual = median(spots_n5[run, 3].tolist())
    near = left - spots_n5[run[-1], 1] <= GAP * usual
    return bool(
        near and usual / ALIKE <= high <= usual * ALIKE and abs(peak - median(spots_n5[run, 4].tolist())) <= SAME_LEVEL
    )
