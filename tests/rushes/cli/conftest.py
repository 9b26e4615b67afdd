"""The command `rushes` on a model store; a module of tests gives the store as its fixture `models`."""

import pytest

from tests.support.command import command_line


@pytest.fixture
def rushes(models, tmp_path, monkeypatch, capsys):
    """Runs the command in this process, in an empty folder; returns status, standard output and standard error."""
    monkeypatch.setenv("RUSHES_MODELS", str(models))
    monkeypatch.chdir(tmp_path)
    return command_line(monkeypatch, capsys)
