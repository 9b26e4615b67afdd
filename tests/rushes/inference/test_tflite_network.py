from pathlib import Path

import cv2
import numpy as np
import pytest

from rushes.inference import tflite_network
from rushes.inference.tflite_network import read_tflite


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
