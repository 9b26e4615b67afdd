from __future__ import annotations

import time

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from rushes.bundle.manifest import BundleError
from rushes.inference import latency
from rushes.inference.latency import interleaved_latency_ms, interleaved_percentiles_ms
from rushes.inference.session import example_feed, open_graph, signature


def write_products(path, times, kind=TensorProto.FLOAT, size=200):
    """A graph that multiplies a matrix with itself a number of times; the first axis may have any length."""
    nodes = [helper.make_node("MatMul", [f"x{i}", "matrix"], [f"x{i + 1}"]) for i in range(times)]
    matrix = onnx.numpy_helper.from_array(np.full((size, size), 1e-3, np.float32), "matrix")
    inputs = [helper.make_tensor_value_info("x0", kind, ["n", size])]
    outputs = [helper.make_tensor_value_info(f"x{times}", TensorProto.FLOAT, ["n", size])]
    graph = helper.make_graph(nodes, "products", inputs, outputs, [matrix])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=9), path)
    return path


class Watched:
    """A session that records its turns."""

    def __init__(self, path, threads, turns):
        self.session, self.name, self.turns = open_graph(path, threads), f"{path.stem}{threads}", turns

    def get_inputs(self):
        """Inputs of the graph."""
        return self.session.get_inputs()

    def run(self, names, feed):
        """One call."""
        self.turns.append(self.name)
        return self.session.run(names, feed)


def test_more_work_takes_longer(tmp_path):
    """Forty products take longer than two."""
    paths = {name: write_products(tmp_path / f"{name}.onnx", times) for name, times in (("few", 2), ("many", 40))}
    taken_ms = interleaved_latency_ms(paths, runs=20)

    assert 0 < taken_ms["few"] < taken_ms["many"] / 3


def test_graphs_take_turns(tmp_path, monkeypatch):
    """A, B, A, B: a slowdown of the machine affects both."""
    turns = []
    monkeypatch.setattr(latency, "open_graph", lambda path, threads: Watched(path, threads, turns))
    interleaved_latency_ms({name: write_products(tmp_path / f"{name}.onnx", 1) for name in "ab"}, runs=5)

    assert turns == ["a1", "b1"] * (5 + latency.WARM_UPS)


def test_percentiles_are_of_each_number_of_threads(tmp_path, monkeypatch):
    """All turns on one thread come before those on two; warm-ups, which are slower, do not count."""
    turns = []
    monkeypatch.setattr(latency, "open_graph", lambda path, threads: Watched(path, threads, turns))
    paths = {name: write_products(tmp_path / f"{name}.onnx", 1) for name in "ab"}

    spread = interleaved_percentiles_ms(paths, runs=5)

    assert turns == ["a1", "b1"] * (5 + latency.WARM_UPS) + ["a2", "b2"] * (5 + latency.WARM_UPS)
    assert {name: list(of) for name, of in spread.items()} == {"a": ["1", "2"], "b": ["1", "2"]}
    assert all(0 < one["p50"] <= one["p95"] <= one["p99"] for of in spread.values() for one in of.values())


def test_percentiles_are_those_of_the_times(tmp_path, monkeypatch):
    """With a clock that gives 1 to 100 ms, and warm-ups of a second each."""
    path = write_products(tmp_path / "a.onnx", 1)
    taken_ms = [*[1000] * latency.WARM_UPS, *range(1, 101)]
    ticks_ns = iter([tick for ms in taken_ms for tick in (0, ms * 1_000_000)])
    monkeypatch.setattr(latency.time, "perf_counter_ns", lambda: next(ticks_ns))

    spread = interleaved_percentiles_ms({"a": path}, threads=(1,), runs=100)

    assert spread["a"]["1"] == pytest.approx({"p50": 50.5, "p95": 95.05, "p99": 99.01})


def test_own_feeds_are_used(tmp_path):
    """The graph refuses an unfit feed, so the feed was not replaced by an example."""
    path = write_products(tmp_path / "a.onnx", 1)

    with pytest.raises(Exception, match="x0"):
        interleaved_latency_ms({"a": path}, {"a": {"x0": np.zeros((1, 3), np.float32)}}, runs=1)


def test_example_is_one_sample(tmp_path):
    """An axis of any length gets length 1, the others theirs; the signature has -1."""
    session = open_graph(write_products(tmp_path / "a.onnx", 1))

    assert example_feed(session)["x0"].shape == (1, 200)
    assert signature(session)["inputs"] == [{"name": "x0", "type": "float32", "shape": [-1, 200]}]


def test_no_example_for_text(tmp_path):
    """An input of strings has no example, and the error names it."""
    text = helper.make_tensor_value_info("text", TensorProto.STRING, ["n"])
    same = helper.make_tensor_value_info("same", TensorProto.STRING, ["n"])
    graph = helper.make_graph([helper.make_node("Identity", ["text"], ["same"])], "words", [text], [same])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=9), tmp_path / "a.onnx")

    with pytest.raises(BundleError, match="input 'text'"):
        example_feed(open_graph(tmp_path / "a.onnx"))


def test_threads_that_wait_leave_the_cores_to_others(tmp_path):
    """Between two calls the threads of a session use no processor time; ONNX Runtime's own spin took half of it."""
    session = open_graph(write_products(tmp_path / "a.onnx", 8), threads=2)
    feed, spun_s, waited_s = {"x0": np.ones((256, 200), np.float32)}, 0.0, 0.0
    for _ in range(10):
        session.run(None, feed)
        others_s, start = time.process_time() - time.thread_time(), time.perf_counter()
        while time.perf_counter() < start + 0.005:
            pass
        spun_s += time.process_time() - time.thread_time() - others_s
        waited_s += time.perf_counter() - start

    assert spun_s < 0.1 * waited_s
