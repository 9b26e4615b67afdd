"""ONNX Runtime sessions: opening a graph of a bundle, describing its inputs and outputs, and running it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import onnxruntime

from rushes.bundle.manifest import BundleError
from rushes.inference.graph_guard import read_graph

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

_TYPES = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(double)": np.float64,
    "tensor(uint8)": np.uint8,
    "tensor(int8)": np.int8,
    "tensor(int32)": np.int32,
    "tensor(int64)": np.int64,
    "tensor(bool)": np.bool_,
}

# Quantises layers that a bundle keeps in float, with 8-bit weights that saturate without VNNI: on AVX2 a student with
# two float layers fell from a macro F1 of 0.960 to 0.717 (ONNX Runtime 1.32).
REQUANTISES = "WeightBiasQuantization"


def open_graph(path: Path, threads: int = 1) -> onnxruntime.InferenceSession:
    """Opens a session for a graph on the CPU; the only place that opens graphs.

    Args:
        path: The graph.
        threads: Threads within an operator; 0 for one per core.

    Raises:
        BundleError: The graph refers to data outside its file or needs custom operators
            (`rushes.inference.graph_guard`), or ONNX Runtime cannot load it.
    """
    return open_content(read_graph(path), path, threads)


def open_content(content: bytes, path: Path, threads: int = 1) -> onnxruntime.InferenceSession:
    """Opens a session for a graph that `read_graph` has read, or that was made here.

    Args:
        content: The graph.
        path: Its file, for the message.
        threads: As of `open_graph`.

    Raises:
        BundleError: ONNX Runtime cannot load it.
    """
    onnxruntime.disable_telemetry_events()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.log_severity_level = 3
    # Waiting threads would spin and occupy cores: with another process running, 32 faces took 85 ms with spinning and
    # 52 ms without; one face took about the same time (0.66 and 0.67 ms, two threads).
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # Without this the bytes may be read as another format.
    options.add_session_config_entry("session.load_model_format", "ONNX")
    try:
        return onnxruntime.InferenceSession(
            content, options, providers=["CPUExecutionProvider"], disabled_optimizers=[REQUANTISES]
        )
    except Exception as error:  # ONNX Runtime's errors share no base class
        message = (
            f"{path} is not a graph that ONNX Runtime {onnxruntime.__version__} can run: update rushes, or fetch the "
            f"bundle again ({_line(error)})"
        )
        raise BundleError(message) from error


def run_graph(
    session: onnxruntime.InferenceSession, outputs: Sequence[str] | None, feed: Mapping[str, np.ndarray], path: Path
) -> list[Any]:
    """Runs a graph once and returns its outputs.

    Args:
        session: A session from `open_graph`.
        outputs: Names of the outputs; all if None.
        feed: Inputs by name.
        path: Path of the graph, for the message.

    Raises:
        BundleError: The graph does not accept these inputs, or fails.
    """
    try:
        return list(session.run(outputs, dict(feed)))
    except MemoryError:
        raise
    except Exception as error:  # ONNX Runtime's errors share no base class
        message = f"{path} cannot be run with what the manifest describes: {_line(error)}"
        raise BundleError(message) from error


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]


def signature(session: onnxruntime.InferenceSession) -> dict[str, list[dict[str, object]]]:
    """Name, NumPy type and shape of each input and output tensor, with -1 for an axis of any length."""
    return {
        "inputs": [_describe(node) for node in session.get_inputs()],
        "outputs": [_describe(node) for node in session.get_outputs()],
    }


def _describe(node: onnxruntime.NodeArg) -> dict[str, object]:
    kind = _TYPES.get(node.type)
    shape = [axis if isinstance(axis, int) else -1 for axis in node.shape]
    return {"name": node.name, "type": node.type if kind is None else np.dtype(kind).name, "shape": shape}


def example_feed(session: onnxruntime.InferenceSession) -> dict[str, np.ndarray]:
    """Generates one sample that the graph accepts, of random zeros and ones; axes of any length get length 1.

    Raises:
        BundleError: An input has a type for which there is no such sample, such as strings.
    """
    random = np.random.default_rng(0)
    feed: dict[str, np.ndarray] = {}
    for node in session.get_inputs():
        if node.type not in _TYPES:
            message = f"input {node.name!r} is a {node.type}; no example can be made for it"
            raise BundleError(message)
        shape = [axis if isinstance(axis, int) else 1 for axis in node.shape]
        # 0 and 1 are valid in any input: a picture, a mask, a token, a state.
        feed[node.name] = random.integers(0, 2, size=shape).astype(_TYPES[node.type])
    return feed
