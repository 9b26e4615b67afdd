"""Sums of correlations: those of numpy, over any parts."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from models.tracking.moments import Moments, correlations, mean_r, sums_of
from rushes.tracking.face import UNITS

COUNT = len(UNITS)


def curves(frames: int = 300) -> tuple[torch.Tensor, torch.Tensor]:
    """Outputs and truth that share something; some of the truth is not known."""
    random = np.random.default_rng(0)
    truth_tu = random.uniform(0, 1, (frames, COUNT))
    outputs_tu = 0.3 * truth_tu + 0.2 * random.normal(0, 1, (frames, COUNT)) + 0.5
    truth_tu[random.uniform(size=(frames, COUNT)) < 0.2] = np.nan
    return torch.from_numpy(outputs_tu), torch.from_numpy(truth_tu)


def test_correlations_are_those_of_numpy_over_all_frames():
    """Each unit over the frames in which it is known."""
    outputs_tu, truth_tu = curves()
    known_tu = ~truth_tu.isnan().numpy()
    wanted = [
        np.corrcoef(outputs_tu[known_tu[:, unit], unit], truth_tu[known_tu[:, unit], unit])[0, 1]
        for unit in range(COUNT)
    ]

    np.testing.assert_allclose(correlations(sums_of(outputs_tu, truth_tu).numpy()), wanted, atol=1e-9)
    assert 0.2 < np.mean(wanted) < 0.8


def test_sums_of_parts_are_those_of_the_whole():
    """Of batches of any length, in either precision."""
    outputs_tu, truth_tu = curves()
    parts = Moments()
    for start, stop in ((0, 7), (7, 200), (200, 300)):
        parts.add(outputs_tu[start:stop].float(), truth_tu[start:stop].float())

    assert parts.mean_r() == pytest.approx(mean_r(sums_of(outputs_tu, truth_tu).numpy()), abs=1e-5)
    assert parts.sums_ku.dtype == torch.float64


def test_units_that_do_not_move_count_rightly():
    """A constant truth judges no unit; outputs that are constant follow nothing."""
    outputs_tu, truth_tu = curves()
    truth_tu[:, 0], truth_tu[:, 1], outputs_tu[:, 2] = 0.3, np.nan, 0.7
    r_u = correlations(sums_of(outputs_tu, truth_tu).numpy())

    assert np.isnan(r_u[:2]).all()
    assert r_u[2] == pytest.approx(0.0, abs=1e-6)
    assert np.isfinite(r_u[2:]).all()
    assert mean_r(sums_of(outputs_tu, truth_tu).numpy()) == pytest.approx(np.mean(r_u[2:]))
    assert Moments().mean_r() == 0.0
