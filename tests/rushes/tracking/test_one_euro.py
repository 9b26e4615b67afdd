"""The one-euro filter."""

import numpy as np
import pytest

from rushes.tracking.one_euro import LIVE, OneEuro, smooth_recording

TIMES_S = np.arange(90) / 30


def filtered(values_tk, times_s=TIMES_S):
    """The values of a stream."""
    one = OneEuro(LIVE)
    return np.array([one.filter(value, time) for value, time in zip(values_tk, times_s, strict=True)])


def jitter(values_t):
    """Mean second difference."""
    return np.abs(np.diff(values_t, 2, axis=0)).mean()


def test_jitter_at_rest_is_halved_and_a_blink_is_late_by_less_than_a_frame():
    """The goal of the live preset."""
    rest = 0.2 + np.random.default_rng(0).normal(0, 0.004, (90, 1))
    blink = np.interp(TIMES_S, [1, 1.1, 1.2, 1.3], [0, 1, 1, 0])[:, None]
    half_s = [np.interp(0.5, part[30:34, 0], TIMES_S[30:34]) for part in (blink, filtered(blink))]

    assert jitter(filtered(rest)) < 0.5 * jitter(rest)
    assert half_s[0] < half_s[1] < half_s[0] + 1 / 30
    assert filtered(blink).max() > 0.9


def test_each_value_is_filtered_by_itself():
    """A fast unit does not make a slow one jitter."""
    values_tk = np.random.default_rng(0).uniform(0, 1, (90, 3)) * [1, 0.01, 0.1]

    np.testing.assert_allclose(filtered(values_tk)[:, 1], filtered(values_tk[:, 1:2])[:, 0])


@pytest.mark.parametrize("times_s", [[0, 1 / 30, 1 / 30, 1 / 30], [5, 5 + 1 / 30, 1, 0.5]])
def test_a_clock_that_stands_still_or_goes_back_counts_as_usual_steps(times_s):
    """As if it had gone on; nothing is infinite."""
    values_tk = np.array([[0.0], [0.1], [0.4], [0.5]])

    np.testing.assert_allclose(filtered(values_tk, times_s), filtered(values_tk, np.arange(4) / 30))


def test_after_a_long_gap_it_starts_again():
    """The first value behind it is taken as it is."""
    assert filtered(np.array([[0.0], [0.0], [1.0]]), [0, 1 / 30, 60])[-1] == 1


def test_a_recording_is_smoothed_without_lag():
    """Backwards in time it is the same, so nothing can be late; and it is smoother."""
    values_tk = np.sin(TIMES_S)[:, None] / 4 + np.random.default_rng(0).normal(0, 0.01, (90, 2))
    smooth_tk = smooth_recording(values_tk, TIMES_S)

    np.testing.assert_allclose(smooth_recording(values_tk[::-1], TIMES_S)[::-1], smooth_tk, atol=1e-12)
    assert jitter(smooth_tk) < 0.5 * jitter(values_tk)


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("first", [True, False])
def test_a_value_that_is_not_finite_is_skipped(wrong, first):
    """It does not stay in the filter: the others are filtered as without it."""
    values_tk = np.full((20, 2), 0.5)
    values_tk[0 if first else 10, 0] = wrong
    found_tk = filtered(values_tk, TIMES_S[:20])

    assert np.isfinite(found_tk).all()
    assert found_tk[-1] == pytest.approx(0.5, abs=0.05)
    assert found_tk[:, 1] == pytest.approx(0.5)
