"""The reference outputs of a certificate, and how far another machine may be from them: by measurement."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import onnxruntime

from compression.measure.outputs import read_parity
from rushes.bundle.manifest import References, Tolerance
from rushes.inference.graph_guard import read_graph
from rushes.inference.reference_outputs import SAMPLES, Drift, drift, pack
from rushes.inference.session import REQUANTISES, open_graph

if TYPE_CHECKING:
    from pathlib import Path

    from compression.measure.outputs import Arrays

MAX_BYTES = 8 << 20  # of the arrays; larger samples are fewer
# The most that computing in another way changes here, times this. Fused int8 kernels and the same graph in float
# are further apart than two processors are with the same instructions.
MARGIN = 4.0
LEAST = Tolerance(max=0.01, rms=0.002)  # float32 rounding in long sums, and a level of a picture (1/255 = 0.004)
MOST = Tolerance(max=0.2, rms=0.03)  # more than that is not rounding


def references(graph: Path, folder: Path) -> References:
    """Outputs of a graph for samples of the validation split, and the tolerance for another machine.

    Args:
        graph: The compressed graph.
        folder: Of the float graph that it was made from, with parity.npz.
    """
    inputs = _few(read_parity(folder)[0])
    truth = _outputs(open_graph(graph), inputs)
    measured = _measured(graph, inputs, truth)
    return References(
        samples=len(next(iter(inputs.values()))),
        tolerance={name: tolerated(one) for name, one in measured.items()},
        measured={name: Tolerance(max=one.max, rms=one.rms) for name, one in measured.items()},
        arrays=pack(inputs, truth),
    )


def _few(inputs: Arrays) -> Arrays:
    """The first 32 samples, or as many as the space allows."""
    one_bytes = sum(value[:1].nbytes for value in inputs.values())
    count = max(1, min(SAMPLES, MAX_BYTES // max(1, one_bytes)))
    return {name: value[:count] for name, value in inputs.items()}


def _outputs(session: onnxruntime.InferenceSession, inputs: Arrays) -> Arrays:
    return dict(zip((node.name for node in session.get_outputs()), session.run(None, inputs), strict=True))


def _measured(graph: Path, inputs: Arrays, truth: Arrays) -> dict[str, Drift]:
    """The largest drift of each output when the same graph is computed in other ways."""
    levels = onnxruntime.GraphOptimizationLevel
    others = [open_graph(graph, threads=2)]
    others += [_unfused(graph, level) for level in (levels.ORT_DISABLE_ALL, levels.ORT_ENABLE_BASIC)]
    drifts = [{name: drift(value, truth[name]) for name, value in _outputs(one, inputs).items()} for one in others]
    return {name: Drift(max(one[name].max for one in drifts), max(one[name].rms for one in drifts)) for name in truth}


def _unfused(graph: Path, level: object) -> onnxruntime.InferenceSession:
    """The graph with its quantised nodes apart: they then compute in float, and round elsewhere."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    options.graph_optimization_level = level
    return onnxruntime.InferenceSession(
        read_graph(graph), options, providers=["CPUExecutionProvider"], disabled_optimizers=[REQUANTISES]
    )


def tolerated(measured: Drift) -> Tolerance:
    """Tolerance for another machine, from the difference between two ways of computing on this one."""
    most = float(np.clip(MARGIN * measured.max, LEAST.max, MOST.max))
    return Tolerance(max=most, rms=float(np.clip(MARGIN * measured.rms, LEAST.rms, MOST.rms)))
