"""Classifies the expression of a face: crops the square around it and runs the network."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import cv2
import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from rushes.bundle.manifest import BundleError
from rushes.faces.crops import cut_square, turn_square
from rushes.faces.detector import roll_of
from rushes.inference.session import open_graph

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from rushes.bundle.manifest import Bundle
    from rushes.faces.detector import Face

INPUT, OUTPUT = "pictures", "probabilities"
# Smaller rolls are ignored: the line of the eyes is accurate to about 1.5 degrees, and an upright crop is free.
MIN_ROLL_RAD = float(np.radians(2))
# Pixels of a shrunk crop for each pixel of the network's input, along a side; a whole number is averaged quickly.
FINE = 3


class Crop(BaseModel):
    """Crop for the network: a square around the detector's box, in multiples of the side of that box.

    The defaults reproduce the framing of FER2013, from the middle of the forehead to the chin: medians over 300 of its
    pictures in which BlazeFace found a face at four sizes (spread of the scale 15 %, of the shift 0.07).
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    scale: float = Field(default=1.17, gt=0.2, lt=5)
    shift_y: float = Field(default=-0.105, gt=-1, lt=1)  # downwards is positive


@dataclass(frozen=True)
class FaceExpression:
    """A face in an image and its expression.

    Attributes:
        box_xywh_px: Left, top, width and height of the face in pixels of the image.
        score: Confidence of the detector, 0 to 1.
        labels: Labels of the model.
        probabilities: Probability of each label, in the order of `labels`; they sum to 1.
        held: Index of the label before, while a live capture keeps it against flicker.
        roll_rad: Roll of the head towards the right of the picture, with which the network's crop is rotated.
        crop: Crop of the network.
    """

    box_xywh_px: tuple[float, float, float, float]
    score: float
    labels: tuple[str, ...]
    probabilities: tuple[float, ...]
    held: int | None = None
    roll_rad: float = 0.0
    crop: Crop = field(default_factory=Crop)

    @property
    def best(self) -> int:
        """Index of the label: the most likely one, or the one that is held."""
        return int(np.argmax(self.probabilities)) if self.held is None else self.held

    @property
    def label(self) -> str:
        """The label."""
        return self.labels[self.best]

    @property
    def probability(self) -> float:
        """Probability of the label."""
        return self.probabilities[self.best]


class Classifier(Protocol):
    """Interface of classifiers of face crops.

    Attributes:
        labels: Labels of the model.
        crop: The square around a face that it classifies.
        size_px: Side of the network's input.
    """

    labels: tuple[str, ...]
    crop: Crop
    size_px: int

    def classify(self, squares_bgr: Sequence[np.ndarray]) -> np.ndarray:
        """Probabilities for each square, float32 N,L."""
        ...


class ClassifierInput(BaseModel):
    """`input` of the manifest: side of the face crop in pixels, and 1 channel (grey) or 3 (RGB)."""

    size_px: int = Field(gt=0)
    channels: int


def crop_face(
    frame: np.ndarray,
    box_xywh_px: tuple[float, float, float, float],
    crop: Crop,
    roll_rad: float = 0.0,
    *,
    size_px: int | None = None,
) -> np.ndarray:
    """Crops the square around a box; the border pixels of the frame are repeated beyond it.

    Args:
        frame: uint8 H,W,3.
        box_xywh_px: Left, top, width and height.
        crop: Scale and shift of the square relative to the box.
        roll_rad: Roll of the head towards the right of the picture, in radians; the square is rotated with it.
        size_px: Side of the network's input, if the crop is for it alone: a large face is then shrunk to some pixels
            for each of the input's, which takes a seventh of the time at 1920x1080. Otherwise the square is unscaled.

    Returns:
        uint8 S,S,3 with the face upright.
    """
    # Compute the side of the square and its downward shift, in pixels.
    x, y, w, h = box_xywh_px
    face_px = max(w, h)
    side, shift_px = max(1, round(face_px * crop.scale)), face_px * crop.shift_y
    fine_px = None if size_px is None or side <= FINE * size_px else FINE * size_px
    # Nearly upright: crop without rotation.
    if abs(roll_rad) < MIN_ROLL_RAD:
        left, top = round(x + w / 2 - side / 2), round(y + h / 2 + shift_px - side / 2)
        if fine_px is None:
            return cut_square(frame, left, top, side)
        return turn_square(frame, (left + side / 2, top + side / 2), side, 0.0, fine_px)
    # Shift the centre along the axis of the head, then crop the rotated square around it.
    cos, sin = float(np.cos(roll_rad)), float(np.sin(roll_rad))
    middle_x, middle_y = x + w / 2 - sin * shift_px, y + h / 2 + cos * shift_px
    return turn_square(frame, (middle_x, middle_y), side, roll_rad, fine_px)


