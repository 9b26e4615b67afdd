"""The square around a face, and the way back to the frame."""

import numpy as np
import pytest

from rushes.faces.detector import Face
from rushes.tracking.crop import SCALE, FaceSquare, square_of_detection, square_of_landmarks


def ramps(height, width):
    """A picture whose first two channels are the x and y of each pixel's centre, in float32."""
    y_hw, x_hw = np.mgrid[:height, :width].astype(np.float32) + np.float32(0.5)
    return np.dstack([x_hw, y_hw, x_hw])


@pytest.mark.parametrize("roll_deg", [0, 17, -80, 180])
@pytest.mark.parametrize("side_px", [40.0, 137.5])
def test_a_pixel_shows_the_point_that_it_maps_to(roll_deg, side_px):
    """A picture of its own coordinates: sampled values are the mapped coordinates."""
    square, size = FaceSquare((150.3, 120.8), side_px, np.radians(roll_deg)), 16
    y_n, x_n = np.mgrid[:size, :size].reshape(2, -1) + 0.5
    mapped_n3 = square.to_frame(np.column_stack([x_n, y_n, np.full(size**2, 8.0)]), size)
    sampled_n3 = square.cut(ramps(240, 320), size).reshape(-1, 3)

    np.testing.assert_allclose(sampled_n3[:, :2], mapped_n3[:, :2], atol=0.05)  # OpenCV's weights have 5 bits
    np.testing.assert_allclose(mapped_n3[:, 2], 8 * side_px / size)


def test_the_border_goes_on_beyond_the_frame():
    """A square outside shows the nearest pixel."""
    square = FaceSquare((-30.0, 20.0), 20.0, 0.0)

    np.testing.assert_allclose(square.cut(ramps(40, 60), 8)[..., 0], 0.5)


def test_the_square_of_landmarks_follows_a_turned_face():
    """It turns, moves and grows with the points, and the head is upright in it."""
    points_n3 = np.random.default_rng(0).uniform(-50, 50, (478, 3))
    points_n3[33, :2], points_n3[263, :2] = (-30, 0), (30, 0)
    before = square_of_landmarks(points_n3)
    turn = FaceSquare((200.0, 100.0), 2.0, 0.4)  # sampled at its own size: it turns and moves only
    after = square_of_landmarks(turn.to_frame(points_n3, 2))

    assert after.roll_rad == pytest.approx(before.roll_rad + 0.4)
    assert after.side_px == pytest.approx(before.side_px)
    np.testing.assert_allclose(after.middle_px, turn.to_frame(np.array([[*before.middle_px, 0]]), 2)[0, :2])


def test_the_square_of_a_detection():
    """1.5 times the box, leaning as the eyes."""
    eyes = np.array([[10.0, 30.0], [30.0, 50.0]])
    square = square_of_detection(Face((0.0, 20.0, 40.0, 50.0), 0.9, np.concatenate([eyes, np.zeros((4, 2))])))

    assert square == FaceSquare((20.0, 45.0), SCALE * 50, pytest.approx(np.pi / 4))


@pytest.mark.parametrize(("apart_px", "same"), [(0, True), (40, True), (60, False)])
def test_faces_side_by_side_are_two(apart_px, same):
    """Squares of 150 px are around faces of 100 px."""
    assert FaceSquare((0.0, 0.0), 150.0, 0.0).is_same_face(FaceSquare((apart_px, 0.0), 140.0, 1.0)) == same
