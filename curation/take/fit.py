"""Comparison of the curves of a take with its film, by the jaw and the lids, which the landmark network reads well."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from rushes.tracking.face import UNITS

READ_WELL = [UNITS.index(name) for name in ("jawOpen", "eyeBlinkLeft", "eyeBlinkRight")]
MOVES = 0.05  # standard deviation of a unit from which its correlation means something
MIN_SHARE = 0.5  # of the frames that must be left for a comparison


class Fit(NamedTuple):
    """Correlation of the curves with what the network sees, and the best one of curves that are shifted.

    Attributes:
        correlation: Mean over the units that move.
        best: The same at the best shift.
        lag: That shift, in frames; above 0 where the curves are late.
    """

    correlation: float
    best: float
    lag: int


def fit_of(truth_tu: np.ndarray, seen_tu: np.ndarray, max_lag: int) -> Fit | None:
    """Compares curves with the units that the network sees, both T,52; NaN where they are unknown.

    Returns:
        The fit; None if none of the units moves.
    """
    moving = [unit for unit in READ_WELL if _spread(truth_tu[:, unit]) > MOVES]
    max_lag = min(max_lag, len(truth_tu) // 2)
    lags = range(-max_lag, max_lag + 1)
    found = {lag: _correlation(truth_tu[:, moving], seen_tu[:, moving], lag) for lag in lags} if moving else {}
    known = {lag: value for lag, value in found.items() if np.isfinite(value)}
    if 0 not in known:
        return None
    best = max(known, key=lambda lag: (known[lag], -abs(lag)))
    return Fit(known[0], known[best], best)


def _spread(curve_t: np.ndarray) -> float:
    known = curve_t[np.isfinite(curve_t)]
    return float(known.std()) if len(known) else 0.0


def _correlation(truth_tu: np.ndarray, seen_tu: np.ndarray, lag: int) -> float:
    """Mean correlation of frame t of what is seen with frame t + lag of the curves; NaN if too little is left."""
    frames = len(truth_tu)
    truth_tu = truth_tu[max(lag, 0) : frames + min(lag, 0)].astype(np.float64)
    seen_tu = seen_tu[max(-lag, 0) : frames + min(-lag, 0)].astype(np.float64)
    known = np.isfinite(truth_tu).all(axis=1) & np.isfinite(seen_tu).all(axis=1)
    if known.sum() < max(2, MIN_SHARE * frames):
        return np.nan
    truth_tu, seen_tu = truth_tu[known], seen_tu[known]
    truth_tu, seen_tu = truth_tu - truth_tu.mean(axis=0), seen_tu - seen_tu.mean(axis=0)
    scale_u = np.sqrt((truth_tu**2).sum(axis=0) * (seen_tu**2).sum(axis=0))
    products_u = (truth_tu * seen_tu).sum(axis=0)
    return float(np.divide(products_u, scale_u, out=np.zeros_like(scale_u), where=scale_u > 0).mean())
