"""Multiply-adds by hand, compared with those counted from graphs of each kind."""

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from compression.measure.multiply_adds import multiply_adds
from compression.methods.quantise import quantise_dynamic, quantise_static


class Recurrent(torch.nn.Module):
    """An LSTM of 8 units on 5 inputs, and a head of 3 outputs."""

    def __init__(self):
        super().__init__()
        self.lstm = torch.nn.LSTM(5, 8, batch_first=True)
        self.head = torch.nn.Linear(8, 3)

    def forward(self, x):
        """N,T,5 -> N,T,3."""
        return self.head(self.lstm(x)[0])


def convolutional():
    """Filters over 12 by 12: full ones, depthwise ones, and an upsampling back to twice the size."""
    return torch.nn.Sequential(
        torch.nn.Conv2d(2, 4, 3, stride=2, padding=1),
        torch.nn.ReLU(),
        torch.nn.Conv2d(4, 4, 3, padding=1, groups=4),
        torch.nn.ReLU(),
        torch.nn.ConvTranspose2d(4, 3, 2, stride=2),
        torch.nn.Flatten(),
        torch.nn.Linear(3 * 12 * 12, 10),
    )


BY_HAND = 36 * 4 * 2 * 9 + 36 * 4 * 9 + 36 * 4 * 3 * 4 + 432 * 10


def _export(module, example, path):
    torch.onnx.export(module.eval(), example, path, input_names=["x"], output_names=["y"], dynamo=False)
    return path, {"x": example.numpy()}


def test_convolutions_and_layers(tmp_path):
    """Strides, groups, transposed convolutions and layers; the same in int8."""
    path, feed = _export(convolutional(), torch.rand(1, 2, 12, 12), tmp_path / "float.onnx")
    int8 = quantise_static(path, tmp_path / "int8.onnx", [feed])

    assert multiply_adds(path, feed) == BY_HAND
    assert multiply_adds(int8, feed) == BY_HAND


def test_two_samples_cost_twice(tmp_path):
    """The figure is that of the feed."""
    path, feed = _export(convolutional(), torch.rand(2, 2, 12, 12), tmp_path / "float.onnx")

    assert multiply_adds(path, feed) == 2 * BY_HAND


def test_recurrent_layers_at_every_step(tmp_path):
    """Seven steps of four gates from input and state, and of the head; the same after dynamic quantisation."""
    path, feed = _export(Recurrent(), torch.rand(1, 7, 5), tmp_path / "float.onnx")
    int8 = quantise_dynamic(path, tmp_path / "int8.onnx")

    assert "DynamicQuantizeLSTM" in {node.op_type for node in onnx.load(int8).graph.node}
    assert multiply_adds(path, feed) == multiply_adds(int8, feed) == 7 * (4 * 8 * (5 + 8) + 8 * 3)


@pytest.mark.parametrize("operator", ["QLinearMatMul", "If"])
def test_what_is_not_known_is_not_counted_as_nothing(tmp_path, operator):
    """For an unknown operator that multiplies there is no figure, instead of a flattering one."""
    nodes = [helper.make_node(operator, ["x"], ["y"]), helper.make_node("MatMul", ["x", "w"], ["z"])]
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 4]) for name in "xz"]
    weights = numpy_helper.from_array(np.eye(4, dtype=np.float32), "w")
    graph = helper.make_graph(nodes, "strange", ends[:1], ends[1:], [weights])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), tmp_path / "a.onnx")

    assert multiply_adds(tmp_path / "a.onnx", {"x": np.zeros((1, 4), np.float32)}) is None
