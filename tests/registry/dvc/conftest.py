"""Checkouts: without data, with a version of data, and after a run of the pipeline."""

import shutil

import pytest

from common.settings import RemoteSettings, Settings
from registry.subprocesses import dvc
from tests.support.repos import code_repo, silence, versioned_repo


@pytest.fixture(scope="session")
def _checkout_with_a_version(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        silence(patch, tmp_path_factory.mktemp("home"))
        return versioned_repo(tmp_path_factory.mktemp("template") / "checkout")


@pytest.fixture
def home(monkeypatch, tmp_path_factory):
    """An empty home."""
    silence(monkeypatch, tmp_path_factory.mktemp("home"))


@pytest.fixture
def repo(home, tmp_path):  # noqa: ARG001 - for its effect
    """A checkout without data."""
    return code_repo(tmp_path / "checkout")


@pytest.fixture
def versioned(home, _checkout_with_a_version, tmp_path):  # noqa: ARG001 - for its effect
    """A checkout whose data has a version, all of it there and in the cache."""
    return shutil.copytree(_checkout_with_a_version, tmp_path / "checkout")


@pytest.fixture
def remote(tmp_path):
    """Settings whose remote is a folder, empty as yet."""
    (tmp_path / "remote").mkdir()
    return Settings(remote=RemoteSettings(url=str(tmp_path / "remote")))


@pytest.fixture(scope="session")
def _checkout_after_a_run(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        silence(patch, tmp_path_factory.mktemp("home"))
        root = versioned_repo(tmp_path_factory.mktemp("template") / "checkout")
        assert dvc(root, "repro").returncode == 0
        return root


@pytest.fixture
def ran(home, _checkout_after_a_run, tmp_path):  # noqa: ARG001 - for its effect
    """A checkout in which every stage has run."""
    return shutil.copytree(_checkout_after_a_run, tmp_path / "checkout")
