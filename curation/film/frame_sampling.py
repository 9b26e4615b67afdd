"""Which frames of a shot are looked at: spread evenly, away from both ends."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from curation.params import ShotParams


def sampled(first: int, end: int, seconds: float, params: ShotParams) -> list[int]:
    """The numbers of the frames of a shot that are looked at; at least one.

    Args:
        first: The shot's first frame.
        end: The frame after its last.
        seconds: How long it is shown: with a variable frame rate, its frames are as far apart as is usual in it.
        params: How many, and how far apart.
    """
    rate = (end - first) / max(seconds, 1e-3)
    margin = round(params.margin_s * rate)
    low, high = first + margin, end - 1 - margin
    count = min(params.max_frames, int((high - low) / max(params.sample_every_s * rate, 1.0)) + 1) if high >= low else 1
    if count == 1:
        return [(first + end - 1) // 2]
    return [int(number) for number in np.unique(np.linspace(low, high, count).round())]


def beside(number: int, first: int, end: int, apart: int) -> tuple[int, int]:
    """The frames so far before and after one, as far as the shot reaches."""
    return max(first, number - apart), min(end - 1, number + apart)
