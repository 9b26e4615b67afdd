"""A real MLflow server, and a small tree as the stages of a run leave it."""

from __future__ import annotations

import pytest

from registry.mlflow import model_versions, runs
from registry.promotion import alias_moves
from tests.support.mlflow_server import serve


@pytest.fixture(scope="session")
def mlflow_server(tmp_path_factory):
    """The address of an MLflow server that all tests share; each has a family of its own in it."""
    with serve(tmp_path_factory.mktemp("mlflow")) as url:
        yield url


@pytest.fixture
def mlflow(mlflow_server, monkeypatch):
    """A client of that server, which is also the one that the environment names."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", mlflow_server)
    return runs.client()


@pytest.fixture
def studio(tmp_path, request):
    """A tree as the stages of a run leave it, and its family, named after the test."""
    from tests.support.studio import make_studio  # noqa: PLC0415  its imports take seconds, and most tests need none

    return make_studio(tmp_path, request.node.name.replace("[", "-").replace("]", "").removeprefix("test_")[:60])


@pytest.fixture
def registry(tmp_path, monkeypatch):
    """A server in memory. Nobody waits for a lease: whoever would, takes it."""
    from tests.support.fake_registry import FakeClient, FakeRegistry, download  # noqa: PLC0415  # MLflow, likewise

    held = FakeRegistry(tmp_path / "artifacts")
    monkeypatch.setattr(runs, "client", lambda *_: FakeClient(held))
    monkeypatch.setattr(model_versions, "_download", download)
    monkeypatch.setattr(alias_moves, "LEASE_S", 0.0)
    monkeypatch.setattr(alias_moves, "HANDOVER_S", 0.0)
    monkeypatch.setattr("registry.promotion.register.interleaved_latency_ms", lambda paths: dict.fromkeys(paths, 1.0))
    return held
