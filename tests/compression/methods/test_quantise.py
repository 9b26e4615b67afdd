"""Quantised graphs compute the same on every processor, and float layers stay float when they run."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from compression.methods.quantise import quantise_dynamic, quantise_prepared
from rushes.inference.session import open_graph

REDUCED = 64  # 2 x 64 x 255 fits 16 bits, where a processor without VNNI adds two products


def chain(path, *weights_oi):
    """A chain of 1x1 convolutions, named by their place."""
    nodes = [
        helper.make_node("Conv", [f"t{number}", f"w{number}"], [f"t{number + 1}"], name=f"conv{number}")
        for number in range(len(weights_oi))
    ]
    tensors = [
        numpy_helper.from_array(np.float32(weight).reshape(*np.shape(weight), 1, 1), f"w{number}")
        for number, weight in enumerate(weights_oi)
    ]
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", 2, 4, 4]) for name in ("t0", f"t{len(weights_oi)}")
    ]
    graph = helper.make_graph(nodes, "chain", ends[:1], ends[1:], tensors)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


def weights_of(path):
    """Largest magnitudes of the int8 weights of a graph."""
    tensors = onnx.load(path).graph.initializer
    arrays = [numpy_helper.to_array(one) for one in tensors if one.data_type == TensorProto.INT8]
    return [most for one in arrays if (most := int(np.abs(one.astype(int)).max()))]  # zero points are 0


@pytest.fixture
def feeds():
    pictures_nchw = np.random.default_rng(0).random((32, 2, 4, 4), np.float32)
    pictures_nchw[:, 0] = 0
    return [{"t0": one[None]} for one in pictures_nchw]


def test_weights_use_seven_bits(tmp_path, feeds):
    """With a static and with a dynamic scale."""
    source = chain(tmp_path / "f.onnx", [[3.0, -1.0], [0.5, 2.0]])
    quantise_prepared(source, tmp_path / "s.onnx", feeds)

    nodes = [helper.make_node("MatMul", ["x", "w"], ["y"])]
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 4]) for name in ("x", "y")]
    weight = numpy_helper.from_array(np.float32(np.linspace(-1, 1, 16)).reshape(4, 4), "w")
    model = helper.make_model(
        helper.make_graph(nodes, "matmul", ends[:1], ends[1:], [weight]),
        opset_imports=[helper.make_opsetid("", 17)], ir_version=8,
    )  # fmt: skip
    onnx.save(model, tmp_path / "m.onnx")
    quantise_dynamic(tmp_path / "m.onnx", tmp_path / "d.onnx")

    assert weights_of(tmp_path / "s.onnx") == [REDUCED]
    assert weights_of(tmp_path / "d.onnx") == [REDUCED]


def test_a_float_layer_between_int8_layers_is_computed_in_float(tmp_path, feeds):
    """Its small weights stand beside large ones, on a channel that is always 0: in int8 they would be 0."""
    source = chain(tmp_path / "f.onnx", [[1, 0], [0, 1]], [[1000, 0.5], [1000, 0.5]], [[1, 0], [0, 1]])
    quantise_prepared(source, tmp_path / "q.onnx", feeds, excluded=["conv1"])
    session, truth = open_graph(tmp_path / "q.onnx"), open_graph(source)

    found, true = ([one.run(None, feed)[0] for feed in feeds] for one in (session, truth))
    np.testing.assert_allclose(found, true, atol=0.02)
