import cv2
import numpy as np
import pytest

from rushes.bundle.manifest import BundleError, read_bundle
from rushes.expression.classifier import Crop, FaceClassifier, classify_faces, crop_face, face_squares, fit_picture
from rushes.faces.detector import Face, roll_of
from tests.support.runtime import LABELS, SIZE_PX, write_bundle, write_graph

PLAIN = Crop(scale=1, shift_y=0)


def _coordinates(height, width):
    """A picture whose pixels encode their place: blue is x, green is y."""
    y, x = np.mgrid[0:height, 0:width].astype(np.uint8)
    return np.stack([x, y, np.zeros_like(x)], axis=2)


def test_crop_cuts_the_square():
    """The box itself with a plain crop; a wide box becomes a square around its middle."""
    frame = _coordinates(100, 120)

    assert np.array_equal(crop_face(frame, (20, 30, 40, 40), PLAIN), frame[30:70, 20:60])
    assert np.array_equal(crop_face(frame, (20, 40, 40, 20), PLAIN), frame[30:70, 20:60])


def test_crop_scales_and_shifts():
    """`scale` is in sides of the box, `shift_y` downwards, around the box's middle."""
    frame = _coordinates(200, 200)
    square = crop_face(frame, (80, 80, 40, 40), Crop(scale=1.5, shift_y=-0.1))

    assert square.shape == (60, 60, 3)
    assert tuple(square[0, 0, :2]) == (100 - 30, 100 - 4 - 30)


@pytest.mark.parametrize(
    "box", [(-10, -10, 40, 40), (100, 80, 60, 60), (500, 500, 20, 20), (-300, 3, 9, 9), (5, 5, 1, 1)]
)
def test_crop_goes_on_beyond_the_frame(box):
    """A face at the edge, or a box outside, still gives a square; the border pixels are repeated."""
    frame = _coordinates(100, 120)
    square = crop_face(frame, box, PLAIN)
    x, y = np.clip(round(box[0]), 0, 119), np.clip(round(box[1]), 0, 99)

    assert square.shape[0] == square.shape[1] == max(1, box[2])
    assert tuple(square[0, 0, :2]) == (x, y)


@pytest.mark.parametrize("roll_deg", [-90, -30, 10, 30, 45])
def test_a_leaning_head_is_cut_upright(roll_deg):
    """The square turns with the head, about the middle of its box, and equals the crop of the upright head."""
    noise = np.random.default_rng(0).integers(0, 256, (200, 200, 3), np.uint8)
    upright = cv2.normalize(cv2.GaussianBlur(noise, (0, 0), 4), None, 0, 255, cv2.NORM_MINMAX)
    # Pixels are counted from their middles: the middle of the box is at 99.5.
    turned = cv2.warpAffine(upright, cv2.getRotationMatrix2D((99.5, 99.5), -roll_deg, 1), (200, 200))
    crop, box = Crop(scale=1.2, shift_y=-0.1), (70, 70, 60, 60)
    expected = crop_face(upright, box, crop).astype(float)
    found = crop_face(turned, box, crop, np.radians(roll_deg))

    assert np.abs(found - expected).mean() < 3
    assert np.abs(crop_face(turned, box, crop) - expected).mean() > 4


@pytest.mark.parametrize("roll_deg", [0, 20])
def test_a_large_face_is_read_from_a_shrunk_crop(classifier, monkeypatch, roll_deg):
    """Three pixels for each of the network's, with the same averages; small faces and training crops are unscaled."""
    noise = np.random.default_rng(0).integers(0, 256, (700, 700, 3), np.uint8)
    frame = cv2.normalize(cv2.GaussianBlur(noise, (0, 0), 3), None, 0, 255, cv2.NORM_MINMAX)
    eyes = np.array([[0, 0], [np.cos(np.radians(roll_deg)), np.sin(np.radians(roll_deg))]]) * 100
    faces = [Face((200.3, 210.8, side, side), 0.9, np.vstack([eyes, np.zeros((4, 2))])) for side in (300.0, 90.0)]
    read = []
    monkeypatch.setattr(classifier, "classify", lambda squares: read.extend(squares) or np.eye(2, 3))
    classify_faces(frame, faces, classifier)
    (large, small), (shrunk, unscaled) = face_squares(frame, faces, classifier.crop), read
    apart = fit_picture(large, SIZE_PX, 1).astype(float) - fit_picture(shrunk, SIZE_PX, 1)

    assert shrunk.shape == (3 * SIZE_PX, 3 * SIZE_PX, 3)
    assert np.abs(apart).mean() < 1
    assert large.shape == (351, 351, 3)
    assert np.array_equal(unscaled, small)


