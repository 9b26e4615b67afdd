"""Curves that are early or late are found by the jaw and the lids."""

import numpy as np
import pytest

from curation.take.fit import fit_of
from rushes.tracking.face import UNITS
from tests.support.filmed_takes import speech

JAW, SMILE = UNITS.index("jawOpen"), UNITS.index("mouthSmileLeft")


def curves(values, unit=JAW):
    found = np.zeros((len(values), len(UNITS)), np.float32)
    found[:, unit] = values
    return found


@pytest.mark.parametrize("lag", [0, 7, -5])
def test_a_lag_is_found(lag):
    """With its sign: above 0 where the curves are late; noise and another scale of the network do not matter."""
    jaw = np.array(speech(120))
    seen = 0.3 * jaw[20:100] + np.random.default_rng(0).normal(0, 0.01, 80)
    found = fit_of(curves(jaw[20 - lag : 100 - lag]), curves(seen), 12)

    assert found.lag == lag
    assert found.best > 0.98
    assert (found.correlation < 0.9) == bool(lag)


def test_what_does_not_move_is_not_judged():
    """A smile alone is not enough."""
    assert fit_of(curves(speech(), SMILE), curves(speech()), 10) is None


def test_unknown_frames_are_left_out():
    """A take without a face in a third of its frames is compared in the others; in most of them, not at all."""
    truth, seen = curves(speech(60)), curves(speech(60))
    seen[:20] = np.nan
    assert fit_of(truth, seen, 5).correlation == pytest.approx(1)
    seen[:40] = np.nan
    assert fit_of(truth, seen, 5) is None
