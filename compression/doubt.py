"""How sure it is what a form loses: validation is a sample, and another one would have said something else."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from models.family import Objective

RESAMPLES, SEED = 200, 0


def standard_error(objective: Objective, first: pd.DataFrame, second: pd.DataFrame) -> float:
    """The standard error of a difference in the objective, by a paired bootstrap (Efron and Tibshirani 1993, 6 and 8).

    Whole groups are drawn: pictures of one performer, frames of one shot, pages of one work are read alike.

    Args:
        objective: Over rows, weighed.
        first: The scored rows of one model.
        second: Those of the other, of the same samples in the same order.

    Raises:
        ValueError: They are not of the same samples.
    """
    if len(first) != len(second) or ("id" in first and not np.array_equal(first["id"], second["id"])):
        message = f"{len(first)} rows and {len(second)} of other samples cannot be held against each other"
        raise ValueError(message)
    groups_n = pd.factorize(first["group"])[0] if "group" in first else np.arange(len(first))
    count, random = int(groups_n.max(initial=-1)) + 1, np.random.default_rng(SEED)
    gaps = []
    for _ in range(RESAMPLES):
        drawn_g = np.bincount(random.integers(0, count, count), minlength=count).astype(np.float64)
        weights_n = drawn_g[groups_n]
        gaps.append(objective(first, weights_n) - objective(second, weights_n))
    return float(np.std(gaps))
