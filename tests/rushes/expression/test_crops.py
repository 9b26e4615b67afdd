"""Squares beyond the frame."""

import numpy as np
import pytest

from rushes.expression.crops import cut_square


@pytest.mark.parametrize("channels", [(), (1,), (3,)])
def test_the_border_goes_on_beyond_the_frame(channels):
    """Every pixel of a square is the frame's nearest one, wherever the square lies."""
    random = np.random.default_rng(0)
    for _ in range(300):
        height, width, side = (int(value) for value in random.integers(1, 12, 3))
        left, top = (int(value) for value in random.integers(-15, 20, 2))
        frame = random.integers(0, 256, (height, width, *channels)).astype(np.uint8)
        rows = np.clip(np.arange(top, top + side), 0, height - 1)
        columns = np.clip(np.arange(left, left + side), 0, width - 1)

        np.testing.assert_array_equal(cut_square(frame, left, top, side), frame[rows][:, columns])
