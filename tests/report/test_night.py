import pytest
from pydantic import ValidationError

from report.night import Night, StageRun


def test_tonights_decision_is_told_from_an_earlier_one(night, failed_night):
    """A family that did not reach `register` still has the file of the last night."""
    assert night.decided("expression")
    assert not failed_night.decided("expression")


def test_without_a_register_stage_any_failure_makes_the_decision_old(night):
    """Where the flow lists no register, a failed stage of the family or of all is enough."""
    bad = StageRun(name="clean@faces", state="failed")

    assert not Night(started=night.started, families=["scene"], stages=[bad]).decided("scene")
    assert Night(started=night.started, families=["scene"]).decided("scene")


def test_another_familys_failure_leaves_a_decision_alone(night):
    """One family failing does not make the other's decision old."""
    bad = StageRun(name="train@scene", family="scene", state="failed")

    assert Night(started=night.started, stages=[bad]).decided("expression")


def test_an_unknown_state_is_refused():
    """A typing slip in the flow shows at once, not in the page."""
    with pytest.raises(ValidationError, match="skiped"):
        StageRun(name="train@expression", state="skiped")


def test_a_night_survives_json(failed_night):
    """The flow may keep it between processes."""
    assert Night.model_validate_json(failed_night.model_dump_json()) == failed_night
