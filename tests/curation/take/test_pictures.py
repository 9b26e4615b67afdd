"""The pictures of a take show the frames that `pictured_frames` names, so that a report can pose a head as they do."""

import numpy as np
import pytest

from curation.store.take_fields import pictured_frames
from curation.take.tracking import _Pictures
from rushes.media.film import FilmFrame
from tests.support.face_streams import made_up_face


def test_pictures_of_a_take_are_one_from_each_sixth():
    """The frame with a face that is nearest to the middle; None where the film ends before it."""
    has_face_t = np.ones(24, bool)
    has_face_t[[1, 2, 5, 6]] = False

    assert pictured_frames(has_face_t, 24) == [3, 7, 10, 14, 18, 22]
    assert pictured_frames(np.ones(12, bool), 24) == [2, 6, 10, None, None, None]
    assert pictured_frames(np.zeros(0, bool), 24) == [None] * 6


@pytest.mark.parametrize("seed", range(8))
def test_the_pictures_show_these_frames(seed):
    """Each frame has a grey of its own, and more or fewer are decoded than the file names."""
    random = np.random.default_rng(seed)
    decoded, named = random.integers(1, 60, 2)
    has_face_t = random.random(decoded) < 0.5
    pictures = _Pictures(int(named))
    for number, has_face in enumerate(has_face_t):
        grey_bgr = np.full((32, 32, 3), number + 1, np.uint8)
        pictures.put(FilmFrame(number, number / 25, grey_bgr), made_up_face() if has_face else None)
    greys = pictures.pictures_nhwc.reshape(6, -1)

    assert (greys.min(1) == greys.max(1)).all()
    shown = [int(grey) - 1 if grey else None for grey in greys[:, 0]]
    assert shown == pictured_frames(has_face_t, int(named))
