"""Table of the compression search: the shipped candidate, missed budgets, and the run that made it."""

from __future__ import annotations

import json
import math
import os
from dataclasses import asdict, replace

import pytest

from compression.search.candidates import MeasuredCandidate, SearchResult
from models.family import BudgetParams
from report.compression.view import FLOAT_AS_GOOD, FLOAT_SHIPPED, NOTHING_HOLDS, candidate_rows, nearest_of
from report.data.decisions import read_decisions
from report.data.loaders import Collection, FamilyFacts
from report.formatting import MINUS, NONE
from report.page.family_view import family_view

TEACHER = ("teacher, float", 0.90, 8.0, 4_000_000)
INT8 = ("teacher, static int8 minmax", 0.89, 3.0, 1_000_000)
LARGE = ("teacher, static int8 save 9 layers", 0.91, 9.6, 4_800_000)
STUDENT = ("student 8, float", 0.80, 2.0, 390_000)
BROKEN = ("student 4, float", math.nan, 0.5, 100)
CANDIDATES = (TEACHER, INT8, LARGE, STUDENT)


@pytest.fixture
def shown(tree, nightly):
    """The page's view of the tree's compression search, after a run in which these stages failed."""

    def show(**states):
        runs = [run.model_copy(update={"state": states.get(run.stage, run.state)}) for run in nightly.stages]
        after = nightly.model_copy(update={"stages": runs})
        facts, decisions = FamilyFacts(tree, "expression"), read_decisions(tree, ["expression"])
        view = family_view(facts, Collection(tree, "faces"), after, decisions["expression"])
        assert view.broken == []
        return view.search

    return show


def test_rows_are_compared_with_the_teacher_the_fastest_first(search_json):
    """Drop, speed-up and size ratio per row; a candidate worse than the teacher is marked."""
    rows = candidate_rows(search_json(CANDIDATES))

    assert [(row.number, row.name) for row in rows] == [
        (1, STUDENT[0]), (2, INT8[0]), (3, TEACHER[0]), (4, LARGE[0]),
    ]  # fmt: skip
    assert [row.change for row in rows] == [f"{MINUS}0.1000", f"{MINUS}0.0100", NONE, "+0.0100"]
    assert [row.faster for row in rows] == ["4.0\u00d7", "2.7\u00d7", NONE, "1.2\u00d7 slower"]
    assert [row.smaller for row in rows] == ["10.3\u00d7", "4.0\u00d7", NONE, "1.2\u00d7 larger"]


@pytest.mark.parametrize(
    ("objective", "standard_error", "change"),
    [
        (0.9068, 0.0086, "+0.0068 \u00b10.0086"),
        (0.8932, 0.0086, f"{MINUS}0.0068 \u00b10.0086"),
        (0.90001, 0.0021, "0.0000 \u00b10.0021"),
        (0.90001, 0.0, "0"),
    ],
)
def test_a_change_has_its_sign_and_its_standard_error(objective, standard_error, change):
    """As in the table of the exported files, a gain has a plus."""
    made = (
        MeasuredCandidate("teacher, float", 0.9, 8.0, 4000, 1.0, "a"),
        MeasuredCandidate("teacher, int8", objective, 3.0, 900, 1.0, "b"),
    )
    candidates = [asdict(candidate) for candidate in (made[0], replace(made[1], standard_error=standard_error))]

    assert candidate_rows({"candidates": candidates})[0].change == change


def test_the_front_and_what_was_shipped_are_marked(search_json):
    """A candidate on the front by its bytes alone has its own mark; a dominated one has none."""
    tiny = ("student 8, static int8 minmax", 0.79, 2.1, 100_000)
    beaten = ("teacher, static int8 entropy", 0.88, 3.1, 1_000_000)
    rows = {row.name: row for row in candidate_rows(search_json([*CANDIDATES, tiny, beaten], max_objective_drop=0.015))}

    assert [rows[one[0]].front for one in (STUDENT, tiny, beaten)] == ["front", "front by bytes", ""]
    assert [name for name, row in rows.items() if row.tags == ("shipped",)] == [INT8[0]]


def test_a_candidate_lists_the_limits_that_it_misses(search_json):
    """With as many digits as it takes to distinguish the value from its limit."""
    rows = candidate_rows(
        search_json([TEACHER, INT8], max_objective_drop=0.002, max_latency_ms=7.9, max_bytes=3_999_999)
    )

    assert [row.verdict for row in rows] == [
        "misses: drop 0.0100, at most 0.0020",
        "misses: 8 ms, at most 7.9 ms; 4,000,000 bytes, at most 3,999,999 bytes",
    ]


def test_a_candidate_with_nan_comes_last(search_json):
    """NaN would be the fastest and on the front, since nothing beats it."""
    row = candidate_rows(search_json([*CANDIDATES, BROKEN]) | {"front": [BROKEN[0]]})[-1]

    assert (row.number, row.name, row.objective, row.change) == (5, BROKEN[0], NONE, NONE)
    assert (row.verdict, row.front) == ("gave no number", "")


