"""Squares beyond the frame, and shrunk ones."""

import cv2
import numpy as np
import pytest

from rushes.faces.crops import cut_square, turn_square


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


@pytest.mark.parametrize("side", [100, 145, 190, 300, 577, 1100])
@pytest.mark.parametrize("roll_deg", [0, 10, -50, 130])
def test_a_shrunk_square_is_the_average_of_the_large_one(side, roll_deg):
    """Also at the corner of the frame, of a picture with details of all sizes: as if moved by less than 0.1 pixels."""
    frame, roll_rad = textured(700, 900), np.radians(roll_deg)
    for x, y in ((450.4, 350.7), (40.0, 30.0)):
        shrunk = turn_square(frame, (x, y), side, roll_rad, min(side, 144))
        large, moved = (turn_square(frame, (at_x, y), side, roll_rad) for at_x in (x, x + side / 48 / 2))
        expected, found, half_off = (
            cv2.resize(square, (48, 48), interpolation=cv2.INTER_AREA).astype(float)
            for square in (large, shrunk, moved)
        )

        assert shrunk.shape == (min(side, 144),) * 2 + (3,)
        assert np.abs(found - expected).mean() < np.abs(half_off - expected).mean() / 6


def textured(height, width):
    """Noise of several sizes, as of film grain, hair and cheeks."""
    random, picture = np.random.default_rng(2), np.zeros((height, width, 3))
    for size, contrast in ((1, 6), (4, 25), (16, 40), (64, 50)):
        noise = random.normal(0, contrast, (-(-height // size), -(-width // size), 3))
        picture += cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.clip(picture + 128, 0, 255).astype(np.uint8)
