"""Multiply-adds of one sample, counted from the graph's own shapes; the same on any machine."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import onnx
import onnxruntime

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    import numpy as np

Shape = tuple[int, ...]
# Operators of each kind, as exports and quantisation write them; their first inputs and output lie alike.
_CONVOLUTIONS = ("Conv", "ConvInteger")
_PRODUCTS = ("MatMul", "MatMulInteger", "Gemm")
_RECURRENT = ("LSTM", "GRU", "RNN", "DynamicQuantizeLSTM")
# In an operator's name: it multiplies a good deal, and where it is none of the above its cost is not known here.
_HEAVY = ("Conv", "MatMul", "Gemm", "LSTM", "GRU", "RNN", "Attention", "Einsum")
_NESTED = ("If", "Loop", "Scan")


def multiply_adds(path: Path, feed: Mapping[str, np.ndarray]) -> int | None:
    """The multiply-adds of one call: those of convolutions, products of matrices and recurrent layers.

    What adds, scales or moves numbers one by one is left out, as is usual (Sze et al. 2017, arXiv 1703.09039). Shapes
    are those of a run, since shapes of quantised operators cannot be inferred; an int8 multiplication counts as one.

    Args:
        path: The graph.
        feed: What goes in; its first axis is the number of samples.

    Returns:
        How many; None where the graph has an operator whose cost is not known here, or graphs within it.
    """
    model = onnx.load(path)
    counted = {node.output[0]: node for node in model.graph.node if node.op_type in _COUNTS}
    if any(node.op_type not in _COUNTS and _is_heavy(node.op_type) for node in model.graph.node):
        return None
    wanted = {name for node in counted.values() for name in (*node.input[:3], node.output[0]) if name}
    shapes = _shapes(model, wanted, feed)
    return sum(_COUNTS[node.op_type](node, shapes) for node in counted.values())


def _is_heavy(operator: str) -> bool:
    return operator in _NESTED or any(word in operator for word in _HEAVY)


def _shapes(model: onnx.ModelProto, wanted: set[str], feed: Mapping[str, np.ndarray]) -> dict[str, Shape]:
    """The shape of each tensor: that in the file, or what it has when the graph runs unoptimised."""
    shapes = {tensor.name: tuple(tensor.dims) for tensor in model.graph.initializer}
    shapes |= {name: value.shape for name, value in feed.items()}
    given = {output.name for output in model.graph.output}
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in sorted(wanted - set(shapes) - given))
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads, options.log_severity_level = 1, 3
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return shapes | {name: value.shape for name, value in zip(names, session.run(names, dict(feed)), strict=True)}


def _convolution(node: onnx.NodeProto, shapes: Mapping[str, Shape]) -> int:
    """Each number that comes out has one product a weight of its filter."""
    return math.prod(shapes[node.output[0]]) * math.prod(shapes[node.input[1]][1:])


def _transposed(node: onnx.NodeProto, shapes: Mapping[str, Shape]) -> int:
    """Each number that goes in is multiplied by every weight that starts from its channel."""
    return math.prod(shapes[node.input[0]]) * math.prod(shapes[node.input[1]][1:])


def _product(node: onnx.NodeProto, shapes: Mapping[str, Shape]) -> int:
    """Each number that comes out is a row by a column."""
    turned = any(one.name == "transA" and one.i for one in node.attribute)
    return math.prod(shapes[node.output[0]]) * shapes[node.input[0]][0 if turned else -1]


def _recurrent(node: onnx.NodeProto, shapes: Mapping[str, Shape]) -> int:
    """Every step multiplies by all weights, of the input and of the state, once a sample."""
    steps, samples = shapes[node.input[0]][:2]
    return steps * samples * (math.prod(shapes[node.input[1]]) + math.prod(shapes[node.input[2]]))


_COUNTS: dict[str, Callable[[onnx.NodeProto, Mapping[str, Shape]], int]] = {
    **dict.fromkeys(_CONVOLUTIONS, _convolution),
    **dict.fromkeys(_PRODUCTS, _product),
    **dict.fromkeys(_RECURRENT, _recurrent),
    "ConvTranspose": _transposed,
}
