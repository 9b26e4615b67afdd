"""The expression family, ready to run: faces of an image and their expressions."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from rushes.errors import MisuseError, UserError
from rushes.expression.classifier import FaceClassifier, FaceExpression, classify_faces, face_squares
from rushes.faces import face_search
from rushes.media.image import decode_picture

if TYPE_CHECKING:
    from rushes.bundle.manifest import Bundle
    from rushes.faces.detector import Detector


class ExpressionModel:
    """Finds the faces of an image and classifies their expressions.

    Attributes:
        bundle: The verified files of the model, with manifest, certificate and digest.
        classifier: The expression network.
    """

    def __init__(self, bundle: Bundle) -> None:
        self.bundle = bundle
        self.classifier = FaceClassifier.from_bundle(bundle)
        self._finder = face_search.open_finder(bundle)

    @property
    def labels(self) -> tuple[str, ...]:
        """Labels of the model, in the order of the probabilities."""
        return self.classifier.labels

    def predict(self, image: np.ndarray | str | os.PathLike[str]) -> list[FaceExpression]:
        """Finds the faces of one image and classifies each, as it is and mirrored.

        >>> import rushes
        >>> model = rushes.load("expression")
        >>> for face in model.predict("face.jpg"):
        ...     print(face.label, round(face.probability, 2), face.box_xywh_px)
        happy 0.99 (40.0, 30.0, 60.0, 60.0)

        Args:
            image: A file, or pixels in OpenCV's format: uint8 H,W,3 BGR. Each image is searched independently; for the
                frames of a film see `detector`.

        Returns:
            Faces, the largest first; empty if there is no face. Boxes are left, top, width and height in pixels,
            probabilities are from 0 to 1 in the order of `labels`.

        Raises:
            MisuseError: The array is not uint8 H,W,3.
            UserError: The file is not an image that can be decoded.
            OSError: The file cannot be read.
        """
        image_bgr = _pixels(image)
        return classify_faces(image_bgr, self._finder.detect(image_bgr), self.classifier, mirrored=True)

    def crops(self, image: np.ndarray | str | os.PathLike[str]) -> list[np.ndarray]:
        """Crops the faces of one image as the network reads them: eyes level, with the margins of the bundle.

        Training pictures that are cropped by this are framed as frames are at run time.

        Args:
            image: As for `predict`.

        Returns:
            Squares in BGR, uint8 S,S,3, unscaled; the largest face first.

        Raises:
            MisuseError: The array is not uint8 H,W,3.
            UserError: The file is not an image that can be decoded.
            OSError: The file cannot be read.
        """
        image_bgr = _pixels(image)
        return face_squares(image_bgr, self._finder.detect(image_bgr), self.classifier.crop)

    def detector(self) -> Detector:
        """Creates a face detector for one film, which follows faces from frame to frame."""
        return self._finder.tracker()


def open_model(bundle: Bundle) -> ExpressionModel:
    """Opens the model of a bundle.

    Raises:
        BundleError: The manifest or a graph is not one of this family.
    """
    return ExpressionModel(bundle)


def _pixels(image: np.ndarray | str | os.PathLike[str]) -> np.ndarray:
    if isinstance(image, str | os.PathLike):
        pixels = decode_picture(Path(image).read_bytes())
        if pixels is None:
            message = f"{image} cannot be decoded as an image"
            raise UserError(message)
        return pixels
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:  # noqa: PLR2004  # H, W and BGR
        message = f"the image is {image.dtype} of {image.shape}: pass uint8 H,W,3 in BGR, as cv2.imread gives it"
        raise MisuseError(message)
    return image
