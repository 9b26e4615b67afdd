"""Runs .tflite networks: with ONNX Runtime, with OpenCV, or with LiteRT, which is the wheel's extra [fast].

ONNX Runtime runs a translation (`rushes.inference.tflite_to_onnx`) in less than half of OpenCV's time. On one thread of
a Xeon (AVX-512; medians of 9 interleaved rounds, under load) with OpenCV 5.0, ONNX Runtime 1.32 and LiteRT 2.3: the
landmark network takes 10.8, 4.8 and 5.7 ms, the short-range detector 2.7, 1.3 and 1.2 ms, the full-range one 8.7, 3.8
and 3.8 ms, the network of the units 2.4, 0.8 and 0.7 ms.
"""

from __future__ import annotations

import importlib.util
import os
import struct
import tempfile
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Literal, Protocol

import cv2
import numpy as np

from rushes.bundle.manifest import BundleError
from rushes.errors import MisuseError, UserError
from rushes.inference.session import open_content, run_graph
from rushes.inference.tflite_file import UntranslatedError, parse_tflite
from rushes.inference.tflite_to_onnx import to_onnx

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CLASSIC = "ENGINE_CLASSIC"
PICTURE_AXES = 4  # of an input of pictures, N,H,W,C
STDERR = 2
Backend = Literal["onnx", "opencv", "litert"]


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
    """Libraries that are installed; OpenCV, which reads most networks, is the last."""
    return ("onnx", "opencv") if importlib.util.find_spec("ai_edge_litert") is None else ("litert", "onnx", "opencv")


def open_tflite(model: Path, backend: Backend) -> TfliteNetwork:
    """Opens a network on one thread.

    A network that ONNX Runtime cannot run, since it is of a kind that is not translated, runs with OpenCV.

    Raises:
        MisuseError: LiteRT is asked for and not installed.
        UserError: The network cannot be loaded.
    """
    if backend not in backends():
        message = (
            "LiteRT is not installed: pip install ai-edge-litert (the wheel's extra [fast]), or use another --backend"
        )
        raise MisuseError(message)
    if backend == "litert":
        return LitertNetwork(model)
    if backend == "onnx":
        with suppress(UntranslatedError):
            return OnnxNetwork(model)
    return OpencvNetwork(model)


class OnnxNetwork:
    """A network translated to ONNX and run by ONNX Runtime.

    Raises:
        UserError: The file is something else.
        UntranslatedError: It is a network of a kind that is not translated.
    """

    def __init__(self, model: Path) -> None:
        try:
            network = parse_tflite(model.read_bytes())
        except (OSError, ValueError, LookupError, struct.error) as error:
            message = f"{model} is not a network that ONNX Runtime can load: fetch the bundle again, or update rushes"
            raise UserError(message) from error
        try:
            self._model, self._session = model, open_content(to_onnx(network), model)
        except (BundleError, ValueError, LookupError) as error:  # tensors or shapes that no translated network has
            message = f"{model} is not translated"
            raise UntranslatedError(message) from error
        self._input = self._session.get_inputs()[0].name
        self.outputs = tuple(output.name for output in self._session.get_outputs())

    def run(self, given: np.ndarray) -> dict[str, np.ndarray]:
        """See `TfliteNetwork`."""
        rows = run_graph(self._session, self.outputs, {self._input: given}, self._model)
        return {name: row.ravel() for name, row in zip(self.outputs, rows, strict=True)}


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
            with without_info():
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


@contextmanager
def without_info() -> Iterator[None]:
    """Context in which LiteRT prints no INFO line, which its first network has; all else is printed at the end.

    Its log has no level that Python could set (google-ai-edge/LiteRT#7420).
    """
    with tempfile.TemporaryFile() as kept:
        try:
            stderr = os.dup(STDERR)
        except OSError:  # there is none
            yield
            return
        os.dup2(kept.fileno(), STDERR)
        try:
            yield
        finally:
            os.dup2(stderr, STDERR)
            os.close(stderr)
            kept.seek(0)
            rest = b"".join(line for line in kept if not line.startswith(b"INFO: "))
            with suppress(OSError):  # a full disk
                os.write(STDERR, rest)
