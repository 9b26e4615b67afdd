import pytest


@pytest.fixture
def root(tmp_path):
    """An empty checkout."""
    (tmp_path / "checkout").mkdir()
    return tmp_path / "checkout"
