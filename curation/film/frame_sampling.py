"""Sampling of a shot's frames: evenly spread, away from both ends."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from curation.params import ShotParams


def sampled(first: int, end: int, seconds: float, params: ShotParams) -> list[int]:
    """Frame numbers to sample from a shot; at least one.

    Args:
        first: The shot's first frame.
        end: The frame after its last.
        seconds: Duration; with a variable frame rate, frames are spaced by the mean rate of the shot.
        params: Their number and spacing.
    """
    rate = (end - first) / max(seconds, 1e-3)
    # Leave a margin at both ends, where transitions are, and sample the rest evenly.
    margin = round(params.margin_s * rate)
    low, high = first + margin, end - 1 - margin
    count = min(params.max_frames, int((high - low) / max(params.sample_every_s * rate, 1.0)) + 1) if high >= low else 1
    if count == 1:
        return [(first + end - 1) // 2]
    return [int(number) for number in np.unique(np.linspace(low, high, count).round())]


def beside(number: int, first: int, end: int, apart: int) -> tuple[int, int]:
    """Frames `apart` before and after a frame, clipped to the shot."""
    return max(first, number - apart), min(end - 1, number + apart)
