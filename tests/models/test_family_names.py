"""A family that was mistyped, in `python -m flows`."""

import os
import subprocess
import sys

import pytest

from models.families import by_name
from rushes.errors import MisuseError
from tests.support.repos import ROOT


def test_a_mistyped_family_is_guessed():
    """The message has the name that was meant, and by that name it is found."""
    with pytest.raises(MisuseError, match="Did you mean 'expression'"):
        by_name("expresion")
    assert by_name("expression").name == "expression"


LOADED = "import sys; print(*(name for name in ('torch', 'pytorch_lightning', 'sklearn') if name in sys.modules))"


@pytest.mark.parametrize(
    ("code", "loaded"),
    [
        ("import flows.nightly.prefect_flow", ""),
        ("import steps.augment; steps.augment.by_name('expression')", "torch"),
        ("import steps.evaluate; steps.evaluate.by_name('expression')", "torch"),
        ("import steps.evaluate; steps.evaluate.by_name('tracking')", "torch"),
    ],
)
def test_what_takes_seconds_to_load_is_loaded_only_where_it_is_used(code, loaded, tmp_path):
    """A run loads none of it, and a stage that trains nothing neither Lightning nor the other families."""
    environment = os.environ | {"PREFECT_HOME": str(tmp_path), "MPLCONFIGDIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", f"{code}; {LOADED}"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout.split() == loaded.split()
