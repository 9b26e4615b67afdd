"""Candidates that meet a budget, that are on the front, that are shipped; and messages if none passes."""

import math
import re
from dataclasses import replace

import pytest

from compression.search.candidates import MeasuredCandidate, OverBudgetError, SearchResult, read_result
from compression.search.sealed_json import DamagedFileError
from models.family import BudgetParams


def candidate(name, objective, latency_ms, size_bytes):
    """A candidate with these figures."""
    return MeasuredCandidate(name, objective, latency_ms, size_bytes, 1.0, name)


TEACHER = candidate("teacher, float", 0.90, 8.0, 4000)
INT8 = candidate("teacher, static int8 minmax", 0.89, 3.0, 1000)
WORSE = candidate("teacher, static int8 entropy", 0.88, 3.1, 1000)
STUDENT = candidate("student 8, float", 0.86, 2.0, 600)
SMALL = candidate("student 8, static int8 minmax", 0.85, 1.0, 150)
BROKEN = candidate("student 4, float", math.nan, 0.5, 100)
RESULT = SearchResult("macro_f1", {"processor": "a"}, (TEACHER, INT8, WORSE, STUDENT, SMALL))


@pytest.mark.parametrize(
    ("budget", "picked"),
    [
        ({"max_objective_drop": 0.0}, TEACHER),
        ({"max_objective_drop": 0.015}, INT8),
        ({"max_objective_drop": 0.045}, STUDENT),
        ({"max_objective_drop": 0.1}, SMALL),
        ({"max_objective_drop": 0.1, "max_latency_ms": 1.0, "max_bytes": 150}, SMALL),
        ({"max_objective_drop": 0.015, "max_latency_ms": 2.9}, None),
        ({"max_objective_drop": 0.1, "max_bytes": 149}, None),
    ],
)
def test_the_fastest_that_holds_is_shipped(budget, picked):
    """Float is shipped if it alone passes; none is if none passes."""
    assert RESULT.pick(BudgetParams(**budget)) == picked


def test_a_drop_counts_with_its_standard_error():
    """A drop of 0.01 +- 0.008 is not within 0.015, since chance may have favoured it. With certainty it is shipped."""
    unsure = replace(SMALL, objective=0.89, standard_error=0.008)
    result = SearchResult("macro_f1", {}, (TEACHER, unsure))
    sure = SearchResult("macro_f1", {}, (TEACHER, replace(unsure, standard_error=0.004)))

    assert result.pick(BudgetParams(max_objective_drop=0.015)) == TEACHER
    assert result.misses(unsure, BudgetParams(max_objective_drop=0.015))["max_objective_drop"][0] == pytest.approx(
        0.018
    )
    assert sure.pick(BudgetParams(max_objective_drop=0.015)) == sure.candidates[1]


def test_of_two_as_fast_the_smaller_is_shipped():
    """Within a quarter, which is hardly measurable on a busy machine."""
    large, slow = candidate("student 9, float", 0.9, 1.0, 300), candidate("student 8, float", 0.9, 1.24, 200)
    result = SearchResult("macro_f1", {}, (TEACHER, large, slow, candidate("student 7, float", 0.9, 1.26, 100)))

    assert result.pick(BudgetParams()) == slow


def test_of_two_as_small_the_better_is_shipped():
    """Two layers in float, at a fiftieth more bytes, restore the loss of int8."""
    spared = candidate("student 8, static int8 save 2 layers", 0.92, 0.9, 204)
    result = SearchResult("macro_f1", {}, (TEACHER, candidate("student 8, static int8 minmax", 0.9, 1.0, 200), spared))

    assert result.pick(BudgetParams(max_objective_drop=0.5)) == spared


def test_what_is_beaten_in_everything_is_not_on_the_front():
    """The worse calibration is as large and slower; every other candidate is best in something."""
    assert RESULT.front() == [SMALL, STUDENT, INT8, TEACHER]


def test_nan_holds_no_budget():
    """Planted: a diverged student, the fastest and smallest of all."""
    result = SearchResult("macro_f1", {}, (TEACHER, BROKEN))

    assert result.pick(BudgetParams(max_objective_drop=1.0)) == TEACHER
    assert result.nearest(BudgetParams(max_objective_drop=0.1, max_latency_ms=0.4))[-1] == BROKEN


def test_nan_is_on_no_front():
    """Although it is the smallest and fastest, it is not the best of anything."""
    result = SearchResult("macro_f1", {}, (TEACHER, BROKEN))

    assert result.front() == [TEACHER]
    assert result.best(BudgetParams(max_bytes=4000)) == TEACHER
    assert result.best(BudgetParams(max_bytes=200)) is None


@pytest.mark.parametrize(
    ("budget", "best"),
    [
        ({}, TEACHER),
        ({"max_latency_ms": 3.0, "max_objective_drop": 0.0}, INT8),
        ({"max_latency_ms": 2.0}, STUDENT),
        ({"max_bytes": 150}, SMALL),
        ({"max_bytes": 149}, None),
    ],
)
def test_the_best_that_is_fast_and_small_enough(budget, best):
    """However large its drop: the best candidate for so many milliseconds."""
    assert RESULT.best(BudgetParams(**budget)) == best


def test_without_a_pick_the_nearest_three_are_listed():
    """Each with its misses, their size, and the limit to raise."""
    budget = BudgetParams(max_objective_drop=0.02, max_latency_ms=0.9, max_bytes=200)
    error = OverBudgetError("expression", RESULT, budget)
    first = (
        "student 8, static int8 minmax: macro_f1 0.8500, 1 ms, 150 bytes; misses max_objective_drop 0.05, at most 0.02,"
    )

    assert RESULT.nearest(budget) == [SMALL, STUDENT, INT8]
    assert first in str(error)
    assert str(error).count("misses") == 3
    names = re.findall(r"expression\.budget\.(\w+)", error.remedy)
    assert "max_latency_ms" in names
    assert RESULT.best(budget.model_copy(update=dict.fromkeys(names, 9999.0)))


def test_a_result_comes_back_as_it_was_written(tmp_path):
    """The budget is included, so that another one may be tried."""
    written = replace(RESULT, failed={"student 2": "training diverged"})
    written.write(tmp_path, BudgetParams(max_bytes=700))

    assert read_result(tmp_path) == (written, BudgetParams(max_bytes=700))


@pytest.mark.parametrize("damage", [lambda text: text[:99], lambda text: text.replace('"max_bytes"', '"max_grams"')])
def test_a_damaged_result_is_named(tmp_path, damage):
    """Truncated, or of another version."""
    RESULT.write(tmp_path, BudgetParams())
    path = tmp_path / "search.json"
    path.write_text(damage(path.read_text()))

    with pytest.raises(DamagedFileError, match=r"search\.json cannot be read"):
        read_result(tmp_path)