def fit_picture(picture: np.ndarray, size_px: int, channels: int) -> np.ndarray:
    """Resizes a BGR picture to the network's input, in the same way for training sets and frames.

    Returns:
        uint8 size,size,channels: grey for one channel, RGB for three.
    """
    # Average over areas when shrinking, to suppress noise; interpolate linearly when enlarging.
    shrinks = picture.shape[0] > size_px
    fitted = cv2.resize(picture, (size_px, size_px), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
    # Convert the colours to the network's channels.
    if channels == 1:
        return np.asarray(cv2.cvtColor(fitted, cv2.COLOR_BGR2GRAY)[..., None])
    return np.asarray(cv2.cvtColor(fitted, cv2.COLOR_BGR2RGB))


class FaceClassifier:
    """Expression network of a bundle, ready to run.

    It uses one thread by default: a face takes well under a millisecond, and a thread pool costs more than it gains.
    """

    def __init__(
        self,
        graph: Path,
        labels: Sequence[str],
        *,
        size_px: int,
        channels: int,
        crop: Crop | None = None,
        threads: int = 1,
    ) -> None:
        self.labels = tuple(labels)
        self.crop = crop or Crop()
        self.size_px, self._channels = size_px, channels
        self._session = open_graph(graph, threads)
        self._check(graph)

    @classmethod
    def from_bundle(cls, bundle: Bundle, threads: int = 1) -> FaceClassifier:
        """Creates the classifier described by a bundle's manifest.

        Raises:
            BundleError: The manifest has no valid input or crop, or does not match the graph.
        """
        manifest = bundle.manifest
        given = bundle.input_as(ClassifierInput)
        crop = bundle.parsed("settings.crop", Crop, manifest.settings.get("crop", {}))
        graph = bundle.path("graph")
        return cls(graph, manifest.labels, size_px=given.size_px, channels=given.channels, crop=crop, threads=threads)

    def _check(self, graph: Path) -> None:
        inputs = {one.name: one.shape for one in self._session.get_inputs()}
        outputs = {one.name: one.shape for one in self._session.get_outputs()}
        if INPUT not in inputs or OUTPUT not in outputs:
            message = f"{graph} takes {', '.join(inputs)} and gives {', '.join(outputs)}, not {INPUT} and {OUTPUT}"
            raise BundleError(message)
        found = self.classify([np.zeros((self.size_px, self.size_px, 3), np.uint8)]).shape[1]
        if found != len(self.labels):
            message = f"{graph} gives {found} probabilities for {len(self.labels)} labels"
            raise BundleError(message)

    def classify(self, squares_bgr: Sequence[np.ndarray]) -> np.ndarray:
        """Probabilities for each square, float32 N,L in the order of `labels`, computed as one batch."""
        if not squares_bgr:
            return np.zeros((0, len(self.labels)), np.float32)
        pictures_nhwc = np.stack([fit_picture(square, self.size_px, self._channels) for square in squares_bgr])
        return np.asarray(self._session.run([OUTPUT], {INPUT: pictures_nhwc})[0])


def face_squares(
    frame_bgr: np.ndarray, faces: Sequence[Face], crop: Crop, *, size_px: int | None = None
) -> list[np.ndarray]:
    """The square around each face with the eyes level: unscaled, or shrunk for an input of this side."""
    return [crop_face(frame_bgr, face.box_xywh_px, crop, roll_of(face), size_px=size_px) for face in faces]


def classify_faces(
    frame_bgr: np.ndarray, faces: Sequence[Face], classifier: Classifier, *, mirrored: bool = False
) -> list[FaceExpression]:
    """Expression of each face of a frame, in the order of the faces.

    With `mirrored` the probabilities are the mean with those of the mirrored faces: more accurate, for twice the time.
    """
    crop, rolls_rad = classifier.crop, [roll_of(face) for face in faces]
    squares_bgr = face_squares(frame_bgr, faces, crop, size_px=classifier.size_px)
    probabilities_nl = classifier.classify(squares_bgr)
    if mirrored:
        probabilities_nl = (probabilities_nl + classifier.classify([cv2.flip(one, 1) for one in squares_bgr])) / 2
    return [
        FaceExpression(
            face.box_xywh_px, face.score, classifier.labels, tuple(map(float, row)), roll_rad=roll, crop=crop
        )
        for face, row, roll in zip(faces, probabilities_nl, rolls_rad, strict=True)
    ]
