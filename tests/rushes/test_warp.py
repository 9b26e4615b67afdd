"""Turned squares of pictures, against OpenCV's warp of the whole picture."""

import cv2
import numpy as np
import pytest

from rushes.warp import FOURTH_SHARE, sample_square


@pytest.mark.parametrize("kind", [np.uint8, np.float32])
def test_a_square_is_what_a_warp_of_the_whole_picture_gives(kind):
    """Wherever it lies, of any size and rotation; one pixel in 3,000 may differ, as OpenCV rounds coordinates."""
    random, apart = np.random.default_rng(0), []
    for _ in range(300):
        height, width, size_px = (int(value) for value in random.integers(1, 90, 3))
        picture = random.integers(0, 256, (height, width, 3)).astype(kind)
        middle, side_px = random.uniform(-100, 200, 2), float(np.exp(random.uniform(0, 7)))
        roll_rad = random.uniform(-np.pi, np.pi)
        cos, sin = (side_px / size_px * turn(roll_rad) for turn in (np.cos, np.sin))
        turn_22 = np.array([[cos, -sin], [sin, cos]])
        matrix_23 = np.column_stack([turn_22, middle - 0.5 - turn_22 @ np.full(2, (size_px - 1) / 2)])
        expected = cv2.warpAffine(
            picture,
            matrix_23,
            (size_px, size_px),
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REPLICATE,
        )
        found = sample_square(picture, tuple(middle), side_px, roll_rad, size_px)

        assert (found.shape, found.dtype) == ((size_px, size_px, 3), np.dtype(kind))
        apart.append(np.abs(found.astype(float) - expected).ravel())
    apart = np.concatenate(apart)
    assert apart.max() <= 1
    assert (apart > 0.1).mean() < 1 / 3000


@pytest.mark.parametrize("scale", [0.5, 2, 8])
def test_large_and_small_parts_are_the_same(scale, monkeypatch):
    """With a fourth channel and without."""
    picture = np.random.default_rng(1).integers(0, 256, (400, 500, 3), np.uint8)
    squares = []
    for share in (0, FOURTH_SHARE, 1e9):
        monkeypatch.setattr("rushes.warp.FOURTH_SHARE", share)
        squares.append(sample_square(picture, (250.3, 190.8), 40 * scale, 0.3, 40).astype(int))

    assert max(np.abs(square - squares[0]).max() for square in squares) <= 1


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e300])
def test_a_square_nowhere(value):
    """Landmarks without meaning give some square, and no failure."""
    picture = np.zeros((20, 30, 3), np.uint8)

    assert sample_square(picture, (value, 5.0), 10.0, 0.1, 8).shape == (8, 8, 3)
    assert sample_square(picture, (5.0, 5.0), abs(value), 0.1, 8).shape == (8, 8, 3)
