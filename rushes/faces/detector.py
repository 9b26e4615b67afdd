"""Face detection in one image: MediaPipe's BlazeFace, short-range and full-range, run by ONNX Runtime.

Bazarevsky et al., "BlazeFace: Sub-millisecond Neural Face Detection on Mobile GPUs", 2019. The short-range network has
an input of 128x128 pixels and misses faces lower than a fifth of it; the full-range network has an input of 192x192
pixels and cells four times as fine. rushes/faces/face_search.py selects the parts of a frame to search.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import cv2
import numpy as np

from rushes.errors import UserError
from rushes.inference.tflite_network import open_tflite

if TYPE_CHECKING:
    from pathlib import Path

    from rushes.inference.tflite_network import TfliteNetwork


@dataclass(frozen=True)
class Layout:
    """Inputs and outputs of a detector network.

    Attributes:
        name: Name for messages.
        input_px: Side of the input, in pixels.
        grids: Cells along a side and anchors per cell of each grid, in the order of the outputs.
        outputs: Names of the output of boxes, N x 16, and of logits, N x 1.
    """

    name: str
    input_px: int
    grids: tuple[tuple[int, int], ...]
    outputs: tuple[str, str]


# mediapipe/modules/face_detection/face_detection_short_range.pbtxt: strides 8, 16, 16, 16, two anchors per cell and
# layer. The three layers of stride 16 share their cells, so each of those cells has six anchors.
SHORT_RANGE = Layout("BlazeFace", 128, ((16, 2), (8, 6)), ("regressors", "classificators"))
# face_detection_full_range.pbtxt: stride 4, one anchor per cell. The sparse network of the same shape needs the
# operator DENSIFY, which OpenCV does not have.
FULL_RANGE = Layout(
    "BlazeFace full range", 192, ((48, 1),), ("reshaped_regressor_face_4", "reshaped_classifier_face_4")
)
MIN_OVERLAP = 0.3  # intersection over union from which two boxes are the same face
MIN_EYES = 0.15  # of the width of the box: closer eyes are a profile, which does not show the roll
SCORE_LIMIT = 80.0  # limit of logits, beyond which exp() overflows float32
_PLACES = (0, 2, 3, 4, 5, 6, 7)  # positions among the 8 points of a candidate; point 1 is the size of the box


@dataclass(frozen=True)
class Face:
    """A face in a frame.

    `keypoints_px` is 6 x (x, y): right eye, left eye (the person's own), nose tip, mouth, right and left ear.
    """

    box_xywh_px: tuple[float, float, float, float]
    score: float
    keypoints_px: np.ndarray


class Detector(Protocol):
    """Interface of face detectors."""

    def detect(self, frame_bgr: np.ndarray) -> list[Face]:
        """Faces in a frame, uint8 H,W,3 in BGR; the largest first."""
        ...


class BlazeFace:
    """One of MediaPipe's face detectors, loaded from its .tflite file.

    Raises:
        UserError: The file is not a network of this layout.
    """

    def __init__(self, model: Path, layout: Layout = SHORT_RANGE) -> None:
        self._layout = layout
        self._net = _load(model, layout)
        self._anchors_xy = anchors_xy(layout)

    def look(self, part_bgr: np.ndarray, x_px: int, y_px: int, min_score: float) -> np.ndarray:
        """Detects face candidates in one part of a frame, several for each face.

        Args:
            part_bgr: uint8 H,W,3.
            x_px: Left edge of the part in the frame.
            y_px: Top edge of the part in the frame.
            min_score: Only candidates with a higher score are returned.

        Returns:
            Rows of 17: the score, then 8 points in frame pixels: centre, size, six key points.
        """
        square_bgr, scale, margin_px = letterbox(part_bgr, self._layout.input_px)
        boxes_n16, scores_n = self._run(square_bgr)
        # Keep the likely candidates; each has 8 points in input pixels, relative to its anchor.
        likely = scores_n > min_score
        points_n82 = boxes_n16[likely].reshape(-1, 8, 2)
        # Add the anchors, in input pixels, and subtract the margin of the letterbox.
        points_n82[:, _PLACES] += (self._anchors_xy[likely] * self._layout.input_px - margin_px)[:, None]
        # Convert to pixels of the part, then of the frame; sizes are only scaled.
        points_n82 /= scale
        points_n82[:, _PLACES] += np.array([x_px, y_px])
        return np.column_stack([scores_n[likely], points_n82.reshape(-1, 16)])

    def check_finite(self, square_bgr: np.ndarray) -> None:
        """Runs the network once and checks its outputs.

        Raises:
            UserError: An output contains NaN or infinity.
        """
        if not all(np.isfinite(output).all() for output in self._run(square_bgr)):
            message = f"{self._layout.name} gives NaN or infinity: pull another version"
            raise UserError(message)

    def _run(self, square_bgr: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        # Scale levels from 0..255 to -1..1 and convert BGR to RGB.
        square_rgb = cv2.cvtColor(square_bgr, cv2.COLOR_BGR2RGB)
        found = self._net.run(np.multiply(square_rgb, 1 / 127.5, dtype=np.float32)[None] - 1)
        boxes, logits = (found[name] for name in self._layout.outputs)
        # Convert logits to scores by the logistic function.
        return boxes.reshape(-1, 16), 1 / (1 + np.exp(-np.clip(logits, -SCORE_LIMIT, SCORE_LIMIT)))


def _load(model: Path, layout: Layout) -> TfliteNetwork:
    """Loads a network and checks that it has this layout."""
    net = open_tflite(model, "onnx")
    if set(net.outputs) != set(layout.outputs):
        message = f"{model} is not {layout.name}: it has the outputs {', '.join(net.outputs)}"
        raise UserError(message)
    return net


def try_network(model: Path) -> None:
    """Loads a .tflite network of a bundle and, if it is a face detector, runs it once.

    Raises:
        UserError: It cannot be loaded, or its outputs contain NaN or infinity.
    """
    outputs = set(open_tflite(model, "onnx").outputs)
    for layout in (SHORT_RANGE, FULL_RANGE):
        if outputs == set(layout.outputs):
            blank_bgr = np.zeros((layout.input_px, layout.input_px, 3), np.uint8)
            BlazeFace(model, layout).check_finite(blank_bgr)


@functools.cache
def anchors_xy(layout: Layout) -> np.ndarray:
    """Anchor centres of the boxes, float32 N,2 as shares of the input side, in the order of the outputs."""
    grids = []
    for cells, repeats in layout.grids:
        # Compute the cell centres along a side, then list all cells row by row, repeated once per anchor.
        centres = (np.arange(cells, dtype=np.float32) + 0.5) / cells
        y_cc, x_cc = np.meshgrid(centres, centres, indexing="ij")
        grids.append(np.repeat(np.stack([x_cc.ravel(), y_cc.ravel()], axis=1), repeats, axis=0))
    return np.concatenate(grids)


def letterbox(part_bgr: np.ndarray, input_px: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Fits a picture into a square with black margins, keeping its aspect ratio.

    Returns:
        The square, the scale (x, y) and the margin (x, y): point p of the square is point (p - margin) / scale of the
        picture.
    """
    # Compute the size of the picture in the square.
    height, width = part_bgr.shape[:2]
    scale = input_px / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    # Shrink by area averaging: bilinear sampling keeps noise that prevents BlazeFace from finding small faces. OpenCV
    # averages by whole factors several times as fast, so halve the picture first unless the factor is one.
    small = part_bgr
    while max(height, width) % input_px and min(small.shape[0] // size[1], small.shape[1] // size[0]) >= 2:  # noqa: PLR2004
        small = cv2.resize(small, (small.shape[1] // 2, small.shape[0] // 2), interpolation=cv2.INTER_AREA)
    small = cv2.resize(small, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    # Paste it into the middle of a black square.
    left, top = (input_px - size[0]) // 2, (input_px - size[1]) // 2
    square = np.zeros((input_px, input_px, 3), np.uint8)
    square[top : top + size[1], left : left + size[0]] = small
    return square, np.array(size) / (width, height), np.array([left, top])


def roll_of(face: Face) -> float:
    """Roll of a head to the right of the picture, in radians, from the line of its eyes; 0 if they are too close."""
    right_eye, left_eye = face.keypoints_px[:2]
    across, down = (float(value) for value in left_eye - right_eye)
    if np.hypot(across, down) < MIN_EYES * face.box_xywh_px[2]:
        return 0.0
    return float(np.arctan2(down, across))


def merge(rows_n17: np.ndarray) -> list[np.ndarray]:
    """Weighted non-maximum suppression: replaces overlapping candidates by their mean, weighted by score.

    As MediaPipe's NonMaxSuppressionCalculator in WEIGHTED mode: steadier from frame to frame than the best candidate
    alone.
    """
    # Take the best candidate, average all candidates that overlap it, and repeat with the rest.
    rest, merged = rows_n17[np.argsort(-rows_n17[:, 0])], []
    while len(rest):
        same = overlap(rest[0], rest) >= MIN_OVERLAP
        same[0] = True  # even a box without area, which does not overlap itself
        points = np.average(rest[same, 1:], axis=0, weights=rest[same, 0])
        merged.append(np.concatenate([rest[0, :1], points]))
        rest = rest[~same]
    return merged


def overlap(row_17: np.ndarray, rows_n17: np.ndarray) -> np.ndarray:
    """Intersection over union of one box with each of several boxes."""
    # Compute the corners of the intersections; boxes are stored as centre and size.
    low, high = (
        np.maximum(rows_n17[:, 1:3] - rows_n17[:, 3:5] / 2, row_17[1:3] - row_17[3:5] / 2),
        np.minimum(rows_n17[:, 1:3] + rows_n17[:, 3:5] / 2, row_17[1:3] + row_17[3:5] / 2),
    )
    # Compute the areas of intersection and union.
    shared = np.clip(high - low, 0, None).prod(axis=1)
    union = rows_n17[:, 3:5].prod(axis=1) + row_17[3:5].prod() - shared
    return np.asarray(shared / np.maximum(union, 1e-9))


def face_of(row_17: np.ndarray) -> Face:
    """Converts a row of 17 values to a face."""
    x, y, w, h = (float(value) for value in row_17[1:5])
    return Face((x - w / 2, y - h / 2, w, h), float(row_17[0]), row_17[5:].reshape(6, 2))


def row_of(face: Face) -> np.ndarray:
    """Converts a face to a row of 17 values."""
    x, y, w, h = face.box_xywh_px
    return np.concatenate([[face.score, x + w / 2, y + h / 2, w, h], face.keypoints_px.ravel()])
