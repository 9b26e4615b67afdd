"""Uncertainty of a candidate's drop: validation is a sample, and another one would give another figure."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from models.family import Objective

RESAMPLES, SEED = 200, 0
# Below it a resample of groups repeats the same few: of one group all resamples are the same, and the error would be 0.
FEW_GROUPS = 10  # as in registry/promotion/rules.py


def standard_error(objective: Objective, first: pd.DataFrame, second: pd.DataFrame) -> float:
    """Standard error of a difference in the objective, by a paired bootstrap (Efron and Tibshirani 1993, 6 and 8).

    Whole groups are drawn: pictures of one performer, frames of one shot, pages of one play are read alike. Of fewer
    than FEW_GROUPS groups, single samples are drawn as well, and the larger error counts; even that one flatters. Of a
    single sample the whole difference is uncertain.

    Args:
        objective: Over rows, weighed.
        first: The scored rows of one model.
        second: Those of the other, of the same samples in the same order.

    Raises:
        ValueError: They are not of the same samples.
    """
    if len(first) != len(second) or ("id" in first and not np.array_equal(first["id"], second["id"])):
        message = f"{len(first)} rows and {len(second)} of other samples cannot be compared"
        raise ValueError(message)
    if len(first) == 1:
        return abs(objective(first) - objective(second))
    groups_n, few = groups_of(first)
    errors = [_spread(objective, first, second, groups_n)]
    if few:
        errors.append(_spread(objective, first, second, np.arange(len(first))))
    return max(errors)


def groups_of(rows: pd.DataFrame) -> tuple[np.ndarray, bool]:
    """The group of each row as a number from 0, and True if there are too few; a row without one is its own group."""
    if "group" not in rows:
        return np.arange(len(rows)), False
    known = rows["group"].fillna("").astype(str) != ""
    own = pd.Series([f"row {number}" for number in range(len(rows))], index=rows.index)
    groups_n = pd.factorize(("group " + rows["group"].astype(str)).where(known, own))[0]
    return groups_n, int(groups_n.max(initial=-1)) + 1 < FEW_GROUPS


def few_groups(rows: pd.DataFrame) -> str:
    """A line for the stage's log where groups are too few for a reliable standard error, else empty."""
    groups_n, few = groups_of(rows)
    if not few:
        return ""
    count = int(groups_n.max(initial=-1)) + 1
    return (
        f"validation has {count} group{'s' * (count != 1)}, and a standard error needs {FEW_GROUPS}: it is that of "
        f"{len(rows)} single samples, and smaller than the truth where samples of a group are alike"
    )


def _spread(objective: Objective, first: pd.DataFrame, second: pd.DataFrame, groups_n: np.ndarray) -> float:
    """The deviation of the difference over resamples of groups."""
    count, random = int(groups_n.max(initial=-1)) + 1, np.random.default_rng(SEED)
    gaps = []
    for _ in range(RESAMPLES):
        drawn_g = np.bincount(random.integers(0, count, count), minlength=count).astype(np.float64)
        weights_n = drawn_g[groups_n]
        gaps.append(objective(first, weights_n) - objective(second, weights_n))
    return float(np.std(gaps))
