import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from compression.measure.peak_memory import peak_bytes

MB = 1_000_000


def write_layer(path, size):
    """A product with a square matrix."""
    weights = np.random.default_rng(0).random((size, size), np.float32)
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, size]) for name in "xy"]
    node = helper.make_node("MatMul", ["x", "w"], ["y"])
    graph = helper.make_graph([node], "layer", ends[:1], ends[1:], [numpy_helper.from_array(weights, "w")])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)
    return path, {"x": np.zeros((1, size), np.float32)}


def test_memory_is_the_graphs_own(tmp_path):
    """Weights of 36 MB take more than that, those of 4 kB next to nothing, whatever the size of this process."""
    ballast = np.ones(40_000_000)  # 320 MB, which a child would inherit in ru_maxrss

    large, small = (peak_bytes(*write_layer(tmp_path / f"{size}.onnx", size)) for size in (3000, 32))

    assert 36 * MB < large < 36 * MB * 5
    assert small < 15 * MB
    assert ballast[-1] == 1


def test_a_graph_that_does_not_run_is_an_error(tmp_path):
    """The error has the last output of the child."""
    path, _ = write_layer(tmp_path / "a.onnx", 32)

    with pytest.raises(RuntimeError, match=r"the memory of .*a\.onnx failed: .*x"):
        peak_bytes(path, {})
