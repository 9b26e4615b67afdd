"""Sensitivity of each layer to int8: it is quantised alone, and the outputs are compared with the float graph's."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import onnx
from tqdm import tqdm

from compression.methods.quantise import prepare, quantise_prepared
from rushes.inference.session import open_graph

if TYPE_CHECKING:
    from collections.abc import Sequence

LAYERS = ("Conv", "Gemm", "MatMul")
SAMPLES = 128  # calibration samples, about, are enough to rank layers by


def sensitivities(source: Path, feeds: Sequence[dict[str, np.ndarray]], kept_float: Sequence[str]) -> dict[str, float]:
    """Change in the outputs of a float graph when one layer alone is in int8, for each layer.

    Args:
        source: The float graph.
        feeds: What it is run on; some of them suffice.
        kept_float: What the names of nodes begin with that stay float anyway, and are not looked at.

    Returns:
        By the name of a layer's node the mean absolute difference of the first output; the most hurt first.
    """
    some = _some(feeds)
    with tempfile.TemporaryDirectory() as scratch:
        prepared, alone = prepare(source, Path(scratch)), Path(scratch) / "alone.onnx"
        truth = _outputs(prepared, some)
        found = {}
        for layer in tqdm(_layers(prepared, kept_float), desc="sensitivity", unit="layer", disable=None, leave=False):
            quantise_prepared(prepared, alone, some, only=(layer,))
            found[layer] = float(np.abs(_outputs(alone, some) - truth).mean())
    return dict(sorted(found.items(), key=lambda pair: -pair[1]))


def _some(feeds: Sequence[dict[str, np.ndarray]]) -> list[dict[str, np.ndarray]]:
    counts = np.cumsum([len(next(iter(feed.values()))) for feed in feeds])
    return list(feeds[: int(np.searchsorted(counts, SAMPLES)) + 1])


def _layers(path: Path, kept_float: Sequence[str]) -> list[str]:
    nodes = onnx.load(path).graph.node
    return [node.name for node in nodes if node.op_type in LAYERS and not node.name.startswith(tuple(kept_float))]


def _outputs(path: Path, feeds: Sequence[dict[str, np.ndarray]]) -> np.ndarray:
    session = open_graph(path, threads=0)
    return np.concatenate([session.run(None, feed)[0] for feed in feeds]).astype(np.float64)
