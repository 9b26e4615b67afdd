import numpy as np
import pytest

from rushes.detector import INPUT_PX, BlazeFace, anchors_xy, letterbox, merge, squares
from rushes.errors import RushesError


def _candidate(score, x, y, w, h):
    return [score, x, y, w, h, *[x, y] * 6]


class FakeNet:
    """A network that answers for one anchor: a face of 64 px around the middle of the bright pixels it is shown."""

    def setInput(self, blob_nchw):  # noqa: N802  # cv2's name
        """Looks for 200 bright pixels."""
        rows, columns = np.nonzero(blob_nchw[0].mean(axis=0) > 0.5)
        self.middle_px = None if len(rows) < 200 else (columns.mean() + 0.5, rows.mean() + 0.5)

    def forward(self, _):
        """What BlazeFace gives: 896 boxes and their logits."""
        boxes, logits = np.zeros((1, 896, 16), np.float32), np.full((1, 896, 1), -100, np.float32)
        if self.middle_px:
            logits[0, 600] = 3
            boxes[0, 600] = np.tile(np.array(self.middle_px) - anchors_xy()[600] * INPUT_PX, 8)
            boxes[0, 600, 2:4] = 64
        return boxes, logits


@pytest.fixture
def detector(monkeypatch):
    """BlazeFace with that network."""
    monkeypatch.setattr("rushes.detector._load", lambda _: FakeNet())
    return BlazeFace("model.tflite")


def test_anchors_are_mediapipes():
    """16x16 cells of two, then 8x8 of six; row by row, each at the middle of its cell."""
    anchors = anchors_xy()

    assert anchors.shape == (896, 2)
    np.testing.assert_allclose(anchors[[0, 1, 2, 32]] * 16, [(0.5, 0.5), (0.5, 0.5), (1.5, 0.5), (0.5, 1.5)])
    np.testing.assert_allclose(anchors[[512, 517, 518, 895]] * 8, [(0.5, 0.5), (0.5, 0.5), (1.5, 0.5), (7.5, 7.5)])


@pytest.mark.parametrize(("width", "height"), [(1280, 720), (333, 1001), (128, 128), (50, 40)])
def test_letterbox_says_how_to_go_back(width, height):
    """A bright spot is found again at its place in the frame, within the letterbox's own pixel."""
    frame = np.zeros((height, width, 3), np.uint8)
    x, y, size = width // 2, height // 4, max(width, height) // 16
    frame[y : y + size, x : x + size] = 255
    square, scale, margin = letterbox(frame)
    rows, columns = np.nonzero(square[..., 0] > 127)
    found = (np.array([columns.mean(), rows.mean()]) + 0.5 - margin) / scale

    assert square.shape == (INPUT_PX, INPUT_PX, 3)
    np.testing.assert_allclose(found, np.array([x, y]) + size / 2, atol=max(width, height) / INPUT_PX)


def test_a_face_comes_back_in_pixels_of_the_frame(detector):
    """Box and key points are undone from anchor, scale and margin."""
    frame = np.zeros((720, 1280, 3), np.uint8)
    frame[400:600, 900:1100] = 255
    [face] = detector.detect(frame)

    np.testing.assert_allclose(face.box_xywh_px, (1000 - 320, 500 - 320, 640, 640), atol=8)
    np.testing.assert_allclose(face.keypoints_px, np.tile((1000, 500), (6, 1)), atol=8)
    assert face.score == pytest.approx(1 / (1 + np.exp(-3)))


def test_a_small_face_is_looked_for_closer(detector):
    """What the whole frame is too coarse for is found in a square of it."""
    frame = np.zeros((720, 1280, 3), np.uint8)
    frame[500:600, 100:200] = 255  # 100 bright cells of the network in the whole frame, 316 in a square
    [face] = detector.detect(frame)

    np.testing.assert_allclose(np.mean(face.keypoints_px, axis=0), (150, 550), atol=8)
    assert face.box_xywh_px[2] == pytest.approx(360, abs=1)


def test_an_empty_frame_has_no_face(detector):
    """Nothing bright, nothing found, in any shape of frame."""
    for size in ((72, 128), (500, 500), (1, 300)):
        assert detector.detect(np.zeros((*size, 3), np.uint8)) == []


@pytest.mark.parametrize(("width", "height"), [(1280, 720), (720, 1280), (640, 480), (600, 600), (3000, 100)])
def test_squares_cover_the_frame(width, height):
    """Every pixel lies in a square, and the squares lie in the frame."""
    seen = np.zeros((height, width), bool)
    for x, y, side in squares(width, height):
        seen[y : y + side, x : x + side] = True

        assert x >= 0
        assert y >= 0
        assert x + side <= width
        assert y + side <= height
    assert seen.all()


def test_merge_weighs_by_score():
    """Two boxes on one face become their weighted mean with the better score; a third face stays as it is."""
    places = ((0.6, 56), (0.9, 50), (0.7, 300))
    rows = np.array([_candidate(score, x, 50, 40, 40) for score, x in places])
    first, second = merge(rows)

    assert first[0] == pytest.approx(0.9)
    assert first[1] == pytest.approx((0.9 * 50 + 0.6 * 56) / 1.5)
    assert list(second) == list(rows[2])


def test_what_is_no_network_is_refused(tmp_path):
    """A file that OpenCV cannot read names itself."""
    (tmp_path / "detector.tflite").write_bytes(b"no network")

    with pytest.raises(RushesError, match=r"detector\.tflite is no network"):
        BlazeFace(tmp_path / "detector.tflite")