@pytest.mark.parametrize(
    ("candidates", "drop", "summary"),
    [
        (CANDIDATES, 0.0, FLOAT_SHIPPED),
        (CANDIDATES, 0.5, FLOAT_SHIPPED),  # a student's
        (CANDIDATES, 0.015, ""),
        ([TEACHER, STUDENT, ("student 8, static int8 minmax", 0.79, 1.9, 380_000)], 0.5, FLOAT_AS_GOOD),
        ([TEACHER], -1.0, NOTHING_HOLDS),
    ],
)
def test_the_summary_has_why_float_is_shipped(shown, searched, candidates, drop, summary):
    """Also for a student's float; the summary does not deny a candidate that is negligibly faster."""
    searched(candidates, **({"max_objective_drop": drop} if drop >= 0 else {"max_bytes": 1}))

    assert shown().summary == summary


@pytest.mark.parametrize("budget", [{"max_latency_ms": 0.4}, {"max_objective_drop": 0.0, "max_bytes": 300_000}])
def test_without_a_pick_the_nearest_three_are_listed(shown, searched, budget):
    """The same three candidates as in compression's own error, each with its misses; none without a number."""
    document = searched([BROKEN, *CANDIDATES], **budget)
    own = SearchResult("macro_f1", {}, tuple(MeasuredCandidate(*figures, 1.0, "") for figures in [BROKEN, *CANDIDATES]))
    nearest = [candidate.name for candidate in own.nearest(BudgetParams(**budget))]
    view = shown(compress="failed", evaluate="not reached", register="not reached")

    assert [name.partition(" ")[2] for name, _ in nearest_of(document)] == nearest
    assert (view.summary, view.nearest) == (NOTHING_HOLDS, nearest_of(document))
    assert all(missed.startswith("misses: ") for _, missed in view.nearest)


def test_with_a_pick_no_nearest_are_listed(shown, searched):
    """Only the shipped candidate is shown."""
    searched(CANDIDATES, max_objective_drop=0.015)

    assert shown().nearest == []


@pytest.mark.parametrize("states", [{"register": "failed"}, {"evaluate": "failed", "register": "not reached"}])
def test_an_earlier_decision_is_not_drawn_onto_tonights_search(shown, searched, states):
    """The plot has the champion of a run that decided, and none after a run that did not."""
    searched(CANDIDATES, max_objective_drop=0.015)

    assert "champion v11" in shown().pareto.svg
    assert "champion" not in shown(**states).pareto.svg
    assert shown().note == ""
    assert shown(**states).note == "Tonight's, but nothing was decided of it: the champion is not drawn."


def test_the_search_of_an_earlier_run_is_named_as_such(shown, searched, tree, nightly):
    """Shown if compress was not reached, or failed before the search ended."""
    searched(CANDIDATES, max_objective_drop=0.015)
    rest = {"evaluate": "not reached", "register": "not reached"}
    fresh = shown(compress="failed", **rest).note
    before = nightly.started.timestamp() - 60
    os.utime(tree / "build/expression/search/search.json", (before, before))

    assert shown(compress="not reached", **rest).note == "From an earlier run: tonight compress was not reached."
    assert shown(compress="failed", **rest).note == "From an earlier run: tonight compress failed."
    assert fresh == "Tonight's: compress failed only after its search had ended."


def test_a_champion_that_came_out_again_is_marked_as_both(shown, searched, decide):
    """In the table and in the plot, and only on the shipped candidate."""
    searched(CANDIDATES, max_objective_drop=0.015)
    decide(promoted=False, registered=False, champion_before=12, champion_after=12)
    view = shown()

    assert [row.tags for row in view.rows] == [(), ("shipped", "champion"), (), ()]
    assert "shipped, champion v12" in view.pareto.svg


def test_a_search_without_figures_has_a_table_and_no_plot(shown, searched):
    """The rest of the page is not affected."""
    searched([("teacher, float", math.nan, 1.0, 1)])
    view = shown(compress="failed")

    assert ([row.verdict for row in view.rows], view.pareto, view.nearest) == (["gave no number"], None, [])


def test_a_family_without_a_search_has_a_reason(shown):
    """The family was compressed before searches existed, or compress was not reached."""
    assert shown().note == "Nothing to show: compress has left nothing here."
    assert shown().rows == []


def test_a_network_that_could_not_be_trained_is_listed(shown, searched, tree):
    """It has no candidate, so no row; the reason replaces its candidates."""
    document = searched(CANDIDATES) | {"failed": {"student 4": "its loss is not a number since epoch 2"}}
    (tree / "build/expression/search/search.json").write_text(json.dumps(document))

    assert shown().left_out == [("student 4", "its loss is not a number since epoch 2")]
