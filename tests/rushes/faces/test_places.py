"""Parts of a frame: what they cover, and in which order they are searched."""

from itertools import product

import numpy as np
import pytest

from rushes.faces.places import AROUND_SIDES, square_around, squares, tiles, with_tiles

SMALL = [(1280, 720), (720, 1280), (640, 480), (600, 600), (3000, 100)]
LARGE = [(1920, 1080), (1080, 1920), (1280, 960), (3840, 2160), (1441, 1079)]


@pytest.mark.parametrize(("width", "height"), SMALL)
@pytest.mark.parametrize("share", [1.0, 0.5])
def test_squares_cover_the_frame(width, height, share):
    """Every pixel lies in a square, and the squares begin in the frame."""
    seen = np.zeros((height, width), bool)
    for x, y, side in squares(width, height, share):
        seen[y : y + side, x : x + side] = True

        assert 0 <= x < width
        assert 0 <= y < height
    assert seen.all()


@pytest.mark.parametrize(("width", "height"), LARGE)
def test_a_face_of_40_pixels_is_whole_in_a_tile(width, height):
    """And is 7 % of its height or more, wherever it is; no tile leaves the frame."""
    places = tiles(width, height)
    assert all(0 <= x <= width - side and 0 <= y <= height - side for x, y, side in places)
    for left, top in product(range(0, width - 40, 7), range(0, height - 40, 7)):
        sides = [s for x, y, s in places if x <= left and y <= top and left + 40 <= x + s and top + 40 <= y + s]

        assert sides, (left, top)
        assert 40 / min(sides) >= 0.069


@pytest.mark.parametrize(("width", "height"), [*SMALL, *LARGE])
def test_all_squares_and_tiles_are_searched_in_turn(width, height):
    """Squares as often as all tiles take; a frame of up to 720 pixels has no tiles."""
    large, small = squares(width, height), tiles(width, height)
    turns = with_tiles(large, width, height)

    assert bool(small) == (min(width, height) > 720)
    assert set(turns) == {*large, *small}
    assert [turns.count(tile) for tile in small] == [1] * len(small)
    assert len(turns) <= 1.5 * len(small) + len(large)


@pytest.mark.parametrize("middle_px", [(500.0, 400.0), (3.0, 700.0), (1279.0, -5.0)])
def test_the_square_around_a_face_stays_in_the_frame(middle_px):
    """It is the whole frame for a face of over a fifth of its height, which is seen in it."""
    x, y, side = square_around(1280, 720, middle_px, 40)

    assert side == 40 * AROUND_SIDES
    assert 0 <= x <= 1280 - side
    assert 0 <= y <= 720 - side
    assert abs(x + side / 2 - middle_px[0]) <= side / 2 + 5
    assert square_around(1280, 720, middle_px, 145) is None
