"""Blocks that a stage or a worker frees and allocates again cost no faults of pages."""

import os
import platform
import resource
import subprocess
import sys
import textwrap

import pytest

from common.spawned import each
from tests.support.repos import ROOT

BLOCK_BYTES, ROUNDS = 64 << 20, 4
MAPPED_AGAIN = ROUNDS * BLOCK_BYTES // resource.getpagesize()  # faults of blocks that the system maps each time
STAGE = """
    import runpy, sys

    sys.argv = ["steps", "train", "nobody"]
    try:
        runpy.run_module("steps", run_name="__main__")
    except SystemExit:
        from tests.common.test_memory import faults
        print(faults())
"""

pytestmark = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="needs glibc, whose mallopt is tested")


def faults(_item=0):
    """Faults of pages while blocks are filled and freed, after the first."""
    counts = []
    for _ in range(ROUNDS + 1):
        bytes(b"x" * BLOCK_BYTES)
        counts.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt)
    return counts[-1] - counts[0]


@pytest.mark.parametrize(("own", "kept"), [({}, True), ({"MALLOC_TRIM_THRESHOLD_": "65536"}, False)])
def test_a_stage_keeps_its_memory_unless_a_user_has_set_malloc(own, kept, tmp_path):
    """By hand as well as from a flow."""
    environment = os.environ | {"PYTHONPATH": str(ROOT)} | own
    words = [sys.executable, "-c", textwrap.dedent(STAGE)]
    done = subprocess.run(words, env=environment, cwd=tmp_path, capture_output=True, text=True, check=True)

    assert (int(done.stdout) < MAPPED_AGAIN / 10) is kept


def test_workers_keep_their_memory():
    """Each of them."""
    assert max(each(faults, range(2), workers=2)) < MAPPED_AGAIN / 10
