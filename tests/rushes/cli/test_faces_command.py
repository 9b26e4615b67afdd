"""`rushes faces`: training pictures are cut as the runtime cuts frames."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from rushes.bundle.manifest import read_bundle
from rushes.expression.classifier import FaceClassifier, fit_picture
from rushes.expression.model import ExpressionModel
from rushes.faces import face_search
from rushes.faces.detector import Face
from tests.support.command import command_line
from tests.support.runtime import SIZE_PX, draw_frame


class LeaningFace:
    """A detector that finds two faces that lean by 30 degrees on a frame that is not dark, the larger one first."""

    def detect(self, frame_bgr):
        """Boxes with the eyes of heads that lean to the right."""
        if frame_bgr.max() < 200:
            return []
        eye = np.array([20 * np.cos(np.pi / 6), 20 * np.sin(np.pi / 6)])
        points_62 = np.array([-eye, eye, *np.zeros((4, 2))])
        return [
            Face((x, y, side, side), 0.9, points_62 + np.array([x + side / 2, y + side / 3]))
            for x, y, side in ((50.0, 30.0, 60.0), (5.0, 5.0, 30.0))
        ]


@pytest.fixture
def rushes(monkeypatch, capsys):
    """Runs the command in this process, with such a detector; returns status, standard output and standard error."""
    monkeypatch.setattr(face_search, "open_finder", lambda _: LeaningFace())
    return command_line(monkeypatch, capsys)


@pytest.fixture
def photographs(tmp_path):
    """Two faces of two labels, a picture without one, a damaged one and a text."""
    for name, face in {"happy/anna/1.png": True, "sad/2.bmp": True, "sad/3.png": False}.items():
        path = tmp_path / "stills" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        noise = np.random.default_rng(len(name)).integers(0, 40, (120, 160, 3), np.uint8)
        cv2.imwrite(str(path), np.maximum(draw_frame(len(name), face), noise))
    (tmp_path / "stills/sad/4.jpg").write_bytes(b"no picture")
    (tmp_path / "stills/notes.txt").write_text("no picture")
    return tmp_path / "stills"


def test_a_training_crop_is_what_the_runtime_reads(rushes, photographs, bundle_folder, tmp_path, monkeypatch):
    """To the pixel, of a leaning face: rotated until the eyes are level, with the margins of the bundle."""
    status, out, err = rushes("faces", photographs, tmp_path / "faces", "--model", bundle_folder)
    read = []
    classify = FaceClassifier.classify
    monkeypatch.setattr(
        FaceClassifier, "classify", lambda self, squares: read.extend(squares) or classify(self, squares)
    )
    ExpressionModel(read_bundle(bundle_folder)).predict(photographs / "happy/anna/1.png")
    largest = read[1]  # the first one is from the check of the graph

    assert (status, out.strip()) == (0, str(tmp_path / "faces"))
    assert "2 faces of 4 pictures" in err
    cut = cv2.imread(str(tmp_path / "faces/happy/anna/1.png.png"))
    assert np.array_equal(cut, largest)
    assert np.array_equal(fit_picture(cut, SIZE_PX, 1), fit_picture(largest, SIZE_PX, 1))


def test_folders_stay_and_what_shows_no_face_is_named(rushes, photographs, bundle_folder, tmp_path):
    """Labels and performers are those of the photographs; a second run writes the same."""
    for _ in range(2):
        _, _, err = rushes("faces", photographs, tmp_path / "faces", "--model", bundle_folder)
        written = sorted(path.relative_to(tmp_path / "faces").as_posix() for path in (tmp_path / "faces").rglob("*.*"))

        assert written == ["happy/anna/1.png.png", "sad/2.bmp.png"]
        assert f"{photographs / 'sad/3.png'} shows no face" in err
        assert f"{photographs / 'sad/4.jpg'} cannot be decoded" in err


def test_nothing_found_is_status_3_and_a_folder_within_is_misuse(rushes, photographs, bundle_folder, tmp_path):
    """Crops among the photographs would be cut again by the next run."""
    inside = rushes("faces", photographs, photographs / "faces", "--model", bundle_folder)
    (photographs / "happy/anna/1.png").unlink()
    (photographs / "sad/2.bmp").unlink()
    nothing = rushes("faces", photographs, tmp_path / "faces", "--model", bundle_folder)

    assert inside[0] == 2
    assert "name another folder" in inside[2]
    assert nothing[0] == 3
    assert not (tmp_path / "faces").exists()
