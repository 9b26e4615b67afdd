"""Landmarks in the axes of the head, and their mirror image; and the components, which a mirror changes by sign."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from curation.face_networks import LANDMARKER
from models.tracking.components import fit_components, mirror_of
from models.tracking.geometry import (
    ANGLES,
    MIRRORED_ANGLES,
    MIRRORED_SIGNS,
    mirrored_landmarks,
    mirrored_units,
    upright,
)
from rushes.tracking.crop import LEFT_EYE, RIGHT_EYE
from rushes.tracking.face import UNITS
from rushes.tracking.head_pose import canonical_face
from tests.support.tracked_takes import ACROSS, MIRROR_N, OTHER, landmarks_of_units, read_geometry

UNITS_TU = np.random.default_rng(3).uniform(0, 1, (5, len(UNITS)))


def standing(landmarks: np.ndarray) -> np.ndarray:
    """In the axes of the head."""
    return upright(torch.from_numpy(np.array(landmarks, np.float64))).numpy()


@pytest.mark.parametrize("turn", [(0, 0, 0.6), (0, 0.5, 0), (0.4, 0, 0), (0.3, -0.4, 0.8)])
def test_where_a_head_is_and_how_it_is_turned_does_not_matter(turn):
    """Nor its size: the same face in other pixels; another expression is another one."""
    turned = 1.7 * landmarks_of_units(UNITS_TU, turn=turn) + np.array([90.0, -40.0, 12.0])
    level = standing(landmarks_of_units(UNITS_TU))

    np.testing.assert_allclose(standing(turned), level, atol=1e-5)
    assert np.abs(standing(landmarks_of_units(1 - UNITS_TU)) - level).max() > 0.05


def test_the_eyes_are_level_and_one_apart():
    """The middle between them is the origin, the forehead above it: y is down as in a picture."""
    level = standing(landmarks_of_units(UNITS_TU, turn=(0.2, 0.3, -0.5)))

    np.testing.assert_allclose(level[:, RIGHT_EYE], [[-0.5, 0, 0]] * 5, atol=1e-6)
    np.testing.assert_allclose(level[:, LEFT_EYE], [[0.5, 0, 0]] * 5, atol=1e-6)
    assert (level[:, 10, 1] < -0.3).all()


def test_a_frame_without_a_face_is_nothing_but_that():
    """NaN goes through, and touches no other frame."""
    landmarks = landmarks_of_units(UNITS_TU)
    landmarks[2] = np.nan
    level = standing(landmarks)

    assert np.isnan(level[2]).all()
    assert np.isfinite(level[[0, 1, 3, 4]]).all()


def test_landmarks_of_the_other_side_are_found_in_the_canonical_face():
    """Twice mirrored is the same; the irises, which that face lacks, too."""
    found = mirrored_landmarks(canonical_face(read_geometry(LANDMARKER[-1])))

    assert found == MIRROR_N.tolist()
    assert [found[other] for other in found] == list(range(478))


def test_units_and_angles_of_the_other_side():
    """Twice mirrored is the same; those without sides stay."""
    assert mirrored_units() == OTHER
    assert UNITS[mirrored_units()[UNITS.index("jawLeft")]] == "jawRight"
    assert mirrored_units()[UNITS.index("jawOpen")] == UNITS.index("jawOpen")
    angles_a, signs_a = np.arange(1.0, ANGLES + 1), np.array(MIRRORED_SIGNS)
    once_a = signs_a * angles_a[list(MIRRORED_ANGLES)]
    assert once_a.tolist() == [-1, 2, -3, -6, 7, -4, 5]  # yaw and roll turn over, the eyes change places
    assert (signs_a * once_a[list(MIRRORED_ANGLES)]).tolist() == angles_a.tolist()


def small_faces(frames: int = 60) -> np.ndarray:
    """Frames of two takes of twelve landmarks, six pairs, with a face missing in one: T,36."""
    random = np.random.default_rng(4)
    faces_tp = random.normal(0, 1, 36) + random.normal(0, 0.2, (frames, 9)) @ random.normal(0, 1, (9, 36))
    faces_tp[frames // 2 :] += random.normal(0, 0.5, 36)
    faces_tp[5] = np.nan
    return faces_tp


MIRROR = [1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10]
TAKES = [(0, 30), (30, 30)]


def mirrored(landmarks_tp: np.ndarray) -> np.ndarray:
    """The landmarks of a mirrored picture."""
    return (landmarks_tp.reshape(len(landmarks_tp), -1, 3)[:, MIRROR] * ACROSS).reshape(landmarks_tp.shape)


def test_a_mirror_changes_signs_of_components_only():
    """Exactly those that it shall change; some of either kind are there."""
    faces_tp = small_faces()
    found = fit_components(faces_tp, TAKES, MIRROR, 12)
    seen_tp = faces_tp[np.isfinite(faces_tp).all(1)]

    np.testing.assert_allclose(found.of(mirrored(seen_tp)), found.signs_k * found.of(seen_tp), atol=2e-4)
    assert set(found.signs_k.tolist()) == {1.0, -1.0}
    np.testing.assert_allclose(mirrored(found.mean_p[None])[0], found.mean_p, atol=1e-6)
    places, flips = mirror_of(MIRROR)
    np.testing.assert_array_equal(seen_tp[:, places] * flips, mirrored(seen_tp))


def test_components_are_orthonormal_and_the_largest_come_first():
    """By their variance over landmarks and their mirror images."""
    faces_tp = small_faces()
    found = fit_components(faces_tp, TAKES, MIRROR, 12)
    seen_tp = faces_tp[np.isfinite(faces_tp).all(1)]
    both_tk = found.of(np.concatenate([seen_tp, mirrored(seen_tp)]))

    np.testing.assert_allclose(found.vectors_kp @ found.vectors_kp.T, np.eye(12), atol=1e-5)
    assert (np.diff((both_tk**2).mean(0)) < 1e-4).all()
    assert found.vectors_kp.dtype == np.float32


def test_no_more_components_are_kept_than_the_frames_span():
    """Planted: faces that move in one way; all of a face comes back from the components that there are."""
    way_p, amount_t = np.random.default_rng(5).normal(0, 1, 36), np.linspace(-1, 1, 60)
    faces_tp = np.outer(amount_t, way_p)
    found = fit_components(faces_tp, TAKES, MIRROR, 30)
    back_tp = found.of(faces_tp) @ found.vectors_kp * found.std_p + found.mean_p

    assert len(found.signs_k) == len(found.vectors_kp) == 2  # the symmetric and the antisymmetric part of the way
    np.testing.assert_allclose(back_tp, faces_tp, atol=1e-4)
    assert len(fit_components(small_faces(), TAKES, MIRROR, 8).signs_k) == 8


def test_a_coordinate_counts_by_how_it_moves_within_takes():
    """Planted: one landmark that differs between takes and moves in none counts as little as the least may."""
    faces_tp = np.zeros((60, 36))
    faces_tp[:, :3] = np.random.default_rng(6).normal(0, 0.5, (60, 3))
    faces_tp[:30, 12:15] = 9.0
    found = fit_components(faces_tp, TAKES, MIRROR, 12)

    assert found.std_p[12:18] == pytest.approx(1e-3)
    assert (found.std_p[:6] > 0.2).all()
    assert found.std_p[0] == found.std_p[3]  # of the landmark on the other side
