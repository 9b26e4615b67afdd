"""Tracking of a picture patch that moves or disappears."""

import numpy as np
import pytest

from rushes.faces.following import Patch


def _frame(seed=0):
    coarse = np.random.default_rng(seed).integers(0, 256, (16, 22, 3))
    return np.kron(coarse, np.ones((30, 30, 1))).astype(np.uint8)


@pytest.mark.parametrize(
    "box", [(200.0, 150.0, 40.0, 40.0), (200.0, 150.0, 180.0, 180.0), (-20.0, 300.0, 120.0, 100.0)]
)
@pytest.mark.parametrize("shift", [(0, 0), (3, -5), (-8, 6)])
def test_a_shift_is_measured(box, shift):
    """To a thirtieth of the side, also at the frame's border."""
    patch, noise = Patch(_frame(), box), np.random.default_rng(1).normal(0, 3, _frame().shape)
    moved = np.roll(_frame(), (shift[1], shift[0]), (0, 1)) + noise

    assert patch.shift_px(np.clip(moved, 0, 255).astype(np.uint8)) == pytest.approx(shift, abs=max(box[2:]) / 30)


def test_another_picture_gives_no_shift():
    """Nor does a plain one, which has no correlation, nor one that has moved out of reach."""
    patch = Patch(_frame(), (200.0, 150.0, 80.0, 80.0))

    assert patch.shift_px(_frame(1)) is None
    assert patch.shift_px(np.full_like(_frame(), 90)) is None
    assert patch.shift_px(np.roll(_frame(), 50, 1)) is None
