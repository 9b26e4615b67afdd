"""Float graphs to int8: static with QDQ and a scale per channel for convolutions, dynamic for recurrent layers.

Weights use 7 of the 8 bits. Processors without VNNI add two products of an 8-bit weight and an 8-bit activation in 16
bits, which saturate: on AVX2 the starter's expression network lost 0.040 of its macro F1 with 8 bits and nothing with
7. A bundle runs on other machines than the one that made it, so the choice does not depend on this one.
(https://onnxruntime.ai/docs/performance/model-optimizations/quantization.html, "When and why do I need to try U8U8?")
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import onnx
from onnxruntime import quantization
from onnxruntime.quantization.shape_inference import quant_pre_process

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy as np

    from models.family import Calibration

# Of a generator's, LeakyRelu is worth 4 % of its time and costs nothing that shows; Resize would gain no time and cost
# 0.4 dB.
OPERATIONS = ("Conv", "Gemm", "MatMul", "Add", "Relu", "LeakyRelu", "AveragePool", "GlobalAveragePool")


class Feeds(quantization.CalibrationDataReader):
    """Hands calibration its feeds, one after another."""

    def __init__(self, feeds: Sequence[dict[str, np.ndarray]]) -> None:
        self._feeds: Iterator[dict[str, np.ndarray]] = iter(feeds)

    def get_next(self) -> dict[str, np.ndarray] | None:
        """The next feed, or None at the end; ONNX Runtime calls this."""
        return next(self._feeds, None)


METHODS = {
    "minmax": quantization.CalibrationMethod.MinMax,
    "entropy": quantization.CalibrationMethod.Entropy,
    "percentile": quantization.CalibrationMethod.Percentile,
}


def quantise_static(
    source: Path,
    target: Path,
    feeds: Sequence[dict[str, np.ndarray]],
    kept_float: Sequence[str] = (),
    calibration: Calibration = "minmax",
    float_layers: Sequence[str] = (),
) -> Path:
    """Writes a convolutional graph in int8.

    Weights are symmetric in 7 bits with a scale a channel, activations asymmetric with the range seen on the feeds.

    Args:
        source: The float graph.
        target: Where the int8 graph goes.
        feeds: What the graph is run on to see the ranges of its activations; none of it from the test split.
        kept_float: What the names of nodes begin with that stay float.
        calibration: The range that counts: all that was seen (minmax), the most informative part (entropy), or all
            but the outermost thousandth of a hundredth (percentile).
        float_layers: The names of single nodes that stay float as well.

    Raises:
        ValueError: No node's name begins with any of them: the network has changed, and the family does not know.
    """
    with tempfile.TemporaryDirectory() as scratch:
        prepared = prepare(source, Path(scratch))
        excluded = [*_named(prepared, kept_float), *float_layers]
        quantise_prepared(prepared, target, feeds, calibration, excluded=excluded)
    return target


def prepare(source: Path, folder: Path) -> Path:
    """Writes a float graph as quantisation expects it, with everything folded that can be."""
    prepared = folder / "prepared.onnx"
    quant_pre_process(str(source), str(prepared), skip_symbolic_shape=True)
    return prepared


def quantise_prepared(
    prepared: Path,
    target: Path,
    feeds: Sequence[dict[str, np.ndarray]],
    calibration: Calibration = "minmax",
    *,
    excluded: Sequence[str] = (),
    only: Sequence[str] = (),
) -> None:
    """Writes a prepared graph in int8: all nodes but the excluded ones, or some alone."""
    quantization.quantize_static(
        str(prepared),
        str(target),
        Feeds(feeds),
        quant_format=quantization.QuantFormat.QDQ,
        per_channel=True,
        reduce_range=True,
        activation_type=quantization.QuantType.QUInt8,
        weight_type=quantization.QuantType.QInt8,
        op_types_to_quantize=list(OPERATIONS),
        calibrate_method=METHODS[calibration],
        nodes_to_quantize=list(only),
        nodes_to_exclude=list(excluded),
    )


def _named(path: Path, beginnings: Sequence[str]) -> list[str]:
    """The nodes of a graph whose names begin so."""
    names = [node.name for node in onnx.load(path, load_external_data=False).graph.node]
    found = [name for name in names if name.startswith(tuple(beginnings))]
    if beginnings and not found:
        message = f"no node begins with {' or '.join(beginnings)}, which is to stay float; there are {', '.join(names)}"
        raise ValueError(message)
    return found


def quantise_dynamic(source: Path, target: Path) -> Path:
    """Writes a recurrent graph with int8 weights and activations that are scaled as it runs."""
    quantization.quantize_dynamic(str(source), str(target), per_channel=True, reduce_range=True)
    return target
