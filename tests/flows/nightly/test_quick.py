"""A quick look trains briefly, and registers nothing; a short trial has no long students."""

import pytest
from typer.testing import CliRunner

from flows.__main__ import app
from flows.nightly import params
from flows.nightly.quick import quick_patch, with_bounded_students
from flows.nightly.run import RunRequest
from tests.support.repos import ROOT

VALUES = params.read_params(ROOT)
FAMILIES = list(VALUES["families"])


def test_a_quick_look_is_one_epoch_of_little_without_students():
    """For each family, whatever its params are called; budgets hold nothing back, and the params stay valid."""
    changed = params.lay(VALUES, quick_patch(VALUES, FAMILIES, {}))

    assert {changed[family]["train"]["epochs"] for family in FAMILIES} == {1}
    assert not any(changed[family]["compress"].get("students") for family in FAMILIES)
    assert all(changed[family]["budget"]["max_bytes"] is None for family in FAMILIES)
    shown = ("epoch_samples", "epoch_characters")
    assert all(any(0 < changed[family]["train"].get(name, 0) <= 50_000 for name in shown) for family in FAMILIES)


def test_what_a_person_sets_goes_before_it():
    """Only for the selected families."""
    patch = quick_patch(VALUES, ["script"], {"script": {"train": {"epochs": 2}}})

    assert list(patch) == ["script"]
    assert patch["script"]["train"]["epochs"] == 2


def test_a_short_trial_has_no_long_students():
    """They train at most as long as their teacher; explicit or shorter values are kept."""
    trial = {"expression": {"train": {"epochs": 1}}}

    assert with_bounded_students(VALUES, trial)["expression"]["compress"]["student_epochs"] == 1
    assert with_bounded_students(VALUES, {"expression": {"train": {"epochs": 40}}}) == {
        "expression": {"train": {"epochs": 40}}
    }
    asked = trial | {"expression": {**trial["expression"], "compress": {"student_epochs": 9}}}
    assert with_bounded_students(VALUES, asked) == asked


def test_a_quick_look_is_a_trial_that_can_be_had_again():
    """In a separate tree, by the printed command; it cannot be promoted."""
    request = RunRequest(("expression",), quick=True)

    assert request.trial
    assert request.command().endswith("-m flows nightly --families expression --quick")
    output = CliRunner().invoke(app, ["nightly", "--quick", "--promote"])
    assert output.exit_code == 2
    assert "omit --quick or --promote" in output.output


@pytest.mark.parametrize("family", FAMILIES)
def test_every_quick_param_is_one_that_some_family_has(family):
    """A renamed param would be skipped silently: each family has at least five quick ones."""
    assert len(params.flatten(quick_patch(VALUES, [family], {}))) >= 5
