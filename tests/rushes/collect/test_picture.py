import cv2
import numpy as np
import pytest

from curation.image.crop import fit
from rushes.collect.picture import centre_of, picture_of
from rushes.expression.classifier import Crop, FaceExpression, crop_face

CROP = Crop()


@pytest.fixture
def frame():
    """A frame with smooth detail everywhere."""
    noise = np.random.default_rng(0).integers(0, 256, (400, 500, 3), np.uint8)
    return cv2.normalize(cv2.GaussianBlur(noise, (0, 0), 4), None, 0, 255, cv2.NORM_MINMAX)


def face(*box, roll_deg=0.0, crop=CROP):
    return FaceExpression(box, 0.9, ("sad", "happy"), (0.5, 0.5), roll_rad=float(np.radians(roll_deg)), crop=crop)


@pytest.mark.parametrize("roll_deg", [0, 1, 15, -30])
def test_training_takes_what_the_network_saw(frame, roll_deg):
    """The centre square of the picture is the crop at runtime, upright; the room lies above and below it."""
    box = (200.0, 150.0, 100.0, 100.0)
    picture = picture_of(frame, face(*box, roll_deg=roll_deg))
    seen = crop_face(frame, box, CROP, np.radians(roll_deg))

    assert picture.shape == (117 + 2 * 29, 117, 3)
    assert np.abs(fit(picture, 48).astype(int) - fit(seen, 48)).mean() < 4
    assert np.array_equal(centre_of(picture), picture[29:-29])


def test_the_crop_is_that_of_the_network_that_read_the_face(frame):
    """A capture that follows a registry may get one with another crop."""
    picture = picture_of(frame, face(200.0, 150.0, 100.0, 100.0, crop=Crop(scale=1.5, shift_y=0.1)))

    assert np.array_equal(centre_of(picture), frame[135:285, 175:325])


def test_the_room_ends_with_the_frame(frame):
    """On both sides alike, so that the square stays in the middle; nothing is repeated."""
    picture = picture_of(frame, face(200.0, 40.0, 100.0, 100.0))

    assert picture.shape == (159, 117, 3)
    assert np.array_equal(picture, frame[:159, 191:308])


@pytest.mark.parametrize("box", [(200, 150, 40, 40), (-5, 150, 100, 100), (430, 150, 100, 100), (200, 330, 100, 100)])
def test_a_face_that_is_small_or_cut_off_is_not_taken(frame, box):
    """It would show less than the network wants."""
    assert picture_of(frame, face(*map(float, box))) is None
