"""Fixtures of the tests of whole runs; a module of tests gives the copy of the project as its fixture `project`."""

import pytest

from tests.support.serving import served


@pytest.fixture
def mlflow(project):
    """MLflow's address."""
    return served(project)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """The model store of a laptop on set."""
    return tmp_path_factory.mktemp("store")
