"""Welch's interval over seeds, and its edges."""

import pytest

from flows.search.comparison import compare


def test_interval_of_known_values():
    """Two samples of three: the interval of Welch's test by its formula, with 2.56 degrees of freedom, t = 3.515."""
    shown = compare([0.80, 0.81, 0.82], [0.85, 0.86, 0.90], 7, less_is_better=False)

    assert shown.gain == pytest.approx(0.06)
    assert (shown.low, shown.high) == pytest.approx((0.06 - 3.515 * 0.01633, 0.06 + 3.515 * 0.01633), abs=1e-4)
    assert shown.is_better


def test_direction():
    """Of a figure that is to be low, a lower one is a gain."""
    shown = compare([2.0, 2.1, 2.2], [1.0, 1.1, 1.2], 1, less_is_better=True)

    assert shown.gain == pytest.approx(1.0)
    assert 0 < shown.low < shown.gain < shown.high


def test_overlap_is_not_better():
    """The gain is positive, its interval is not."""
    shown = compare([0.80, 0.90], [0.82, 0.90], 1, less_is_better=False)

    assert shown.gain > 0 > shown.low
    assert not shown.is_better


@pytest.mark.parametrize(("best", "is_better"), [(0.9, True), (0.8, False), (0.7, False)])
def test_figures_without_spread(best, is_better):
    """The same figure with each seed: the interval is a point, and an equal figure is not better."""
    shown = compare([0.8, 0.8], [best, best], 1, less_is_better=False)

    assert shown.low == shown.high == shown.gain
    assert shown.is_better is is_better


@pytest.mark.parametrize(("values", "failed"), [([0.9], ""), ([], "seed 1: out of memory")])
def test_no_interval(values, failed):
    """Too few figures, or a training that failed: nothing is claimed."""
    shown = compare([0.1] * len(values), values, 1, less_is_better=False, failed=failed)

    assert (shown.gain, shown.is_better, shown.failed) == (None, False, failed)
