"""How long one sample takes, models measured in turns: A, B, A, B. What slows one of them then slows the other too."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np
import onnxruntime

from rushes.graph_file import read_graph

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

WARM_UPS = 3
THREADS = (1, 2)
PERCENTILES = (50, 95, 99)
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


def open_graph(path: Path, threads: int = 1) -> onnxruntime.InferenceSession:
    """A graph on the CPU, on one thread unless told otherwise (0: all). The one door to ONNX Runtime.

    Raises:
        BundleError: It keeps data outside its file or wants custom operators; see `rushes.graph_file`.
    """
    onnxruntime.disable_telemetry_events()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.log_severity_level = 3
    options.add_session_config_entry("session.load_model_format", "ONNX")  # else bytes may be another format
    return onnxruntime.InferenceSession(read_graph(path), options, providers=["CPUExecutionProvider"])


def signature(session: onnxruntime.InferenceSession) -> dict[str, list[dict[str, object]]]:
    """What goes in and what comes out: name, NumPy type and shape of each tensor, -1 for an axis of any length."""
    return {
        "inputs": [_describe(node) for node in session.get_inputs()],
        "outputs": [_describe(node) for node in session.get_outputs()],
    }


def _describe(node: onnxruntime.NodeArg) -> dict[str, object]:
    kind = _TYPES.get(node.type)
    shape = [axis if isinstance(axis, int) else -1 for axis in node.shape]
    return {"name": node.name, "type": node.type if kind is None else np.dtype(kind).name, "shape": shape}


def example_feed(session: onnxruntime.InferenceSession, seed: int = 0) -> dict[str, np.ndarray]:
    """One sample that the graph accepts, made of small random numbers; axes of any length get length 1.

    Raises:
        ValueError: An input is of a type that has no such sample, such as strings.
    """
    random = np.random.default_rng(seed)
    feed: dict[str, np.ndarray] = {}
    for node in session.get_inputs():
        if node.type not in _TYPES:
            message = f"input {node.name!r} is a {node.type}; there is no example for it"
            raise ValueError(message)
        shape = [axis if isinstance(axis, int) else 1 for axis in node.shape]
        # 0 and 1 are legal in any input: a picture, a mask, a token, a state.
        feed[node.name] = random.integers(0, 2, size=shape).astype(_TYPES[node.type])
    return feed


def interleaved_latency_ms(
    paths: Mapping[str, Path], feeds: Mapping[str, Mapping[str, np.ndarray]] | None = None, runs: int = 30
) -> dict[str, float]:
    """The median time of one call of each graph, on one thread, the graphs taking turns.

    Args:
        paths: The graphs, by name.
        feeds: What each is fed, by the same names; `example_feed` where left out.
        runs: Turns that count; three more go before them.

    Returns:
        Milliseconds by name.
    """
    return {name: float(np.median(taken_ms)) for name, taken_ms in _turns_ms(paths, feeds, 1, runs).items()}


def interleaved_percentiles_ms(
    paths: Mapping[str, Path],
    feeds: Mapping[str, Mapping[str, np.ndarray]] | None = None,
    threads: Sequence[int] = THREADS,
    runs: int = 200,
) -> dict[str, dict[str, dict[str, float]]]:
    """How the times of one call of each graph are spread, the graphs taking turns.

    First all turns on one number of threads, then on the next: a pool that waits for work would slow the others.

    Args:
        paths: The graphs, by name.
        feeds: What each is fed, by the same names; `example_feed` where left out.
        threads: Numbers of threads.
        runs: Turns that count, on each; of 200, two are slower than the 99th percentile.

    Returns:
        Milliseconds as name -> threads ("1", "2") -> "p50", "p95", "p99".
    """
    spread: dict[str, dict[str, dict[str, float]]] = {name: {} for name in paths}
    for count in threads:
        for name, taken_ms in _turns_ms(paths, feeds, count, runs).items():
            spread[name][str(count)] = {f"p{part}": float(np.percentile(taken_ms, part)) for part in PERCENTILES}
    return spread


def _turns_ms(
    paths: Mapping[str, Path], feeds: Mapping[str, Mapping[str, np.ndarray]] | None, threads: int, runs: int
) -> dict[str, list[float]]:
    sessions = {name: open_graph(path, threads) for name, path in paths.items()}
    fed = {name: (feeds or {}).get(name) or example_feed(session) for name, session in sessions.items()}
    taken_ms: dict[str, list[float]] = {name: [] for name in sessions}
    for _ in range(WARM_UPS + runs):
        for name, session in sessions.items():
            start = time.perf_counter_ns()
            session.run(None, fed[name])
            taken_ms[name].append((time.perf_counter_ns() - start) / 1e6)
    return {name: times[WARM_UPS:] for name, times in taken_ms.items()}
