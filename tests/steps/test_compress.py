"""Of a budget, compress judges what can be judged on the machine that it runs on."""

import pytest

from models.expression.params import ExpressionParams
from models.family import Budget
from rushes.machine import processor
from steps.compress import judged_here

PARAMS = ExpressionParams(budget=Budget(max_objective_drop=0.01, max_latency_ms=5.0, max_bytes=9.0))


@pytest.mark.parametrize("machine", ["", processor()])
def test_milliseconds_count_here_if_this_machine_is_meant(machine, capsys):
    """Where settings name none, and where they name this one."""
    assert judged_here(PARAMS, machine) == PARAMS
    assert capsys.readouterr().out == ""


def test_milliseconds_of_another_machine_are_not_judged_here(capsys):
    """All else of the budget is; the log says so."""
    budget = judged_here(PARAMS, "Laptop").budget

    assert budget == Budget(max_objective_drop=0.01, max_latency_ms=None, max_bytes=9.0)
    assert "milliseconds are not judged: settings mean those of Laptop" in capsys.readouterr().out
