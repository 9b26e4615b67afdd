"""The real detector."""

import numpy as np
import pytest

from rushes.expression.classifier import Crop, crop_face
from rushes.faces.detector import BlazeFace
from rushes.faces.face_search import FaceFinder
from tests.support.runtime import put_head

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def blazeface(blazeface_file):
    """The short range alone, as in bundles that predate the full range."""
    return FaceFinder(BlazeFace(blazeface_file))


def _frame(width=1280, height=720):
    return np.full((height, width, 3), (150, 140, 130), np.uint8)


@pytest.mark.parametrize(("x", "y", "size_px"), [(600, 100, 500), (0, 400, 300), (900, 350, 180)])
def test_it_finds_a_head_where_it_is(blazeface, x, y, size_px):
    """Eyes and mouth are within a tenth of the head; a small one is found in a square of the frame."""
    [face] = blazeface.detect(put_head(_frame(), x, y, size_px))
    expected = np.array([(0.36, 0.5), (0.64, 0.5), (0.5, 0.78)]) * size_px + (x, y)

    np.testing.assert_allclose(face.keypoints_px[[0, 1, 3]], expected, atol=0.1 * size_px)
    assert face.score > 0.5


def test_it_finds_two_heads_the_larger_first(blazeface):
    """Each face once."""
    first, second = blazeface.detect(put_head(put_head(_frame(), 100, 100, 350), 700, 200, 420))

    assert first.box_xywh_px[0] > 640 > second.box_xywh_px[0]
    assert first.box_xywh_px[2] > second.box_xywh_px[2]


def test_it_finds_nothing_where_nothing_is(blazeface):
    """Neither in an empty frame nor in noise."""
    noise = np.random.default_rng(0).integers(0, 256, (720, 1280, 3), np.uint8)

    assert blazeface.detect(_frame()) == []
    assert blazeface.detect(noise) == []


@pytest.mark.parametrize("size", [(1, 1), (3, 900), (64, 48), (4000, 3000)])
def test_any_size_of_frame(blazeface, size):
    """Slivers and stills are accepted."""
    assert blazeface.detect(_frame(*size)) == []


def test_the_default_crop_holds_the_face(blazeface):
    """From the forehead to the chin: the eyes above the middle, the mouth in the lower part, both centred."""
    [face] = blazeface.detect(put_head(_frame(), 500, 100, 400))
    x, y, w, h = face.box_xywh_px
    crop = Crop()
    side, top = w * crop.scale, y + h / 2 + h * crop.shift_y - w * crop.scale / 2
    eyes, mouth = face.keypoints_px[:2].mean(axis=0), face.keypoints_px[3]

    assert crop_face(_frame(), face.box_xywh_px, crop).shape[0] == round(side)
    assert 0.3 < (eyes[1] - top) / side < 0.48
    assert 0.68 < (mouth[1] - top) / side < 0.88
    assert abs(eyes[0] - (x + w / 2)) / side < 0.1
