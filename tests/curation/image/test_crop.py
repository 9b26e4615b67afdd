"""The cropped square: the centre, or the area with most edges; never stretched."""

import cv2
import numpy as np
import pytest

from curation.image.crop import fit, offsets
from tests.support.raw import photo


def with_detail(width, height, left, top, side=60):
    picture = np.full((height, width, 3), 120, np.uint8)
    picture[top : top + side, left : left + side] = photo(1, side)[..., None]
    return picture


@pytest.mark.parametrize(
    ("picture", "low", "high"),
    [(with_detail(300, 100, 220, 20), (0, 160), (0, 200)), (with_detail(100, 300, 20, 10), (0, 0), (30, 0))],
)
def test_attention_goes_where_the_edges_are(picture, low, high):
    """Along the longer side, wide or high; the centre crop ignores them."""
    top, left = offsets(picture, "attention")

    assert low[0] <= top <= high[0]
    assert low[1] <= left <= high[1]
    assert offsets(picture, "centre") in {(0, 100), (100, 0)}


def test_where_nothing_stands_out_it_is_the_centre():
    """A plain sky, and the same picture twice, give the same square."""
    assert offsets(np.full((100, 300, 3), 90, np.uint8), "attention") == (0, 100)
    assert offsets(photo(3, 90)[:, :60], "attention") == offsets(photo(3, 90)[:, :60], "attention")


@pytest.mark.parametrize(("width", "height"), [(301, 99), (99, 301), (64, 64), (33, 32)])
@pytest.mark.parametrize("crop", ["centre", "attention"])
def test_a_circle_stays_round(width, height, crop):
    """In odd sizes too."""
    picture = np.zeros((height, width, 3), np.uint8)
    cv2.circle(picture, (width // 2, height // 2), min(width, height) // 3, (255, 255, 255), -1)
    square_hw = fit(picture, 32, crop)[..., 0] > 127

    assert abs(int(square_hw.any(0).sum()) - int(square_hw.any(1).sum())) <= 1
