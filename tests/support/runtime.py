"""A tiny bundle, a clip with a bright square as the face, and a detector that finds it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from rushes.bundle.manifest import BundledFile, Manifest, sha256_file, write_manifest
from rushes.capture import loop
from rushes.capture.analysis import LabelAnalyser
from rushes.capture.outputs import Outputs
from rushes.faces.detector import Face
from tests.support.certified import certify
from tests.support.tflite import network

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from rushes.capture.summary import Summary
    from rushes.expression.classifier import Classifier
    from rushes.faces.detector import Detector

LABELS = ["angry", "happy", "sad"]
SIZE_PX = 48
TFLITE = b"TFL3"  # the fifth byte and following of such a file
NETWORK = network()  # of the bundled detector; tests that use it do not detect faces
SQUARE = (40, 30, 60, 60)  # left, top, width, height of the clip's "face" in its first frame


def write_graph(path: Path, labels: int = len(LABELS), output: str = "probabilities") -> None:
    """A graph whose second label is the mean brightness of the picture."""
    pixels = SIZE_PX * SIZE_PX
    weights = np.zeros((pixels, labels), np.float32)
    weights[:, 1] = 8 / 255 / pixels
    nodes = [
        helper.make_node("Cast", ["pictures"], ["cast"], to=TensorProto.FLOAT),
        helper.make_node("Flatten", ["cast"], ["flat"], axis=1),
        helper.make_node("MatMul", ["flat", "weights"], ["logits"]),
        helper.make_node("Softmax", ["logits"], [output], axis=1),
    ]
    pictures = helper.make_tensor_value_info("pictures", TensorProto.UINT8, ["N", SIZE_PX, SIZE_PX, 1])
    shares = helper.make_tensor_value_info(output, TensorProto.FLOAT, ["N", labels])
    graph = helper.make_graph(nodes, "tiny", [pictures], [shares], [numpy_helper.from_array(weights, "weights")])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)


def write_bundle(
    folder: Path, detector: bytes = NETWORK, assets: Mapping[Path, str] | None = None, **settings: object
) -> str:
    """A bundle with its certificate; returns its digest.

    Args:
        folder: The bundle's folder.
        detector: A .tflite network, or a text that gives the detector, and so the bundle, another digest.
        assets: More files, and their roles.
        settings: Of the manifest.
    """
    folder.mkdir(parents=True, exist_ok=True)
    write_graph(folder / "expression.onnx")
    (folder / "detector.tflite").write_bytes(detector if detector[4:8] == TFLITE else NETWORK + detector)
    files = {"expression.onnx": "graph", "detector.tflite": "detector"}
    for path, role in (assets or {}).items():
        (folder / path.name).write_bytes(path.read_bytes())
        files[path.name] = role
    listed = {
        name: BundledFile(role=role, sha256=sha256_file(folder / name), size_bytes=(folder / name).stat().st_size)
        for name, role in files.items()
    }
    manifest = Manifest(
        family="expression", labels=LABELS, input={"size_px": SIZE_PX, "channels": 1}, files=listed, settings=settings
    )
    return certify(folder, write_manifest(folder, manifest))


class BrightSquare:
    """A detector for tests: the face is the bright area."""

    def detect(self, frame_bgr):
        """The box around the bright pixels."""
        rows, columns = np.nonzero(frame_bgr.min(axis=2) > 200)
        if not len(rows):
            return []
        box = (columns.min(), rows.min(), np.ptp(columns) + 1, np.ptp(rows) + 1)
        return [Face(tuple(float(value) for value in box), 0.9, np.zeros((6, 2)))]

    def tracker(self):
        """The same for a film."""
        return self


def draw_frame(number: int, face: bool = True) -> np.ndarray:
    """A dark frame of 160x120 with a bright square that moves to the right."""
    frame_bgr = np.full((120, 160, 3), 40, np.uint8)
    if face:
        x, y, w, h = SQUARE
        frame_bgr[y : y + h, x + number : x + number + w] = 240
    return frame_bgr


def write_clip(path: Path, frames: int = 10, fps: float = 12.5, face: bool = True) -> Path:
    """A clip of such frames."""
    video = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), fps, (160, 120))
    for number in range(frames):
        video.write(draw_frame(number, face))
    video.release()
    return path


def draw_head(size_px: int) -> np.ndarray:
    """A head that BlazeFace detects as a face, drawn with ellipses: the repository has no picture of a person.

    As fractions of the picture, its eyes are at (0.36, 0.5) and (0.64, 0.5), its mouth at (0.5, 0.78).
    """
    head_bgr = np.full((300, 300, 3), (150, 140, 130), np.uint8)
    hair, skin, shade = (30, 40, 60), (150, 180, 225), (110, 140, 195)
    for centre, axes, colour in (((150, 130), (112, 120), hair), ((150, 165), (92, 118), skin)):
        cv2.ellipse(head_bgr, centre, axes, 0, 0, 360, colour, -1)
    for x in (108, 192):
        cv2.ellipse(head_bgr, (x, 150), (20, 10), 0, 0, 360, (245, 245, 245), -1)
        cv2.ellipse(head_bgr, (x, 150), (9, 9), 0, 0, 360, (60, 40, 20), -1)
        cv2.ellipse(head_bgr, (x, 128), (26, 7), 0, 180, 360, hair, 7)
    cv2.ellipse(head_bgr, (150, 195), (14, 9), 0, 0, 360, shade, -1)
    cv2.ellipse(head_bgr, (150, 180), (6, 28), 0, 0, 360, (170, 198, 238), -1)
    cv2.ellipse(head_bgr, (150, 235), (34, 13), 0, 0, 360, (80, 80, 190), -1)
    cv2.line(head_bgr, (118, 234), (182, 234), (50, 40, 110), 3)
    return cv2.resize(cv2.GaussianBlur(head_bgr, (0, 0), 2.2), (size_px, size_px), interpolation=cv2.INTER_AREA)


def put_head(frame_bgr: np.ndarray, x: int, y: int, size_px: int) -> np.ndarray:
    """The frame with such a head on it."""
    frame_bgr[y : y + size_px, x : x + size_px] = draw_head(size_px)
    return frame_bgr


def capture(
    source: str,
    detector: Detector,
    classifier: Classifier,
    log: Callable[[str], None] = lambda _: None,
    **outputs: object,
) -> Summary:
    """Captures a source with these models."""
    return loop.capture(source, LabelAnalyser(detector, classifier), Outputs(**outputs), log=log)
