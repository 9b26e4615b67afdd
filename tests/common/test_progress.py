"""Progress of a stage's loop on an output that is not a terminal."""

import io
import sys

import pytest

from common import progress as module
from common.progress import progress
from flows.cli.progress import newest


@pytest.fixture(autouse=True)
def _no_terminal(monkeypatch):
    monkeypatch.setattr(sys, "stderr", io.StringIO())


def test_a_long_loop_writes_lines_that_the_console_shows(tmp_path, monkeypatch, capsys):
    """Each has the count, the total, and the remaining time."""
    monkeypatch.setattr(module, "EVERY_S", 1e-9)
    with progress(total=30, title="clean: read", unit="work") as bar:
        for _ in range(30):
            bar.update()
    lines = capsys.readouterr().out.splitlines()
    (tmp_path / "log").write_text("\n".join([*lines[:10], "a warning"]) + "\n")

    assert len(lines) > 10
    assert newest(tmp_path / "log") == lines[9]
    assert lines[9].startswith("clean: read: work 10 of 30, about 00:0")


def test_a_short_loop_writes_nothing(capsys):
    """Loops of seconds have no bar in a log."""
    assert list(progress(range(50), title="augment", unit="picture")) == list(range(50))
    assert capsys.readouterr().out == ""
