"""The rasteriser shows the nearest triangle, with perspective-correct attributes."""

import numpy as np
import pytest

from curation.synthetic_faces import rasterise as module
from curation.synthetic_faces.rasterise import NOTHING, compiled, interpolate, rasterise, sample, turn, vertex_normals

LOWER_LEFT = np.array([[0, 0, 5], [8, 8, 5], [0, 8, 5]], np.float32)
TRIANGLE = np.array([[0, 1, 2]], np.int32)


def test_a_triangle_covers_the_pixels_whose_centres_lie_inside():
    """The lower left half of the picture, its diagonal included."""
    surface = rasterise(LOWER_LEFT, TRIANGLE, 8)

    assert (surface.covered_hw == np.tril(np.ones((8, 8), bool))).all()
    assert surface.triangle_hw[0, 7] == NOTHING
    assert np.isinf(surface.depth_hw[0, 7])


@pytest.mark.parametrize("order", [[0, 1], [1, 0]])
def test_the_nearest_triangle_is_seen_whichever_is_drawn_first(order):
    """A small near one covers a large far one."""
    near, far = LOWER_LEFT * [1, 1, 0.5], np.array([[-9, -9, 5], [30, -9, 5], [-9, 30, 5]], np.float32)
    points_n3 = np.concatenate([near, far]).astype(np.float32)
    triangles_m3 = np.array([[0, 1, 2], [3, 4, 5]], np.int32)[order]
    surface = rasterise(points_n3, triangles_m3, 8)

    assert surface.triangle_hw[6, 1] == order.index(0)
    assert surface.triangle_hw[1, 6] == order.index(1)
    assert surface.depth_hw[6, 1] == pytest.approx(2.5)


def test_triangles_that_cross_are_cut_where_they_meet():
    """One grows deeper to the right, the other shallower: each is visible on its side."""
    left = np.array([[-8, -8, 1], [16, 4, 9], [-8, 16, 1]], np.float32)
    right = np.array([[16, -8, 1], [-8, 4, 9], [16, 16, 1]], np.float32)
    triangles_m3 = np.array([[0, 1, 2], [3, 4, 5]], np.int32)
    surface = rasterise(np.concatenate([left, right]), triangles_m3, 8, perspective=False)

    assert (surface.triangle_hw[4] == [0, 0, 0, 0, 1, 1, 1, 1]).all()


def test_attributes_run_as_perspective_has_them():
    """The point midway on the screen between depths 1 and 3 is 3/4 of the way towards the near end."""
    points_n3 = np.array([[0, 0, 1], [8, 0, 3], [8, 8, 3], [0, 8, 1]], np.float32)
    triangles_m3 = np.array([[0, 1, 2], [0, 2, 3]], np.int32)
    surface = rasterise(points_n3, triangles_m3, 8)
    along_hw = interpolate(np.array([[0], [1], [1], [0]], np.float32), triangles_m3, surface).reshape(8, 8)
    share = 3.5 / 8

    assert along_hw[4, 3] == pytest.approx((share / 3) / (share / 3 + (1 - share)), abs=1e-5)
    assert surface.depth_hw[4, 3] == pytest.approx(1 / (share / 3 + (1 - share)), abs=1e-5)


def test_a_surface_that_is_put_behind_gives_way():
    """The nearer triangle loses once its offset exceeds the distance between them."""
    points_n3 = np.concatenate([LOWER_LEFT, LOWER_LEFT + np.float32([0, 0, 0.2])])
    triangles_m3 = np.array([[0, 1, 2], [3, 4, 5]], np.int32)
    surface = rasterise(points_n3, triangles_m3, 8, behind_m=np.array([0.3, 0], np.float32))

    assert set(surface.triangle_hw[surface.covered_hw]) == {1}


def test_what_lies_behind_the_eye_or_has_no_area_is_left_out():
    """No such triangle spills over the picture."""
    behind = LOWER_LEFT * np.float32([1, 1, -1])
    sliver = np.array([[0, 0, 5], [8, 8, 5], [4, 4, 5]], np.float32)

    assert not rasterise(behind, TRIANGLE, 8).covered_hw.any()
    assert not rasterise(sliver, TRIANGLE, 8).covered_hw.any()


def test_a_picture_is_looked_up_between_its_pixels_and_no_farther_than_its_edge():
    """Halfway between two pixels the value is their mean."""
    picture_hw1 = np.array([[[0], [10]], [[20], [30]]], np.float32)
    across_p, down_p = np.array([0.5, 1.0, 1.5, 9], np.float32), np.array([0.5, 0.5, 1.0, 9], np.float32)

    assert sample(picture_hw1, across_p, down_p)[0].tolist() == [0, 5, 20, 30]


def test_normals_stand_upright_on_a_plane():
    """A vertex that no triangle uses gets none."""
    points_n3 = np.array([[0, 0, 2], [1, 0, 2], [0, 1, 2], [5, 5, 5]], np.float32)

    assert vertex_normals(points_n3, TRIANGLE).tolist() == [[0, 0, 1]] * 3 + [[0, 0, 0]]


def test_turning_points_is_a_product_of_matrices():
    """The results differ only by the order of summation."""
    rng = np.random.default_rng(0)
    points_n3, matrix_33 = rng.random((5, 3), np.float32), rng.random((3, 3), np.float32)

    assert np.allclose(turn(points_n3, matrix_33), points_n3 @ matrix_33.T)


def test_kernels_compile_where_no_folder_can_be_written(monkeypatch):
    """Without a cache on disk, the code is compiled in memory."""
    njit = module.numba.njit

    def refuses(**options):
        if options.pop("cache", False):
            message = "cannot cache function: no locator available"
            raise RuntimeError(message)
        return njit(**options)

    monkeypatch.setattr(module.numba, "njit", refuses)

    assert compiled(lambda x: x + 1)(2) == 3
