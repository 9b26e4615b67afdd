"""The spin of OpenMP's threads is bounded in every training, as reported by libgomp once loaded."""

import os
import re
import subprocess
import sys

import pytest

from steps.runtime.threads import OF_A_USER, SPIN, bound_spin
from tests.support.repos import ROOT

STAGE = ["-m", "steps", "train", "nobody"]  # imports all of a training's modules, then fails on an unknown family
BENCHMARK = ["-c", "import benchmarks, torch"]


def spin_of(words, **own):
    """The count that libgomp has read."""
    environment = {name: value for name, value in os.environ.items() if name not in OF_A_USER} | own
    environment |= {"OMP_DISPLAY_ENV": "VERBOSE", "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, *words], env=environment, capture_output=True, text=True, check=False)
    return re.search(r"GOMP_SPINCOUNT = '(\d+)'", done.stderr)[1]


@pytest.mark.parametrize("words", [STAGE, BENCHMARK], ids=["stage", "benchmark"])
def test_the_spin_is_bounded_before_pytorch_is_loaded(words, tmp_path, monkeypatch):
    """By hand as well as from a flow, which is not part of this; libgomp's own count is 300,000."""
    monkeypatch.chdir(tmp_path)

    assert spin_of(words) == SPIN


@pytest.mark.parametrize(("own", "spin"), [({"GOMP_SPINCOUNT": "77"}, "77"), ({"OMP_WAIT_POLICY": "passive"}, "0")])
def test_what_a_user_has_decided_stays(own, spin, tmp_path, monkeypatch):
    """In either of the two variables."""
    monkeypatch.chdir(tmp_path)

    assert spin_of(STAGE, **own) == spin


def test_children_inherit_it():
    """A flow sets it for all its processes."""
    environment = {}
    bound_spin(environment)

    assert environment == {"GOMP_SPINCOUNT": SPIN}
