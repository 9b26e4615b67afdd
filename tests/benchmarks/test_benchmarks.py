"""Benchmarks run: their short form prints a line a figure, and a missed goal is exit status 1."""

from __future__ import annotations

import pytest

from benchmarks import train_step
from benchmarks.figures import Figure, report


def test_a_missed_goal_is_said_and_fails(capsys):
    """Held and missed, by the right side of the goal."""
    cost = Figure("cost", [1.2, 1.2, 1.3], [1.0, 1.0, 1.0], 1.05, at_most=True)
    rate = Figure("rate", [30.0, 32.0, 31.0], [2.0, 2.0, 2.0], 15.0, at_most=False)

    assert report([cost, rate]) == 1
    lines = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    assert [line[-1] for line in lines] == ["missed", "held"]
    assert lines[0][3] == "1.200"


@pytest.mark.slow
def test_train_step_runs(capsys):
    """Every figure has its line of six fields."""
    train_step.main(["--quick"])

    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    assert all(len(line.split("\t")) == 6 for line in lines)
