"""Which rung holds a budget, which is worth a look, which is shipped; and what is said where none holds."""

import math
from dataclasses import replace

import pytest

from compression.search.candidates import Ladder, OverBudgetError, Rung, read_ladder
from compression.search.sealed_json import DamagedFileError
from models.family import Budget


def rung(name, objective, latency_ms, size_bytes):
    """One, by its figures."""
    return Rung(name, objective, latency_ms, size_bytes, 1.0, name)


TEACHER = rung("teacher, float", 0.90, 8.0, 4000)
INT8 = rung("teacher, static int8 minmax", 0.89, 3.0, 1000)
WORSE = rung("teacher, static int8 entropy", 0.88, 3.1, 1000)
STUDENT = rung("student 8, float", 0.86, 2.0, 600)
SMALL = rung("student 8, static int8 minmax", 0.85, 1.0, 150)
BROKEN = rung("student 4, float", math.nan, 0.5, 100)
LADDER = Ladder("macro_f1", {"processor": "a"}, (TEACHER, INT8, WORSE, STUDENT, SMALL))


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
    """And float where nothing else holds; none where nothing does."""
    assert LADDER.pick(Budget(**budget)) == picked


def test_a_drop_counts_with_its_doubt():
    """0.01 lost, give or take 0.008, is not within 0.015: chance may have favoured it. Sure of it, it is shipped."""
    unsure = replace(SMALL, objective=0.89, doubt=0.008)
    ladder = Ladder("macro_f1", {}, (TEACHER, unsure))
    sure = Ladder("macro_f1", {}, (TEACHER, replace(unsure, doubt=0.004)))

    assert ladder.pick(Budget(max_objective_drop=0.015)) == TEACHER
    assert ladder.misses(unsure, Budget(max_objective_drop=0.015))["max_objective_drop"][0] == pytest.approx(0.018)
    assert sure.pick(Budget(max_objective_drop=0.015)) == sure.rungs[1]


def test_of_two_as_fast_the_smaller_is_shipped():
    """Within a quarter, which clocks of a busy machine hardly tell apart."""
    large, slow = rung("student 9, float", 0.9, 1.0, 300), rung("student 8, float", 0.9, 1.24, 200)
    ladder = Ladder("macro_f1", {}, (TEACHER, large, slow, rung("student 7, float", 0.9, 1.26, 100)))

    assert ladder.pick(Budget()) == slow


def test_of_two_as_small_the_better_is_shipped():
    """A fiftieth more bytes for two layers in float that give back what int8 has cost."""
    spared = rung("student 8, static int8 save 2 layers", 0.92, 0.9, 204)
    ladder = Ladder("macro_f1", {}, (TEACHER, rung("student 8, static int8 minmax", 0.9, 1.0, 200), spared))

    assert ladder.pick(Budget(max_objective_drop=0.5)) == spared


def test_what_is_beaten_in_everything_is_not_on_the_front():
    """The worse calibration is as large and slower; all others are best in something."""
    assert LADDER.front() == [SMALL, STUDENT, INT8, TEACHER]


def test_what_is_no_number_holds_no_budget():
    """Planted: a student that has diverged, the fastest and smallest of all."""
    ladder = Ladder("macro_f1", {}, (TEACHER, BROKEN))

    assert ladder.pick(Budget(max_objective_drop=1.0)) == TEACHER
    assert ladder.nearest(Budget(max_objective_drop=0.1, max_latency_ms=0.4))[-1] == BROKEN


def test_what_is_no_number_is_on_no_front():
    """Though nothing is smaller or faster; nor is it the best of anything."""
    ladder = Ladder("macro_f1", {}, (TEACHER, BROKEN))

    assert ladder.front() == [TEACHER]
    assert ladder.best(Budget(max_bytes=4000)) == TEACHER
    assert ladder.best(Budget(max_bytes=200)) is None


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
    """However much it loses: what somebody asks who has so many milliseconds and no more."""
    assert LADDER.best(Budget(**budget)) == best


def test_where_none_holds_the_nearest_three_are_told():
    """Each with what it misses and by how much, and what to widen."""
    budget = Budget(max_objective_drop=0.02, max_latency_ms=0.9, max_bytes=200)
    error = OverBudgetError("expression", LADDER, budget)
    first = "student 8, static int8 minmax: macro_f1 0.8500, 1 ms, 150 bytes; misses max_objective_drop 0.05 for 0.02,"

    assert LADDER.nearest(budget) == [SMALL, STUDENT, INT8]
    assert first in str(error)
    assert str(error).count("misses") == 3
    assert "expression.budget.max_latency_ms" in error.remedy


def test_a_ladder_comes_back_as_it_was_written(tmp_path):
    """With its budget, so that another one may be tried."""
    written = replace(LADDER, failed={"student 2": "training diverged"})
    written.write(tmp_path, Budget(max_bytes=700))

    assert read_ladder(tmp_path) == (written, Budget(max_bytes=700))


@pytest.mark.parametrize("damage", [lambda text: text[:99], lambda text: text.replace('"max_bytes"', '"max_grams"')])
def test_a_damaged_ladder_says_so(tmp_path, damage):
    """Cut off, or of another version: the file is named."""
    LADDER.write(tmp_path, Budget())
    path = tmp_path / "ladder.json"
    path.write_text(damage(path.read_text()))

    with pytest.raises(DamagedFileError, match=r"ladder\.json cannot be read"):
        read_ladder(tmp_path)
