"""Reading a face: the square around it, and the graph that says which expression it wears."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import onnxruntime
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from rushes.bundle import BundleError
from rushes.latency import open_graph

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from rushes.bundle import Bundle

INPUT, OUTPUT = "pictures", "probabilities"


class Crop(BaseModel):
    """How the square that the graph sees lies around the detector's box, in sides of that box.

    The defaults make the square look like the pictures of FER2013, from the middle of the forehead to the chin:
    the medians over 300 of its pictures that BlazeFace found at four sizes (spread of the scale 15 %, of the shift
    0.07).
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    scale: float = Field(default=1.17, gt=0.2, lt=5)
    shift_y: float = Field(default=-0.105, gt=-1, lt=1)  # downwards is positive


def crop_face(frame: np.ndarray, box_xywh_px: tuple[float, float, float, float], crop: Crop) -> np.ndarray:
    """Cuts the square around a box out of a frame, at the frame's own size; beyond the frame its border goes on.

    Args:
        frame: uint8 H,W,C.
        box_xywh_px: left, top, width, height.
        crop: where the square lies around the box.

    Returns:
        uint8 S,S,C.
    """
    x, y, w, h = box_xywh_px
    side = max(1, round(max(w, h) * crop.scale))
    left = round(x + w / 2 - side / 2)
    top = round(y + h / 2 + max(w, h) * crop.shift_y - side / 2)
    height, width = frame.shape[:2]
    # A box may lie outside altogether: the nearest pixels then stand for it.
    columns = np.clip(np.arange(left, left + side), 0, width - 1)
    rows = np.clip(np.arange(top, top + side), 0, height - 1)
    if columns[0] == left and columns[-1] == left + side - 1 and rows[0] == top and rows[-1] == top + side - 1:
        return frame[top : top + side, left : left + side]
    return frame[rows[:, None], columns[None, :]]


def fit_picture(picture: np.ndarray, size_px: int, channels: int) -> np.ndarray:
    """Brings a BGR picture to the size and channels of a graph's input; the same way for a set as for a frame.

    Returns:
        uint8 size,size,channels: grey for one channel, RGB for three.
    """
    shrinks = picture.shape[0] > size_px
    fitted = cv2.resize(picture, (size_px, size_px), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
    if channels == 1:
        return np.asarray(cv2.cvtColor(fitted, cv2.COLOR_BGR2GRAY)[..., None])
    return np.asarray(cv2.cvtColor(fitted, cv2.COLOR_BGR2RGB))


class FaceReader:
    """The expression graph of a bundle, ready to run.

    One thread by default: a face takes well under a millisecond, and waking a pool costs more than it gains.
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
        self._size_px, self._channels = size_px, channels
        self._session = open_session(graph, threads)
        self._check(graph)

    @classmethod
    def from_bundle(cls, bundle: Bundle, threads: int = 1) -> FaceReader:
        """The reader that a bundle's manifest describes.

        Raises:
            BundleError: The manifest lacks the input or the labels, or the graph is another than it says.
        """
        manifest = bundle.manifest
        try:
            size_px, channels = int(manifest.input["size_px"]), int(manifest.input["channels"])
            crop = Crop.model_validate(manifest.settings.get("crop", {}))
        except (KeyError, TypeError, ValueError, ValidationError) as error:
            message = (
                f"{bundle.folder}: the manifest lacks a usable input or crop ({error.args[0] if error.args else ''})"
            )
            raise BundleError(message) from error
        graph = bundle.path("graph")
        return cls(graph, manifest.labels, size_px=size_px, channels=channels, crop=crop, threads=threads)

    def _check(self, graph: Path) -> None:
        inputs = {one.name: one.shape for one in self._session.get_inputs()}
        outputs = {one.name: one.shape for one in self._session.get_outputs()}
        if INPUT not in inputs or OUTPUT not in outputs:
            message = f"{graph} takes {', '.join(inputs)} and gives {', '.join(outputs)}, not {INPUT} and {OUTPUT}"
            raise BundleError(message)
        found = self.read([np.zeros((self._size_px, self._size_px, 3), np.uint8)]).shape[1]
        if found != len(self.labels):
            message = f"{graph} gives {found} probabilities for {len(self.labels)} labels"
            raise BundleError(message)

    def read(self, squares_bgr: Sequence[np.ndarray]) -> np.ndarray:
        """The probabilities of each square, float32 N,L in the order of `labels`; all squares in one run."""
        if not squares_bgr:
            return np.zeros((0, len(self.labels)), np.float32)
        pictures_nhwc = np.stack([fit_picture(square, self._size_px, self._channels) for square in squares_bgr])
        return np.asarray(self._session.run([OUTPUT], {INPUT: pictures_nhwc})[0])


def open_session(graph: Path, threads: int) -> Any:  # noqa: ANN401  # onnxruntime has no types
    """An ONNX Runtime session on the CPU.

    Raises:
        BundleError: ONNX Runtime cannot read the graph, or must not.
    """
    try:
        return open_graph(graph, threads)
    except BundleError:
        raise
    except Exception as error:  # ONNX Runtime's errors share no base class
        message = (
            f"{graph} is no graph that ONNX Runtime {onnxruntime.__version__} can run: update rushes, or fetch again"
        )
        raise BundleError(message) from error