def test_a_photograph_is_read_mirrored_too(classifier, monkeypatch):
    """The mean of both, for each face; a frame of a film is read once."""
    frame = np.random.default_rng(0).integers(0, 256, (200, 200, 3), np.uint8)
    level = np.array([[0, 0], [100, 0], [0, 0], [0, 0], [0, 0], [0, 0]], float)
    faces = [Face((left, 60.0, 60.0, 60.0), 0.9, level) for left in (20.0, 110.0)]
    squares = face_squares(frame, faces, classifier.crop, size_px=SIZE_PX)
    read = lambda given: np.array([[one[:, 0].mean(), one[:, -1].mean(), 0.0] for one in given])  # noqa: E731
    monkeypatch.setattr(classifier, "classify", read)
    once, both = (classify_faces(frame, faces, classifier, mirrored=mirrored) for mirrored in (False, True))

    np.testing.assert_allclose([face.probabilities for face in once], read(squares))
    for face, square in zip(both, squares, strict=True):
        edges = (square[:, 0].mean() + square[:, -1].mean()) / 2
        assert face.probabilities == pytest.approx((edges, edges, 0.0))


@pytest.mark.parametrize(("left_eye", "roll_deg"), [((60, 40), 0), ((57, 50), 30), ((45, 20), -76), ((42, 44), 0)])
def test_roll_is_that_of_the_eyes(left_eye, roll_deg):
    """Positive is clockwise; the eyes of a profile give no roll."""
    points = np.array([(40, 40), left_eye, (50, 55), (50, 70), (20, 45), (80, 45)], float)

    assert np.degrees(roll_of(Face((20, 20, 60, 60), 0.9, points))) == pytest.approx(roll_deg, abs=1)


def test_fit_gives_what_the_graph_takes():
    """Grey has one channel, colour comes as RGB, and shrinking averages instead of skipping pixels."""
    checks = np.indices((96, 96)).sum(axis=0) % 2 * 255
    picture_bgr = np.repeat(checks[..., None], 3, axis=2).astype(np.uint8)
    blue_bgr = np.zeros((10, 10, 3), np.uint8)
    blue_bgr[..., 0] = 200

    assert fit_picture(picture_bgr, 48, 1).shape == (48, 48, 1)
    assert np.ptp(fit_picture(picture_bgr, 48, 1)) <= 1
    assert tuple(fit_picture(blue_bgr, 48, 3)[0, 0]) == (0, 0, 200)


def test_the_classifier_reads_several_faces_in_one_run(classifier):
    """Rows are in the order of the squares; brighter means happier in the tiny graph."""
    squares = [np.full((size, size, 3), value, np.uint8) for size, value in ((30, 10), (90, 250), (48, 120))]
    probabilities = classifier.classify(squares)

    assert probabilities.shape == (3, len(LABELS))
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)
    assert list(np.argsort(probabilities[:, 1])) == [0, 2, 1]
    assert classifier.classify([]).shape == (0, len(LABELS))


def test_the_classifier_takes_its_crop_from_the_manifest(tmp_path):
    """The crop of the manifest is used; the default if it has none."""
    write_bundle(tmp_path / "a", crop={"scale": 2.0, "shift_y": 0.1})
    write_bundle(tmp_path / "b")

    assert FaceClassifier.from_bundle(read_bundle(tmp_path / "a")).crop == Crop(scale=2.0, shift_y=0.1)
    assert FaceClassifier.from_bundle(read_bundle(tmp_path / "b")).crop == Crop()


def test_the_classifier_refuses_an_impossible_crop(tmp_path):
    """A crop of zero size is refused."""
    write_bundle(tmp_path, crop={"scale": 0})

    with pytest.raises(BundleError, match=r"settings\.crop in manifest\.json cannot be used \(scale"):
        FaceClassifier.from_bundle(read_bundle(tmp_path))


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (lambda path: path.write_bytes(b"no graph"), "not a valid graph"),
        (lambda path: path.write_bytes(b""), "not a graph that ONNX Runtime"),
        (lambda path: write_graph(path, labels=4), "gives 4 probabilities for 3 labels"),
        (lambda path: write_graph(path, output="logits_only"), "not pictures and probabilities"),
    ],
)
def test_the_classifier_refuses_another_graph(tmp_path, write, message):
    """The error precedes the first frame."""
    write(tmp_path / "graph.onnx")

    with pytest.raises(BundleError, match=message):
        FaceClassifier(tmp_path / "graph.onnx", LABELS, size_px=SIZE_PX, channels=1)
