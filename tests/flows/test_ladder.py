"""`python -m flows ladder`: another budget picks another rung, and nothing is trained or written for it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from compression.rungs import Ladder, Rung
from flows.ladder import NoLadderError, run_ladder
from flows.params import ParamsError
from models.family import Budget
from registry.settings import Settings

LADDER = Ladder(
    "macro_f1",
    {"processor": "Abacus"},
    (
        Rung("teacher, float", 0.90, 8.0, 4_000_000, 60.0, "a"),
        Rung("teacher, static int8 minmax", 0.895, 3.0, 1_000_000, 4.0, "b"),
        Rung("student 8, static int8 minmax", 0.85, 0.4, 90_000, 4.0, "c"),
    ),
)


@pytest.fixture
def root(tmp_path):
    """A checkout where compress has run."""
    shutil.copy(Path(__file__).parents[2] / "params.yaml", tmp_path)
    LADDER.write(tmp_path / "build/expression/ladder", Budget())
    return tmp_path


@pytest.fixture
def settings(tmp_path_factory, monkeypatch):
    """A folder of state elsewhere; what the command sets in the environment is taken back."""
    for name in ("PATH", "PREFECT_HOME", "RUSHES_STATE", "MPLCONFIGDIR"):
        monkeypatch.setenv(name, os.environ.get(name, ""))
    return Settings(state=tmp_path_factory.mktemp("state"))


@pytest.mark.parametrize(
    ("asked", "status", "shipped"),
    [
        ([], 0, "teacher, static int8 minmax"),
        (["expression.budget.max_objective_drop=0.05"], 0, "student 8, static int8 minmax"),
        (["expression.budget.max_objective_drop=0.001"], 0, "teacher, float"),
        (["expression.budget.max_latency_ms=0.5"], 3, None),
    ],
)
def test_another_budget_picks_another_rung(root, settings, capsys, asked, status, shipped):
    """What is shipped is marked; where nothing holds, the exit status says so and the nearest are told."""
    before = sorted((path, path.stat().st_mtime_ns) for path in root.rglob("*"))
    told = (run_ladder(root, settings, "expression", asked), capsys.readouterr().out)
    marked = [line for line in told[1].splitlines() if line.startswith("->")]

    assert told[0] == status
    assert [shipped in line for line in marked] == ([True] if shipped else [])
    assert ("nothing holds this budget. The nearest: student 8" in told[1]) == (status == 3)
    assert ("float wins" in told[1]) == (shipped == "teacher, float")
    assert sorted((path, path.stat().st_mtime_ns) for path in root.rglob("*")) == before


def test_what_is_none_of_the_budget_is_refused(root, settings):
    """It would have to be trained; and a limit that is no number is no limit."""
    with pytest.raises(ParamsError, match=r"expression\.train\.epochs is none of expression\.budget"):
        run_ladder(root, settings, "expression", ["expression.train.epochs=3"])
    with pytest.raises(ParamsError, match="max_latency_ms"):
        run_ladder(root, settings, "expression", ["expression.budget.max_latency_ms=fast"])


def test_without_a_ladder_it_says_what_makes_one(root, settings):
    """Compress has not run for this family."""
    with pytest.raises(NoLadderError) as caught:
        run_ladder(root, settings, "scene", [])

    assert caught.value.remedy == "python -m flows nightly --families scene"
