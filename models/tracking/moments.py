"""Sums from which correlations follow, so that they can be added over batches, takes, processes and resamples.

Legend: K sums, U units.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from rushes.tracking.face import UNITS

if TYPE_CHECKING:
    import pandas as pd

SUMS = ("count", "x", "y", "xx", "yy", "xy")  # of outputs x and truth y
COUNT = SUMS.index("count")
LEAST_VARIANCE = 1e-9  # below it a curve is constant, and correlates with nothing


class Moments:
    """The sums of each unit over frames whose truth is known."""

    def __init__(self, sums_ku: Tensor | None = None) -> None:
        self.sums_ku = torch.zeros(len(SUMS), len(UNITS), dtype=torch.float64) if sums_ku is None else sums_ku

    def add(self, outputs_tu: Tensor, truth_tu: Tensor) -> None:
        """Adds frames; the truth is NaN where it is not known."""
        self.sums_ku = self.sums_ku.to(outputs_tu.device) + sums_of(outputs_tu.double(), truth_tu.double())

    def mean_r(self) -> float:
        """Mean correlation of the units that the truth moves; 0 if there are none."""
        return mean_r(self.sums_ku.cpu().numpy())


def sums_of(outputs_tu: Tensor, truth_tu: Tensor) -> Tensor:
    """The sums K,U over frames."""
    known_tu = ~truth_tu.isnan()
    x_tu, y_tu = outputs_tu * known_tu, truth_tu.nan_to_num() * known_tu
    parts = (known_tu.to(x_tu.dtype), x_tu, y_tu, x_tu * x_tu, y_tu * y_tu, x_tu * y_tu)
    return torch.stack([part.sum(0) for part in parts])


def correlations(sums_ku: np.ndarray) -> np.ndarray:
    """Pearson's r of each unit; NaN where the truth does not move, 0 where the outputs do not."""
    count_u, x_u, y_u, xx_u, yy_u, xy_u = sums_ku
    count_u = np.maximum(count_u, 1.0)
    variance_x_u, variance_y_u = xx_u / count_u - (x_u / count_u) ** 2, yy_u / count_u - (y_u / count_u) ** 2
    shared_u = xy_u / count_u - x_u * y_u / count_u**2
    r_u = shared_u / np.sqrt(np.maximum(variance_x_u, LEAST_VARIANCE) * np.maximum(variance_y_u, LEAST_VARIANCE))
    return np.where(variance_y_u > LEAST_VARIANCE, r_u, np.nan)


def mean_r(sums_ku: np.ndarray) -> float:
    """Mean of the correlations that there are; 0 if there are none."""
    r_u = correlations(sums_ku)
    return float(np.nanmean(r_u)) if not np.isnan(r_u).all() else 0.0


def sums_in(rows: pd.DataFrame, weights: np.ndarray | None = None) -> np.ndarray:
    """The sums K,U over rows, each counted `weights` times."""
    weight_n = np.ones(len(rows)) if weights is None else weights
    values = rows[[f"{name}:{unit}" for name in SUMS for unit in UNITS]].to_numpy(np.float64)
    return np.asarray((weight_n @ values).reshape(len(SUMS), len(UNITS)))
