import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from rushes.errors import MisuseError, UserError
from rushes.inference import tflite_network
from rushes.inference.tflite_file import UntranslatedError, parse_tflite
from rushes.inference.tflite_network import (
    LitertNetwork,
    OnnxNetwork,
    OpencvNetwork,
    backends,
    open_tflite,
    read_tflite,
    without_info,
)
from tests.support.runtime import NETWORK
from tests.support.tflite import INT8, MAXIMUM, network


@pytest.fixture
def asked(monkeypatch):
    """Arguments of OpenCV, recorded instead of loading."""
    calls = []
    monkeypatch.setattr(cv2.dnn, "readNetFromTFLite", lambda *given: calls.append(given) or "net", raising=False)
    return calls


def test_opencv_5_0_reads_with_the_classic_engine(asked, monkeypatch):
    """Its new engine would lose an output."""
    monkeypatch.setattr(cv2.dnn, "ENGINE_CLASSIC", 1, raising=False)

    assert read_tflite(Path("a.tflite")) == "net"
    assert asked == [("a.tflite", 1)]


def test_opencv_5_1_has_no_classic_engine(asked, monkeypatch):
    """A missing engine is not named."""
    monkeypatch.delattr(cv2.dnn, "ENGINE_CLASSIC", raising=False)

    assert read_tflite(Path("a.tflite")) == "net"
    assert asked == [("a.tflite",)]


@pytest.mark.parametrize("has_classic", [True, False])
def test_by_bytes_where_a_name_cannot_be_opened(asked, monkeypatch, tmp_path, has_classic):
    """On Windows, outside its code page; the environment selects the engine, if there is a choice."""
    path = tmp_path / "a.tflite"
    path.write_bytes(b"\1\2")
    monkeypatch.delenv("OPENCV_FORCE_DNN_ENGINE", raising=False)
    monkeypatch.setattr(tflite_network, "os", type("Os", (), {"name": "nt", "environ": (environment := {})}))
    monkeypatch.setattr(cv2.dnn, "ENGINE_CLASSIC", 1, raising=False)
    if not has_classic:
        monkeypatch.delattr(cv2.dnn, "ENGINE_CLASSIC")
    named = type("Named", (type(path),), {"__str__": lambda _: "\u00e4.tflite", "__fspath__": lambda _: str(path)})

    read_tflite(named(path))
    assert isinstance(asked[0][0], np.ndarray)
    assert environment == ({"OPENCV_FORCE_DNN_ENGINE": "1"} if has_classic else {})


def test_all_libraries_give_the_same_numbers(tmp_path):
    """By the name of the output, in the same order, of a network from pictures to pictures."""
    (tmp_path / "net.tflite").write_bytes(NETWORK)
    given = np.random.default_rng(0).uniform(0, 1, (1, 8, 8, 4)).astype(np.float32)
    one, *others = (open_tflite(tmp_path / "net.tflite", name).run(given) for name in ("litert", "opencv", "onnx"))

    for other in others:
        assert list(one) == list(other) == ["output"]
        np.testing.assert_allclose(one["output"], other["output"], atol=1e-6)


@pytest.mark.slow
def test_the_translated_networks_give_the_same_numbers(landmark_files, blazeface_file, full_range_file):
    """As OpenCV and LiteRT do, of any input: PReLU in both forms, strides, padding, pooling, resizing, dense layers."""
    shapes = {landmark_files[0]: (256, 256, 3), blazeface_file: (128, 128, 3), full_range_file: (192, 192, 3)}
    for path, shape in (shapes | {landmark_files[1]: (146, 2)}).items():
        translated = open_tflite(path, "onnx")
        given = np.random.default_rng(0).uniform(-1, 1, (1, *shape)).astype(np.float32)
        found = translated.run(given)

        assert isinstance(translated, OnnxNetwork)
        for backend in ("opencv", "litert"):
            expected = open_tflite(path, backend).run(given)
            assert set(found) == set(expected)
            for name, values in expected.items():
                np.testing.assert_allclose(found[name], values, atol=1e-3 if path in shapes else 1e-5)


@pytest.mark.parametrize(
    ("kind", "value"), [({"operator": MAXIMUM}, 1.0), ({"unused": INT8}, 1.0), ({"inputs": (0,)}, 0.0)]
)
def test_a_network_that_is_not_translated_runs_with_opencv(tmp_path, kind, value):
    """One that takes the larger of two values, has weights of another type, or an operator without a second input."""
    (tmp_path / "net.tflite").write_bytes(network(**kind))
    found = open_tflite(tmp_path / "net.tflite", "onnx")

    assert isinstance(found, OpencvNetwork)
    assert found.run(np.zeros((1, 8, 8, 4), np.float32))["output"].tolist() == [value] * 256


def test_an_operator_with_several_outputs_is_not_translated():
    """As of a network that splits its channels."""
    with pytest.raises(UntranslatedError, match="operator 0 with 2 outputs"):
        parse_tflite(network(outputs=(2, 0)))


def test_a_tensor_that_does_not_exist_is_refused(tmp_path):
    """Before OpenCV, which reads behind its tensors, sees the file."""
    (tmp_path / "net.tflite").write_bytes(network(inputs=(0, 7)))

    with pytest.raises(UserError, match=r"net\.tflite is not a network that ONNX Runtime can load"):
        open_tflite(tmp_path / "net.tflite", "onnx")


@pytest.mark.parametrize("content", [b"", b"not a network" * 10])
@pytest.mark.parametrize("backend", ["onnx", "opencv", "litert"])
def test_another_file_is_refused(backend, content, tmp_path):
    """With the remedy."""
    (tmp_path / "net.tflite").write_bytes(content)

    with pytest.raises(UserError, match=r"net\.tflite is not a network that .* can load: fetch the bundle again"):
        open_tflite(tmp_path / "net.tflite", backend)


def test_a_backend_that_is_not_installed(tmp_path, monkeypatch):
    """LiteRT is not replaced where it is asked for."""
    (tmp_path / "net.tflite").write_bytes(NETWORK)
    assert isinstance(open_tflite(tmp_path / "net.tflite", "litert"), LitertNetwork)
    assert backends() == ("litert", "onnx", "opencv")
    monkeypatch.setitem(sys.modules, "ai_edge_litert", None)

    assert backends() == ("onnx", "opencv")
    with pytest.raises(MisuseError, match=r"pip install ai-edge-litert \(the wheel's extra \[fast\]\), or use another"):
        open_tflite(tmp_path / "net.tflite", "litert")


def test_litert_prints_no_info(tmp_path):
    """Its first network in a process has a line."""
    (tmp_path / "net.tflite").write_bytes(NETWORK)
    code = (
        "from pathlib import Path; from rushes.inference.tflite_network import open_tflite; "
        "open_tflite(Path('net.tflite'), 'litert')"
    )
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[3])}
    ran = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )

    assert (ran.returncode, ran.stderr) == (0, "")


def test_all_but_info_is_printed(capfd):
    """Also when the block fails; afterwards everything is."""

    @without_info()
    def failing():
        os.write(2, b"INFO: one\nERROR: two\n")
        raise KeyError

    with pytest.raises(KeyError):
        failing()
    os.write(2, b"INFO: three\n")

    assert capfd.readouterr().err == "ERROR: two\nINFO: three\n"
