"""Small, well-formed graphs that are expensive to run, and a graph that computes as a processor without VNNI."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

if TYPE_CHECKING:
    from pathlib import Path

PICTURES = helper.make_tensor_value_info("pictures", TensorProto.UINT8, ["N", 48, 48, 1])
SHARES = helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["N", 3])
OPSETS = [helper.make_opsetid("", 17)]


def save(
    path: Path, nodes: list, constants: dict[str, np.ndarray], *, functions=(), inputs=(PICTURES,), outputs=(SHARES,)
):
    """Writes a graph to a file."""
    weights = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, "hostile", list(inputs), list(outputs), weights)
    opsets = OPSETS + [helper.make_opsetid("bomb", 1)] * bool(functions)
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=9, functions=list(functions)), path)


def endless_loop(path: Path) -> None:
    """2^62 iterations, each nearly free."""
    turn = [
        helper.make_node("Identity", ["go"], ["go_on"]),
        helper.make_node("Add", ["sum", "one"], ["more"]),
    ]
    body = helper.make_graph(
        turn,
        "turn",
        [
            helper.make_tensor_value_info("turn", TensorProto.INT64, []),
            helper.make_tensor_value_info("go", TensorProto.BOOL, []),
            helper.make_tensor_value_info("sum", TensorProto.FLOAT, [1]),
        ],
        [
            helper.make_tensor_value_info("go_on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("more", TensorProto.FLOAT, [1]),
        ],
    )
    nodes = [
        helper.make_node("Cast", ["pictures"], ["cast"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["cast"], ["mean"], axes=[0, 1, 2, 3], keepdims=0),
        helper.make_node("Reshape", ["mean", "shape"], ["start"]),
        helper.make_node("Loop", ["turns", "yes", "start"], ["end"], body=body),
        helper.make_node("Expand", ["end", "three"], ["probabilities"]),
    ]
    constants = {"turns": np.array(1 << 62), "yes": np.array(True), "one": np.ones(1, np.float32)}
    save(path, nodes, constants | {"shape": np.array([1]), "three": np.array([1, 3])})


def function_bomb(path: Path, depth: int = 40) -> None:
    """Functions that each call the next one twice: 2^40 nodes once inlined."""
    functions = []
    for level in range(depth):
        last = level == depth - 1
        call = (
            [helper.make_node("Neg", ["x"], ["y"])]
            if last
            else [
                helper.make_node(f"f{level + 1}", ["x"], ["half"], domain="bomb"),
                helper.make_node(f"f{level + 1}", ["half"], ["y"], domain="bomb"),
            ]
        )
        functions.append(
            helper.make_function("bomb", f"f{level}", ["x"], ["y"], call, [*OPSETS, helper.make_opsetid("bomb", 1)])
        )
    nodes = [
        helper.make_node("Cast", ["pictures"], ["cast"], to=TensorProto.FLOAT),
        helper.make_node("f0", ["cast"], ["probabilities"], domain="bomb"),
    ]
    save(path, nodes, {}, functions=functions)


def giant(path: Path) -> None:
    """A number, expanded to four gibibytes, which a workstation can allocate once."""
    nodes = [
        helper.make_node("Cast", ["pictures"], ["cast"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["cast"], ["mean"], axes=[1, 2, 3], keepdims=0),
        helper.make_node("Expand", ["mean", "shape"], ["wide"]),
        helper.make_node("ReduceSum", ["wide", "axes"], ["sum"], keepdims=0),
        helper.make_node("Expand", ["sum", "three"], ["probabilities"]),
    ]
    save(path, nodes, {"shape": np.array([1 << 30, 1]), "axes": np.array([0]), "three": np.array([1, 3])})


HOSTILE = {"loop": endless_loop, "functions": function_bomb, "giant": giant}


def int8_layer(path: Path, *, saturating: bool, native: bool = False, pixels: int = 48 * 48, seed: int = 0) -> None:
    """A layer of U8S8 products: summed in 32 bits, or in pairs of 16 bits that saturate (VPMADDUBSW, without VNNI).

    Both are simulated in floating point, with the same results on every processor; `native` uses the processor's own.
    """
    weights = np.random.default_rng(seed).integers(-127, 128, (pixels, 3)).astype(np.int8)
    nodes = [helper.make_node("Reshape", ["pictures", "rows"], ["flat"])]
    if native:
        nodes.append(helper.make_node("MatMulInteger", ["flat", "weights"], ["sums"]))
    else:
        nodes += _in_pairs() if saturating else _in_double()
    nodes += [
        helper.make_node("Cast", ["sums"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["float", "scale"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1),
    ]
    constants = {"rows": np.array([-1, pixels]), "weights": weights, "scale": np.array(2e-6, np.float32)}
    if saturating:
        constants |= {"pairs": np.array([-1, pixels // 2, 2]), "low": np.array(-32768.0, np.float32)}
        constants |= {"high": np.array(32767.0, np.float32), "axis": np.array([1])}
        constants["weights"] = weights.reshape(pixels // 2, 2, 3)
    save(path, nodes, constants)


def _in_double() -> list:
    """N,K times K,3: a double represents every sum of such products exactly."""
    return [
        helper.make_node("Cast", ["flat"], ["x"], to=TensorProto.DOUBLE),
        helper.make_node("Cast", ["weights"], ["w"], to=TensorProto.DOUBLE),
        helper.make_node("MatMul", ["x", "w"], ["sums"]),
    ]


def _in_pairs() -> list:
    """N,K,2 times K,2,3: each product of two is cut to 16 bits before the sum over K."""
    return [
        helper.make_node("Reshape", ["flat", "pairs"], ["paired"]),
        helper.make_node("Cast", ["paired"], ["x"], to=TensorProto.FLOAT),
        helper.make_node("Cast", ["weights"], ["w"], to=TensorProto.FLOAT),
        helper.make_node("Einsum", ["x", "w"], ["products"], equation="nkp,kpo->nko"),
        helper.make_node("Min", ["products", "high"], ["below"]),
        helper.make_node("Max", ["below", "low"], ["cut"]),
        helper.make_node("ReduceSum", ["cut", "axis"], ["sums"], keepdims=0),
    ]
