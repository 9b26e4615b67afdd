"""A Ray cluster of this machine alone, started for a training: it ends with the training, however that ends."""

from __future__ import annotations

import os
import time

import psutil
import pytest

from tests.training.engines.conftest import read_until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]
DEADLINE_S = 60


def processes_of(root):
    """Ray's processes that work in a checkout, or below it."""
    found = []
    for process in psutil.process_iter(["cmdline", "environ"]):
        words, env = process.info["cmdline"] or [], process.info["environ"] or {}
        if env.get("PWD_OF_TEST") == str(root) and any("ray" in word for word in words[:3]):
            found.append(process)
    return found


def wait_for_end(root):
    """Waits until none is left."""
    until = time.monotonic() + DEADLINE_S
    while left := processes_of(root):
        assert time.monotonic() < until, [process.cmdline()[:2] for process in left]
        time.sleep(0.2)


def test_a_cluster_of_its_own(checkout):
    """Two processes learn; nothing of the cluster is left, and no token that other clusters would require."""
    checkout.configure(engine="ray", workers=2)
    log = checkout.train(PWD_OF_TEST=str(checkout.root))
    wait_for_end(checkout.root)

    assert "process 2 of 2" in log
    assert (checkout.root / "build/expression/train/weights.safetensors").is_file()
    assert not list(checkout.root.parent.glob("home/.ray/*"))


def test_a_killed_stage_takes_its_cluster_along(checkout):
    """Nothing of it is left; its processes had the priority of the stage."""
    checkout.configure(engine="ray", workers=2)
    process = checkout.start(PWD_OF_TEST=str(checkout.root))
    read_until(process, "epoch 2 of")
    seen = len(found := processes_of(checkout.root))
    priorities = [one.nice() for one in found if "RayTrainWorker" in " ".join(one.cmdline())]
    process.kill()
    process.wait()
    wait_for_end(checkout.root)

    assert seen > 3
    assert priorities == [os.nice(0)] * 2, "Ray's default gives way to everything else"
