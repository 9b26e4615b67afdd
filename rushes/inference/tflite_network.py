"""Runs .tflite networks: with OpenCV, or with LiteRT, which is the wheel's extra [fast] and about twice as fast.

On one thread of a Xeon the landmark network takes 9.3 ms with OpenCV 5.0 and 5.6 ms with LiteRT 2.3, the network of the
units 2.1 and 0.6 ms.
"""

from __future__ import annotations

import importlib.util
import os
from typing import TYPE_CHECKING, Any, Literal, Protocol

import cv2
import numpy as np

from rushes.errors import MisuseError, UserError

if TYPE_CHECKING:
    from pathlib import Path

CLASSIC = "ENGINE_CLASSIC"
PICTURE_AXES = 4  # of an input of pictures, N,H,W,C
Backend = Literal["auto", "opencv", "litert"]


def read_tflite(model: Path) -> Any:  # noqa: ANN401  # cv2's stubs know no TFLite overload with an engine
    """Loads a network with all of its outputs.

    OpenCV 5.0's new engine keeps only the last output (opencv/opencv#29569), so its classic engine loads the file; when
    loading bytes, the engine can be set only by the environment. OpenCV 5.1 has no classic engine, and its default
    engine loads these networks completely. Bytes are needed on Windows for file names outside the code page.

    Raises:
        UserError: OpenCV cannot parse the network, or the file cannot be opened.
    """
    try:
        return _read(model)
    except (cv2.error, OSError) as error:
        message = (
            f"{model} is not a network that OpenCV {cv2.__version__} can load: fetch the bundle again, or update rushes"
        )
        raise UserError(message) from error


def _read(model: Path) -> Any:  # noqa: ANN401  # as above
    classic = getattr(cv2.dnn, CLASSIC, None)
    by_name = os.name != "nt" or str(model).isascii()
    if by_name:
        return cv2.dnn.readNetFromTFLite(str(model), *(() if classic is None else (classic,)))
    if classic is not None:
        os.environ["OPENCV_FORCE_DNN_ENGINE"] = str(classic)
    return cv2.dnn.readNetFromTFLite(np.fromfile(model, np.uint8))


class TfliteNetwork(Protocol):
    """A network with one input.

    Attributes:
        outputs: Names of its outputs.
    """

    outputs: tuple[str, ...]

    def run(self, given: np.ndarray) -> dict[str, np.ndarray]:
        """Outputs by name, each as one row of numbers.

        Args:
            given: float32, in the network's own layout: N,H,W,C for pictures.

        Raises:
            UserError: The network does not run on this input.
        """
        ...


def backends() -> tuple[Backend, ...]:
    """Libraries that are installed, the fastest first."""
    return ("opencv",) if importlib.util.find_spec("ai_edge_litert") is None else ("litert", "opencv")


def open_tflite(model: Path, backend: Backend = "auto") -> TfliteNetwork:
    """Opens a network on one thread; `auto` is LiteRT where it is installed, else OpenCV.

    Raises:
        MisuseError: LiteRT is asked for and not installed.
        UserError: The network cannot be loaded.
    """
    chosen = backends()[0] if backend == "auto" else backend
    if chosen not in backends():
        message = "LiteRT is not installed: pip install ai-edge-litert (the wheel's extra [fast]), or use OpenCV"
        raise MisuseError(message)
    return OpencvNetwork(model) if chosen == "opencv" else LitertNetwork(model)


class OpencvNetwork:
    """A network run by OpenCV."""

    def __init__(self, model: Path) -> None:
        self._model, self._net = model, read_tflite(model)
        self.outputs = tuple(self._net.getUnconnectedOutLayersNames())

    def run(self, given: np.ndarray) -> dict[str, np.ndarray]:
        """See `TfliteNetwork`."""
        # OpenCV has converted the network to N,C,H,W, at both ends.
        self._net.setInput(cv2.dnn.blobFromImages(list(given)) if given.ndim == PICTURE_AXES else given)
        try:
            rows = self._net.forward(self.outputs)
        except cv2.error as error:
            message = f"{self._model} does not run with OpenCV {cv2.__version__}: pull another version"
            raise UserError(message) from error
        rows = [np.moveaxis(row, 1, -1) if row.ndim == PICTURE_AXES else row for row in rows]
        return {name: row.ravel() for name, row in zip(self.outputs, rows, strict=True)}


class LitertNetwork:
    """A network run by LiteRT."""

    def __init__(self, model: Path) -> None:
        from ai_edge_litert.interpreter import Interpreter  # noqa: PLC0415  # the extra [fast]

        try:
            net = Interpreter(model_content=model.read_bytes(), num_threads=1)
            net.allocate_tensors()
        except (OSError, RuntimeError, ValueError) as error:
            message = f"{model} is not a network that LiteRT can load: fetch the bundle again, or update rushes"
            raise UserError(message) from error
        self._model, self._net, self._input = model, net, net.get_input_details()[0]["index"]
        self._indices = {one["name"]: one["index"] for one in net.get_output_details()}
        self.outputs = tuple(self._indices)

    def run(self, given: np.ndarray) -> dict[str, np.ndarray]:
        """See `TfliteNetwork`."""
        net = self._net
        try:
            net.set_tensor(self._input, given)
            net.invoke()
        except (RuntimeError, ValueError) as error:
            message = f"{self._model} does not run with LiteRT: pull another version"
            raise UserError(message) from error
        return {name: net.get_tensor(index).ravel() for name, index in self._indices.items()}
