"""The best trial against the default: both trained again with seeds that no trial has had, and Welch's interval.

Seeds rather than resamples of the validation split: among many trials the best is partly the luckiest, and a resample
of its own scores keeps its luck, while a new seed does not. The interval covers training, not the choice of the split.
"""

from __future__ import annotations

import math
from statistics import fmean, variance
from typing import TYPE_CHECKING

from scipy import stats

from report.search.result import Comparison

if TYPE_CHECKING:
    from collections.abc import Sequence

LEVEL = 0.95
FEWEST = 2  # values of each, for an interval


def compare(
    default: Sequence[float], best: Sequence[float], trial: int, *, less_is_better: bool, failed: str = ""
) -> Comparison:
    """Gain of the best trial over the default, positive if it is better, with its 95 % interval (Welch 1947).

    Args:
        default: Figure of the default with each seed.
        best: Figure of the best trial with the same seeds.
        trial: Its number.
        less_is_better: True if the figure is to be low.
        failed: Reason of a training that failed; there is no interval then.
    """
    shown = Comparison(trial=trial, default=list(default), best=list(best), failed=failed)
    if failed or min(len(default), len(best)) < FEWEST:
        return shown
    gain = (fmean(best) - fmean(default)) * (-1 if less_is_better else 1)
    half = half_width(default, best)
    return shown.model_copy(update={"gain": gain, "low": gain - half, "high": gain + half})


def half_width(first: Sequence[float], second: Sequence[float]) -> float:
    """Half of the interval of the difference of two means; 0 if all figures of each are the same."""
    parts = [variance(values) / len(values) for values in (first, second)]  # squared standard errors
    if not sum(parts):
        return 0.0
    freedom = sum(parts) ** 2 / sum(
        part**2 / (len(values) - 1) for part, values in zip(parts, (first, second), strict=True)
    )
    return float(stats.t.ppf((1 + LEVEL) / 2, freedom)) * math.sqrt(sum(parts))
