"""A checkout that has been through a run of the pipeline."""

import shutil

import pytest

from registry.subprocesses import dvc
from tests.support.repos import silence, versioned_repo


@pytest.fixture(scope="session")
def _checkout_after_a_run(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        silence(patch, tmp_path_factory.mktemp("home"))
        root = versioned_repo(tmp_path_factory.mktemp("template") / "checkout")
        assert dvc(root, "repro").returncode == 0
        return root


@pytest.fixture
def ran(monkeypatch, tmp_path_factory, _checkout_after_a_run, tmp_path):
    """A checkout in which every stage has run."""
    silence(monkeypatch, tmp_path_factory.mktemp("home"))
    return shutil.copytree(_checkout_after_a_run, tmp_path / "checkout")
