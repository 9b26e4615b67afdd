import cv2
import numpy as np
import pytest

from rushes.errors import RushesError
from rushes.faces.detector import FULL_RANGE, SHORT_RANGE, BlazeFace, anchors_xy, letterbox, merge


def _candidate(score, x, y, w, h):
    return [score, x, y, w, h, *[x, y] * 6]


class FakeNet:
    """A network that responds for one anchor: a face of 64 px around the middle of the bright pixels."""

    def run(self, given_nhwc):
        """Outputs of BlazeFace: 896 boxes and their logits; a face where 200 pixels are bright."""
        rows, columns = np.nonzero(given_nhwc[0].mean(axis=-1) > 0.5)
        boxes, logits = np.zeros((896, 16), np.float32), np.full(896, -100, np.float32)
        if len(rows) >= 200:
            middle_px = np.array([columns.mean() + 0.5, rows.mean() + 0.5])
            logits[600] = 3
            boxes[600] = np.tile(middle_px - anchors_xy(SHORT_RANGE)[600] * SHORT_RANGE.input_px, 8)
            boxes[600, 2:4] = 64
        return dict(zip(SHORT_RANGE.outputs, (boxes.ravel(), logits), strict=True))


@pytest.fixture
def detector(monkeypatch):
    """BlazeFace with that network."""
    monkeypatch.setattr("rushes.faces.detector._load", lambda *_: FakeNet())
    return BlazeFace("model.tflite")


def test_anchors_are_mediapipes():
    """16x16 cells of two, then 8x8 of six; row by row, each at the middle of its cell."""
    anchors = anchors_xy(SHORT_RANGE)

    assert anchors.shape == (896, 2)
    np.testing.assert_allclose(anchors[[0, 1, 2, 32]] * 16, [(0.5, 0.5), (0.5, 0.5), (1.5, 0.5), (0.5, 1.5)])
    np.testing.assert_allclose(anchors[[512, 517, 518, 895]] * 8, [(0.5, 0.5), (0.5, 0.5), (1.5, 0.5), (7.5, 7.5)])


@pytest.mark.parametrize(("width", "height"), [(1280, 720), (333, 1001), (128, 128), (50, 40)])
def test_letterbox_can_be_inverted(width, height):
    """A bright spot is found again at its place in the frame, within the letterbox's own pixel."""
    frame = np.zeros((height, width, 3), np.uint8)
    x, y, size = width // 2, height // 4, max(width, height) // 16
    frame[y : y + size, x : x + size] = 255
    square, scale, margin = letterbox(frame, SHORT_RANGE.input_px)
    rows, columns = np.nonzero(square[..., 0] > 127)
    found = (np.array([columns.mean(), rows.mean()]) + 0.5 - margin) / scale

    assert square.shape == (SHORT_RANGE.input_px, SHORT_RANGE.input_px, 3)
    np.testing.assert_allclose(found, np.array([x, y]) + size / 2, atol=max(width, height) / SHORT_RANGE.input_px)


@pytest.mark.parametrize("side", [576, 577, 1079, 1500])
def test_a_picture_is_shrunk_by_area(side):
    """Halved first or not: noise is averaged, a gradient stays within a level, and nothing is shifted."""
    noise_bgr = np.random.default_rng(0).integers(0, 256, (side, side, 3)).astype(np.uint8)
    ramp_bgr = np.broadcast_to((np.arange(side) * 255 // side)[None, :, None], (side, side, 3)).astype(np.uint8)
    (noise, _, _), (ramp, _, _) = (letterbox(picture, FULL_RANGE.input_px) for picture in (noise_bgr, ramp_bgr))
    exact = cv2.resize(ramp_bgr, (FULL_RANGE.input_px,) * 2, interpolation=cv2.INTER_AREA)

    assert noise.std() < 1.2 * noise_bgr.std() * FULL_RANGE.input_px / side
    assert np.abs(ramp.astype(int) - exact).max() <= 1


def test_a_face_comes_back_in_pixels_of_the_frame(detector):
    """Anchor, scale, margin and offset of the square are undone for box and key points."""
    part = np.zeros((720, 1280, 3), np.uint8)
    part[400:600, 900:1100] = 255
    [row] = detector.look(part, 30, 20, 0.5)

    np.testing.assert_allclose(row[1:5], (1030, 520, 640, 640), atol=8)
    np.testing.assert_allclose(row[5:].reshape(6, 2), np.tile((1030, 520), (6, 1)), atol=8)
    assert row[0] == pytest.approx(1 / (1 + np.exp(-3)))


def test_an_empty_frame_has_no_face(detector):
    """In any shape of frame without a bright area."""
    for size in ((72, 128), (500, 500), (1, 300)):
        assert not len(detector.look(np.zeros((*size, 3), np.uint8), 0, 0, 0.5))


def test_full_range_anchors_are_mediapipes():
    """48x48 cells of one, row by row."""
    anchors = anchors_xy(FULL_RANGE)

    assert anchors.shape == (2304, 2)
    np.testing.assert_allclose(anchors[[0, 1, 48]] * 48, [(0.5, 0.5), (1.5, 0.5), (0.5, 1.5)])


def test_merge_weighs_by_score():
    """Two boxes on one face become their weighted mean with the better score; a third face stays as it is."""
    places = ((0.6, 56), (0.9, 50), (0.7, 300))
    rows = np.array([_candidate(score, x, 50, 40, 40) for score, x in places])
    first, second = merge(rows)

    assert first[0] == pytest.approx(0.9)
    assert first[1] == pytest.approx((0.9 * 50 + 0.6 * 56) / 1.5)
    assert list(second) == list(rows[2])


def test_a_file_of_another_kind_is_refused(tmp_path):
    """The error names the file that cannot be read."""
    (tmp_path / "detector.tflite").write_bytes(b"no network")

    with pytest.raises(RushesError, match=r"detector\.tflite is not a network"):
        BlazeFace(tmp_path / "detector.tflite")
