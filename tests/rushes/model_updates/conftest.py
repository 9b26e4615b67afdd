"""Fixtures of models that follow a registry."""

from __future__ import annotations

import pytest

from tests.support.follows import Following
from tests.support.runtime import write_bundle


@pytest.fixture
def registry(mlflow, tmp_path, monkeypatch):
    """7 is the champion; 8 and 9 differ in the expression network alone. Graphs are not proved: it takes seconds."""
    for version in (8, 9):
        write_bundle(tmp_path / f"v{version}", crop={"scale": version / 7})
        mlflow.versions[version] = tmp_path / f"v{version}"
    monkeypatch.setenv("RUSHES_MODELS", str(tmp_path / "store"))
    monkeypatch.setattr("rushes.store.store.prove_once", lambda _: None)
    return mlflow


@pytest.fixture
def following(registry):
    """A capture that has begun with 7."""
    return Following(registry)
