"""Finding faces: MediaPipe's BlazeFace (short range) through OpenCV's own engine.

Bazarevsky et al., "BlazeFace: Sub-millisecond Neural Face Detection on Mobile GPUs", 2019. The network sees 128x128
pixels, so a face narrower than about a sixth of what it is shown goes unseen: where the whole frame shows none, square
parts of it are looked at one by one.
"""

from __future__ import annotations

import functools
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import cv2
import numpy as np

from rushes.errors import RushesError

if TYPE_CHECKING:
    from pathlib import Path

INPUT_PX = 128
# mediapipe/modules/face_detection/face_detection_short_range.pbtxt: strides 8, 16, 16, 16, two anchors a cell and
# layer. The three layers of stride 16 share their cells, which makes six.
GRIDS = ((INPUT_PX // 8, 2), (INPUT_PX // 16, 6))
OUTPUTS = ("regressors", "classificators")
MIN_SCORE = 0.5
MIN_OVERLAP = 0.3  # from which on two boxes are the same face
SCORE_LIMIT = 80.0  # beyond it exp() overflows float32
_PLACES = (0, 2, 3, 4, 5, 6, 7)  # of the 8 points of a candidate; number 1 is the width and height of the box
MIN_ASPECT = 1.25  # frames less oblong than this are searched in four parts, others in a row of squares


@dataclass(frozen=True)
class Face:
    """A face in a frame.

    `keypoints_px` is 6 x (x, y): right eye, left eye (the person's own), nose tip, mouth, right and left ear.
    """

    box_xywh_px: tuple[float, float, float, float]
    score: float
    keypoints_px: np.ndarray


class Detector(Protocol):
    """Whatever finds faces in a frame."""

    def detect(self, frame_bgr: np.ndarray) -> list[Face]:
        """The faces in a frame, uint8 H,W,3 in BGR; the largest first."""
        ...


class BlazeFace:
    """MediaPipe's short-range detector, from its .tflite file."""

    def __init__(self, model: Path, min_score: float = MIN_SCORE) -> None:
        self._net = _load(model)
        self._min_score = min_score
        self._anchors_xy = anchors_xy()

    def detect(self, frame_bgr: np.ndarray) -> list[Face]:
        """The faces in a frame, the largest first; looks closer where the whole frame shows none."""
        height, width = frame_bgr.shape[:2]
        found = self._look(frame_bgr, 0, 0)
        if not len(found):
            looks = [self._look(frame_bgr[y : y + side, x : x + side], x, y) for x, y, side in squares(width, height)]
            found = np.concatenate(looks) if looks else found
        faces = [_face(row) for row in merge(found)]
        return sorted(faces, key=lambda face: -face.box_xywh_px[2] * face.box_xywh_px[3])

    def _look(self, part_bgr: np.ndarray, x_px: int, y_px: int) -> np.ndarray:
        """Candidates in one part of the frame: rows of 17, the score and 8 points in pixels of the frame."""
        square_bgr, scale, margin_px = letterbox(part_bgr)
        boxes_n16, scores_n = self._run(square_bgr)
        likely = scores_n > self._min_score
        points_n82 = boxes_n16[likely].reshape(-1, 8, 2)
        points_n82[:, _PLACES] += (self._anchors_xy[likely] * INPUT_PX - margin_px)[:, None]
        points_n82 /= scale
        points_n82[:, _PLACES] += np.array([x_px, y_px])
        return np.column_stack([scores_n[likely], points_n82.reshape(-1, 16)])

    def _run(self, square_bgr: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        blob_nchw = cv2.dnn.blobFromImage(square_bgr, 1 / 127.5, (INPUT_PX, INPUT_PX), (127.5,) * 3, swapRB=True)
        self._net.setInput(blob_nchw)
        boxes_1n16, logits_1n1 = self._net.forward(OUTPUTS)
        logits_n = np.clip(logits_1n1[0, :, 0], -SCORE_LIMIT, SCORE_LIMIT)
        return boxes_1n16[0], 1 / (1 + np.exp(-logits_n))


def _load(model: Path) -> Any:  # noqa: ANN401  # cv2's stubs know no TFLite overload with an engine
    """Reads the network with the classic engine.

    OpenCV 5's new engine keeps the last output alone (opencv/opencv#29569), and its reader of bytes takes no engine
    but from the environment. By bytes it must be where Windows cannot open a name outside its code page.
    """
    try:
        if os.name != "nt" or str(model).isascii():
            net = cv2.dnn.readNetFromTFLite(str(model), cv2.dnn.ENGINE_CLASSIC)
        else:
            os.environ["OPENCV_FORCE_DNN_ENGINE"] = str(cv2.dnn.ENGINE_CLASSIC)
            net = cv2.dnn.readNetFromTFLite(np.fromfile(model, np.uint8))
    except (cv2.error, OSError) as error:
        message = (
            f"{model} is no network that OpenCV {cv2.__version__} can read: fetch the bundle again, or update rushes"
        )
        raise RushesError(message) from error
    if set(net.getUnconnectedOutLayersNames()) != set(OUTPUTS):
        message = f"{model} is not BlazeFace: it has the outputs {', '.join(net.getUnconnectedOutLayersNames())}"
        raise RushesError(message)
    return net


@functools.cache
def anchors_xy() -> np.ndarray:
    """The centres that boxes are relative to, float32 896,2 in shares of the input; in the order of the outputs."""
    grids = []
    for cells, repeats in GRIDS:
        centres = (np.arange(cells, dtype=np.float32) + 0.5) / cells
        y_cc, x_cc = np.meshgrid(centres, centres, indexing="ij")
        grids.append(np.repeat(np.stack([x_cc.ravel(), y_cc.ravel()], axis=1), repeats, axis=0))
    return np.concatenate(grids)


def letterbox(part_bgr: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Shrinks a picture to 128x128 with black margins, its proportions kept.

    Returns:
        The square, and how a point in it goes back: less the margin (x, y), over the scale (x, y).
    """
    height, width = part_bgr.shape[:2]
    scale = INPUT_PX / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    # Averaging over areas: BlazeFace's small features drown in the noise that plain bilinear lets through.
    small = cv2.resize(part_bgr, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    left, top = (INPUT_PX - size[0]) // 2, (INPUT_PX - size[1]) // 2
    square = np.zeros((INPUT_PX, INPUT_PX, 3), np.uint8)
    square[top : top + size[1], left : left + size[0]] = small
    return square, np.array(size) / (width, height), np.array([left, top])


def squares(width: int, height: int) -> list[tuple[int, int, int]]:
    """Overlapping squares (x, y, side) that cover a frame: a row along an oblong one, else one in each corner."""
    short, long = sorted((width, height))
    side = short if long >= MIN_ASPECT * short else round(0.65 * short)
    return [(x, y, side) for y in _steps(height, side) for x in _steps(width, side)]


def _steps(length: int, side: int) -> list[int]:
    """Starts of pieces that overlap by 40 % or more, so that a face that one piece cuts is whole in another."""
    count = 1 if length <= side else 1 + int(np.ceil((length - side) / (0.6 * side)))
    return [round(start) for start in np.linspace(0, length - side, count)]


def merge(rows_n17: np.ndarray) -> list[np.ndarray]:
    """Weighted non-max suppression: candidates that overlap become their mean, weighted by score.

    MediaPipe's NonMaxSuppressionCalculator with WEIGHTED: steadier from frame to frame than keeping the best alone.
    """
    rest, merged = rows_n17[np.argsort(-rows_n17[:, 0])], []
    while len(rest):
        same = _overlap(rest[0], rest) >= MIN_OVERLAP
        same[0] = True
        points = np.average(rest[same, 1:], axis=0, weights=rest[same, 0])
        merged.append(np.concatenate([rest[0, :1], points]))
        rest = rest[~same]
    return merged


def _overlap(row_17: np.ndarray, rows_n17: np.ndarray) -> np.ndarray:
    """Intersection over union of one box with each of many."""
    low, high = (
        np.maximum(rows_n17[:, 1:3] - rows_n17[:, 3:5] / 2, row_17[1:3] - row_17[3:5] / 2),
        np.minimum(rows_n17[:, 1:3] + rows_n17[:, 3:5] / 2, row_17[1:3] + row_17[3:5] / 2),
    )
    shared = np.clip(high - low, 0, None).prod(axis=1)
    union = rows_n17[:, 3:5].prod(axis=1) + row_17[3:5].prod() - shared
    return np.asarray(shared / np.maximum(union, 1e-9))


def _face(row_17: np.ndarray) -> Face:
    x, y, w, h = (float(value) for value in row_17[1:5])
    return Face((x - w / 2, y - h / 2, w, h), float(row_17[0]), row_17[5:].reshape(6, 2))
