import numpy as np
import pytest

from rushes.bundle import BundleError, read_bundle
from rushes.expression import Crop, FaceReader, crop_face, fit_picture
from tests.support.runtime import LABELS, SIZE_PX, write_bundle, write_graph

PLAIN = Crop(scale=1, shift_y=0)


def _coordinates(height, width):
    """A picture whose pixels say where they are: blue is x, green is y."""
    y, x = np.mgrid[0:height, 0:width].astype(np.uint8)
    return np.stack([x, y, np.zeros_like(x)], axis=2)


def test_crop_cuts_the_square():
    """The box itself with a plain crop; a wide box becomes a square round its middle."""
    frame = _coordinates(100, 120)

    assert np.array_equal(crop_face(frame, (20, 30, 40, 40), PLAIN), frame[30:70, 20:60])
    assert np.array_equal(crop_face(frame, (20, 40, 40, 20), PLAIN), frame[30:70, 20:60])


def test_crop_scales_and_shifts():
    """`scale` is in sides of the box, `shift_y` downwards, round the box's middle."""
    frame = _coordinates(200, 200)
    square = crop_face(frame, (80, 80, 40, 40), Crop(scale=1.5, shift_y=-0.1))

    assert square.shape == (60, 60, 3)
    assert tuple(square[0, 0, :2]) == (100 - 30, 100 - 4 - 30)


@pytest.mark.parametrize(
    "box", [(-10, -10, 40, 40), (100, 80, 60, 60), (500, 500, 20, 20), (-300, 3, 9, 9), (5, 5, 1, 1)]
)
def test_crop_goes_on_beyond_the_frame(box):
    """A face at the edge, or a box outside, still gives a square; the border pixels go on."""
    frame = _coordinates(100, 120)
    square = crop_face(frame, box, PLAIN)
    x, y = np.clip(round(box[0]), 0, 119), np.clip(round(box[1]), 0, 99)

    assert square.shape[0] == square.shape[1] == max(1, box[2])
    assert tuple(square[0, 0, :2]) == (x, y)


def test_fit_gives_what_the_graph_takes():
    """Grey has one channel, colour comes as RGB, and shrinking averages instead of skipping pixels."""
    checks = np.indices((96, 96)).sum(axis=0) % 2 * 255
    picture_bgr = np.repeat(checks[..., None], 3, axis=2).astype(np.uint8)
    blue_bgr = np.zeros((10, 10, 3), np.uint8)
    blue_bgr[..., 0] = 200

    assert fit_picture(picture_bgr, 48, 1).shape == (48, 48, 1)
    assert np.ptp(fit_picture(picture_bgr, 48, 1)) <= 1
    assert tuple(fit_picture(blue_bgr, 48, 3)[0, 0]) == (0, 0, 200)


def test_reader_reads_several_faces_in_one_run(reader):
    """Rows follow the squares; brighter means happier in the tiny graph."""
    squares = [np.full((size, size, 3), value, np.uint8) for size, value in ((30, 10), (90, 250), (48, 120))]
    probabilities = reader.read(squares)

    assert probabilities.shape == (3, len(LABELS))
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)
    assert list(np.argsort(probabilities[:, 1])) == [0, 2, 1]
    assert reader.read([]).shape == (0, len(LABELS))


def test_reader_takes_its_crop_from_the_manifest(tmp_path):
    """What the manifest says about the crop is what is used; the default where it is silent."""
    write_bundle(tmp_path / "a", crop={"scale": 2.0, "shift_y": 0.1})
    write_bundle(tmp_path / "b")

    assert FaceReader.from_bundle(read_bundle(tmp_path / "a")).crop == Crop(scale=2.0, shift_y=0.1)
    assert FaceReader.from_bundle(read_bundle(tmp_path / "b")).crop == Crop()


def test_reader_refuses_an_impossible_crop(tmp_path):
    """A crop of no size cannot be cut."""
    write_bundle(tmp_path, crop={"scale": 0})

    with pytest.raises(BundleError, match="usable input or crop"):
        FaceReader.from_bundle(read_bundle(tmp_path))


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (lambda path: path.write_bytes(b"no graph"), "no graph that can be read"),
        (lambda path: path.write_bytes(b""), "no graph that ONNX Runtime"),
        (lambda path: write_graph(path, labels=4), "gives 4 probabilities for 3 labels"),
        (lambda path: write_graph(path, output="logits_only"), "not pictures and probabilities"),
    ],
)
def test_reader_refuses_another_graph(tmp_path, write, message):
    """A graph that does not fit the manifest is named before the first frame."""
    write(tmp_path / "graph.onnx")

    with pytest.raises(BundleError, match=message):
        FaceReader(tmp_path / "graph.onnx", LABELS, size_px=SIZE_PX, channels=1)
