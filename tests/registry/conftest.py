"""A real MLflow server, and a small tree as the stages of a night leave it."""

from __future__ import annotations

import pytest

from registry import tracking
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
    return tracking.client()


@pytest.fixture
def studio(tmp_path, request):
    """A tree as the stages of a night leave it, and its family, named after the test."""
    from tests.support.studio import make_studio  # noqa: PLC0415  its imports take seconds, and most tests need none

    return make_studio(tmp_path, request.node.name.replace("[", "-").replace("]", "").removeprefix("test_")[:60])
