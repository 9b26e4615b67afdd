"""Gaze of drawn eyes."""

import numpy as np
import pytest

from rushes.tracking.gaze import EYES, FRONT_CM, OUT_CM, RADIUS_CM, UP_CM, gaze_deg


def look(landmarks_px, fit, camera, face, yaw_deg, pitch_deg):
    """Draws the irises of eyes that look there."""
    yaw, pitch = np.radians([yaw_deg, pitch_deg])
    toward = np.array([np.sin(yaw) * np.cos(pitch), np.sin(pitch), np.cos(yaw) * np.cos(pitch)])
    for (iris, outer, inner), side in zip(EYES, (1, -1), strict=True):
        middle = (face.vertices_cm[outer] + face.vertices_cm[inner]) / 2
        at_cm = middle + [side * OUT_CM, UP_CM, FRONT_CM] + RADIUS_CM * toward
        # The middle of two pixels is not quite the pixel of the middle: the iris is drawn relative to the corners.
        shift_px = camera.project(fit.place(np.array([at_cm, middle])))
        landmarks_px[iris, :2] = (landmarks_px[outer] + landmarks_px[inner])[:2] / 2 + shift_px[0] - shift_px[1]
    return landmarks_px


@pytest.mark.parametrize("gaze", [(0, 0), (20, 0), (-20, 0), (0, 12), (15, -10)])
@pytest.mark.parametrize("angles", [(0, 0, 0), (25, -10, 15)])
def test_a_known_gaze_is_found(face, camera, pose, gaze, angles):
    """Relative to the head, however it is turned."""
    landmarks_px, fit = pose(*angles)
    found = gaze_deg(look(landmarks_px, fit, camera, face, *gaze), fit, camera, face)

    np.testing.assert_allclose(found, [gaze, gaze], atol=1e-3)


def test_an_iris_outside_of_the_eye_has_a_finite_gaze(face, camera, pose):
    """The line of sight misses the eyeball: the nearest point of it is taken."""
    landmarks_px, fit = pose(0, 0, 0)
    landmarks_px = look(landmarks_px, fit, camera, face, 0, 0)
    landmarks_px[473, 0] += 60
    left, right = gaze_deg(landmarks_px, fit, camera, face)

    assert 60 < left[0] < 120
    assert right[0] == pytest.approx(0, abs=1e-3)
