"""Float graphs to int8: static with QDQ and a scale per channel for convolutions, dynamic for recurrent layers."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from onnxruntime import quantization
from onnxruntime.quantization.shape_inference import quant_pre_process

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy as np


class Feeds(quantization.CalibrationDataReader):
    """Hands calibration its feeds, one after another."""

    def __init__(self, feeds: Sequence[dict[str, np.ndarray]]) -> None:
        self._feeds: Iterator[dict[str, np.ndarray]] = iter(feeds)

    def get_next(self) -> dict[str, np.ndarray] | None:
        """The next feed, or None at the end; ONNX Runtime calls this."""
        return next(self._feeds, None)


def quantise_static(source: Path, target: Path, feeds: Sequence[dict[str, np.ndarray]]) -> Path:
    """Writes the int8 form of a convolutional graph.

    Weights are symmetric with a scale a channel, activations asymmetric with the range seen on the feeds.

    Args:
        source: The float graph.
        target: Where the int8 graph goes.
        feeds: What the graph is run on to see the ranges of its activations; none of it from the test split.
    """
    with tempfile.TemporaryDirectory() as scratch:
        prepared = Path(scratch) / "prepared.onnx"
        quant_pre_process(str(source), str(prepared), skip_symbolic_shape=True)
        quantization.quantize_static(
            str(prepared),
            str(target),
            Feeds(feeds),
            quant_format=quantization.QuantFormat.QDQ,
            per_channel=True,
            activation_type=quantization.QuantType.QUInt8,
            weight_type=quantization.QuantType.QInt8,
            op_types_to_quantize=["Conv", "Gemm", "MatMul", "Add", "Relu", "AveragePool", "GlobalAveragePool"],
        )
    return target


def quantise_dynamic(source: Path, target: Path) -> Path:
    """Writes the form of a recurrent graph whose weights are int8 and whose activations are scaled as it runs."""
    quantization.quantize_dynamic(str(source), str(target), per_channel=True)
    return target
