"""Compress applies the limits of a budget that are valid on its machine."""

import math
import re
from pathlib import Path

import pytest
from safetensors.torch import save_file

from flows.nightly.params import lay, parse, read_params
from models.expression.definition import family
from models.expression.params import ExpressionParams
from models.family import BudgetParams
from rushes.inference.cpu import processor
from steps.compress import judged_here, remove_earlier_cache, trained
from steps.runtime.failures import describe
from tests.support.sets import small_set
from training.monitoring.divergence import NotFiniteError

VALUES = read_params(Path(__file__).parents[2])
PARAMS = ExpressionParams(budget=BudgetParams(max_objective_drop=0.01, max_latency_ms=5.0, max_bytes=9.0))


@pytest.mark.parametrize("machine", ["", processor()])
def test_milliseconds_count_here_if_this_machine_is_meant(machine, capsys):
    """Without a machine in the settings, and with this one."""
    assert judged_here(PARAMS, machine) == PARAMS
    assert capsys.readouterr().out == ""


def test_milliseconds_of_another_machine_are_not_judged_here(capsys):
    """The other limits apply, which the log states."""
    budget = judged_here(PARAMS, "Laptop").budget

    assert budget == BudgetParams(max_objective_drop=0.01, max_latency_ms=None, max_bytes=9.0)
    assert "milliseconds are not judged: settings mean those of Laptop" in capsys.readouterr().out


def test_the_cache_of_earlier_versions_is_removed(tmp_path):
    """Only that of this family; the removal is idempotent."""
    for item in ("expression", "scene"):
        (tmp_path / "rungs" / item / "0123456789abcdef").mkdir(parents=True)
    for _ in range(2):
        remove_earlier_cache(tmp_path, "expression")

    assert [path.name for path in (tmp_path / "rungs").iterdir()] == ["scene"]


def test_weights_that_are_nan_are_refused_by_name(tmp_path):
    """Planted: one of them. Nothing is exported or quantised, and the message has the file and a remedy."""
    samples = small_set(tmp_path / "set", {"train": 4, "validation": 4})
    network = family.network(family.module(samples.info, PARAMS.train))
    state = {name: value.clone().contiguous() for name, value in network.state_dict().items()}
    save_file(state, tmp_path / "weights.safetensors")
    assert trained(family, samples, PARAMS, tmp_path)
    state[next(iter(state))].flatten()[0] = math.nan
    save_file(state, tmp_path / "weights.safetensors")

    with pytest.raises(NotFiniteError, match=r"weights\.safetensors: weight \S+ became NaN") as caught:
        trained(family, samples, PARAMS, tmp_path)
    path = re.match(r"lower (\S+) in params\.yaml", caught.value.remedy)[1]
    assert lay(VALUES, parse(VALUES, [f"{path}=1e-5"]))
    assert describe("compress", "expression", caught.value).kind == "user"
