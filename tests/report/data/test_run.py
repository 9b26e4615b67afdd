import pytest
from pydantic import ValidationError

from report.data.run import NightlyRun, StageRun


def test_the_decision_of_this_run_is_not_an_earlier_one(nightly, failed_run):
    """A family that did not reach `register` still has the file of the last run."""
    assert nightly.decided("expression")
    assert not failed_run.decided("expression")


def test_without_a_register_stage_any_failure_makes_the_decision_old(nightly):
    """If the flow does not list register, any failed stage of the family or of all families suffices."""
    bad = StageRun(name="clean@faces", state="failed")

    assert not NightlyRun(started=nightly.started, families=["scene"], stages=[bad]).decided("scene")
    assert NightlyRun(started=nightly.started, families=["scene"]).decided("scene")


def test_another_familys_failure_leaves_a_decision_alone(nightly):
    """A failed family does not make another family's decision old."""
    bad = StageRun(name="train@scene", family="scene", state="failed")

    assert NightlyRun(started=nightly.started, stages=[bad]).decided("expression")


def test_an_unknown_state_is_refused():
    """A typo in the flow fails at once, not in the page."""
    with pytest.raises(ValidationError, match="skiped"):
        StageRun(name="train@expression", state="skiped")


def test_a_run_survives_json(failed_run):
    """The flow may keep it between processes."""
    assert NightlyRun.model_validate_json(failed_run.model_dump_json()) == failed_run
