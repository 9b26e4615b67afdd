"""`python -m flows candidates`: another budget picks another candidate, without training or writing."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from common.settings import BudgetSettings, Settings
from compression.search.candidates import MeasuredCandidate, SearchResult
from flows.cli.candidates import NoSearchResultError, run_candidates
from models.family import BudgetParams
from models.params_file import ParamsError

RESULT = SearchResult(
    "macro_f1",
    {"processor": "Abacus"},
    (
        MeasuredCandidate("teacher, float", 0.90, 8.0, 4_000_000, 60.0, "a"),
        MeasuredCandidate("teacher, static int8 minmax", 0.895, 3.0, 1_000_000, 4.0, "b"),
        MeasuredCandidate("student 8, static int8 minmax", 0.85, 0.4, 90_000, 4.0, "c"),
    ),
)


@pytest.fixture
def root(tmp_path):
    """A checkout after compress."""
    shutil.copy(Path(__file__).parents[3] / "params.yaml", tmp_path)
    RESULT.write(tmp_path / "build/expression/search", BudgetParams())
    return tmp_path


@pytest.fixture
def settings(tmp_path_factory, monkeypatch):
    """A folder of state elsewhere; changes to the environment are undone afterwards."""
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
def test_another_budget_picks_another_candidate(root, settings, capsys, asked, status, shipped):
    """The shipped candidate is marked; if none passes, the exit status shows it and the nearest are listed."""
    before = sorted((path, path.stat().st_mtime_ns) for path in root.rglob("*"))
    code, output = run_candidates(root, settings, "expression", asked), capsys.readouterr().out
    marked = [line for line in output.splitlines() if line.startswith("->")]

    assert code == status
    assert [shipped in line for line in marked] == ([True] if shipped else [])
    assert ("nothing holds this budget. The nearest: student 8" in output) == (status == 3)
    assert ("float wins" in output) == (shipped == "teacher, float")
    assert sorted((path, path.stat().st_mtime_ns) for path in root.rglob("*")) == before


def test_what_is_none_of_the_budget_is_refused(root, settings):
    """A compression param would need training, and NaN is not a limit."""
    with pytest.raises(ParamsError, match=r"expression\.train\.epochs is not part of expression\.budget"):
        run_candidates(root, settings, "expression", ["expression.train.epochs=3"])
    with pytest.raises(ParamsError, match="max_latency_ms"):
        run_candidates(root, settings, "expression", ["expression.budget.max_latency_ms=fast"])


def test_without_a_result_the_error_names_the_command(root, settings):
    """Compress has not run for this family."""
    with pytest.raises(NoSearchResultError) as caught:
        run_candidates(root, settings, "scene", [])

    assert caught.value.remedy.endswith("python -m flows nightly --families scene")

    (root / "build/expression/search/search.json").write_text("{")
    with pytest.raises(NoSearchResultError, match=r"search\.json cannot be read"):
        run_candidates(root, settings, "expression", [])


def test_the_fastest_comes_first_beside_what_it_gains(root, settings, capsys):
    """Drop, speed-up and size ratio, each compared with the trained network in float."""
    run_candidates(root, settings, "expression", [])
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]

    assert [row[-1] for row in rows[1:4]] == ["0.01", "holds", "holds"]
    assert rows[1][6:13] == ["0.8500", "0.0500", "0.400", "20.0x", "90,000", "44.4x", "4"]
    assert rows[3][3:9] == ["0.9000", "0.0000", "8.000", "1.0x", "4,000,000", "1.0x"]


def test_a_standard_error_stands_beside_its_drop(root, settings, capsys):
    """It counts: a candidate that would pass without it does not."""
    uncertain = [
        replace(candidate, standard_error=0.006 if "teacher, s" in candidate.name else 0.0)
        for candidate in RESULT.candidates
    ]
    replace(RESULT, candidates=tuple(uncertain)).write(root / "build/expression/search", BudgetParams())
    run_candidates(root, settings, "expression", [])
    output = capsys.readouterr().out

    assert "0.0050 ±0.0060" in output
    assert "misses max_objective_drop 0.011, at most 0.01" in output
    assert "a drop counts with its standard error" in output


def test_what_half_a_millisecond_gives_at_best(root, settings, capsys):
    """The drop may exceed the budget, which the question is about."""
    run_candidates(root, settings, "expression", ["expression.budget.max_latency_ms=0.5"])

    output = capsys.readouterr().out
    assert "for 0.5 ms and 5,000,000 bytes: student 8, static int8 minmax, 0.8500, 0.0500 below" in output


def test_milliseconds_of_another_machine_are_not_judged(root, settings, capsys):
    """The settings name a laptop: a limit in params.yaml is not applied to this machine's clock; an explicit one is."""
    meant = settings.model_copy(update={"budget": BudgetSettings(processor="Laptop")})
    path = root / "params.yaml"
    path.write_text(path.read_text().replace("max_latency_ms: 20.0", "max_latency_ms: 0.1"))
    statuses = [
        run_candidates(root, given, "expression", words)
        for given, words in (
            (settings, []),
            (meant, []),
            (meant, ["expression.budget.max_latency_ms=0.1"]),
        )
    ]

    assert statuses == [3, 0, 3]
    assert capsys.readouterr().out.count("milliseconds are not judged: settings mean those of Laptop") == 1


def test_programs_get_json(root, settings, capsys):
    """All figures, the pick, the front, and networks that could not be trained."""
    replace(RESULT, failed={"student 2": "training diverged"}).write(root / "build/expression/search", BudgetParams())
    status = run_candidates(root, settings, "expression", ["expression.budget.max_latency_ms=0.5"], as_json=True)
    document = json.loads(capsys.readouterr().out)

    assert (status, document["pick"], document["best_within_costs"]) == (3, None, "student 8, static int8 minmax")
    assert [candidate["on_front"] for candidate in document["candidates"]] == [True] * 3
    assert document["candidates"][0]["misses"]["max_latency_ms"] == [8.0, 0.5]
    assert document["failed"] == {"student 2": "training diverged"}
