"""Descriptors of drawn faces, and rendered heads that leave the picture and come back elsewhere."""

import functools

import cv2
import numpy as np
import pytest

from rushes.tracking.appearance import NEAR_BONUS, SAME, Appearance, Describer
from rushes.tracking.tracker import FaceTracker
from tests.support.filmed_heads import film_head

SIZE_PX, FPS = 240, 10


@pytest.fixture
def drawn(face, pose):
    """Draws a person and describes the face: (person, exposure, pose, ...) -> descriptor."""
    describer = Describer(face)

    def described(
        person=0, exposure=1.0, angles=(0, 0, 0), *, far_cm=80.0, left_cm=0.0, gradient=(0.0, 0.0), contrast=1.0
    ):
        landmarks_px, _ = pose(*angles, at_cm=(-left_cm, 0.0, far_cm))
        # The pattern of a person turns with the head, in its plane, and is lit from one side or from above.
        texture_hw = np.random.default_rng(person).uniform(-1, 1, (8, 8)).astype(np.float32) * contrast
        slope = np.linspace(-1, 1, SIZE_PX, dtype=np.float32)
        slope_hw = slope * gradient[0] + slope[:, None] * gradient[1]
        patch = 100 * exposure * np.exp(cv2.resize(texture_hw, (SIZE_PX, SIZE_PX)) / 2 + slope_hw)
        roll_rad, scale = np.radians(angles[2]), 80 / far_cm
        turn_22 = scale * np.array([[np.cos(roll_rad), np.sin(roll_rad)], [-np.sin(roll_rad), np.cos(roll_rad)]])
        middle_2 = np.array([320 - left_cm / far_cm * 659, 240])
        to_frame_23 = np.column_stack([turn_22, middle_2 - turn_22 @ np.full(2, SIZE_PX / 2)])
        frame_hw = cv2.warpAffine(patch, to_frame_23, (640, 480))
        picture_bgr = np.repeat(frame_hw[..., None], 3, axis=2).clip(0, 255).astype(np.uint8)
        return describer.describe(picture_bgr, landmarks_px.astype(np.float32))

    return described


def apart(one, other):
    """Distance of two descriptors."""
    return np.abs(one - other).sum()


@pytest.mark.parametrize(
    "other",
    [
        {"exposure": 0.5},
        {"exposure": 1.5},
        {"gradient": (0.4, 0)},
        {"gradient": (0, -0.4)},
        {"far_cm": 130.0},
        {"angles": (0, 0, 25)},
    ],
    ids=str,
)
def test_one_person_in_another_view(drawn, other):
    """Exposure, light from a side or above, distance and roll hardly count; another person does."""
    assert apart(drawn(), drawn(**other)) < 0.6 * SAME
    assert apart(drawn(person=1), drawn(**other)) > SAME + NEAR_BONUS


@pytest.mark.parametrize(
    "view",
    [{"angles": (40, 0, 0)}, {"angles": (0, -40, 0)}, {"far_cm": 400.0}, {"left_cm": 37.0}, {"contrast": 0.0}],
    ids=str,
)
def test_a_face_without_a_clear_view_has_no_descriptor(drawn, view):
    """Turned away, small, cut off by the edge of the picture, or uniform."""
    assert drawn(**view) is None


def test_the_mean_of_an_actor_leaves_out_what_is_unlike(drawn):
    """Such as a hand before the face, from the fifth descriptor on; it follows the light of 20 s."""
    appearance = Appearance()
    for number in range(6):
        appearance.learn(drawn(exposure=1 + number / 20), number)
    before = appearance.unlike(drawn())
    appearance.learn(drawn(person=1), 6)

    assert appearance.unlike(drawn()) == before < 0.1
    assert appearance.unlike(None) is None
    assert Appearance().unlike(drawn()) is None


@pytest.fixture
def film(heads):
    """Films persons from left to right, in one of four miens and poses; None is an empty place."""
    miens = (
        ({}, (0, 0, 0)),
        ({"jawOpen": 0.4}, (10, 0, 5)),
        ({"mouthSmileLeft": 0.7, "mouthSmileRight": 0.7}, (-12, 5, 0)),
        ({"browInnerUp": 0.6}, (5, -8, -6)),
    )

    @functools.cache
    def head_bgr(person, mien):
        units, turn_deg = miens[mien]
        return film_head(heads, person, units, (0, 0), turn_deg, SIZE_PX).picture_bgr

    def filmed(persons, mien, exposure):
        empty = np.full((SIZE_PX, SIZE_PX, 3), 90, np.uint8)
        places = [empty if person is None else head_bgr(person, mien) for person in persons]
        return (np.hstack(places) * exposure).clip(0, 255).astype(np.uint8)

    return filmed


@pytest.mark.slow
def test_rendered_heads_are_known_again_at_another_place_and_exposure(film, finder, networks):
    """Both leave, one comes back at the place of the other, then the other one, then a newcomer in their stead."""
    tracker, frames = FaceTracker(finder, networks, actors=3), [0]

    def play(*persons, number, exposure=1.0):
        for _ in range(number):
            frames[0] += 1
            faces = tracker.track(film(persons, frames[0] // 4 % 4, exposure), frames[0] / FPS)
        places = {
            int(face.landmarks_px[:, 0].mean() // SIZE_PX): face.actor for face in faces if face.state == "tracked"
        }
        return [places.get(place) for place in range(len(persons))]

    left, right = play(9, 3, number=16)
    assert {left, right} == {0, 1}
    play(None, None, number=9)
    assert play(3, None, number=4, exposure=0.6) == [right, None]
    assert play(3, 9, number=8, exposure=0.6) == [right, left]
    play(None, None, number=9)
    assert play(1, 3, number=8, exposure=1.2) == [2, right]
