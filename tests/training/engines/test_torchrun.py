"""Training by torchrun: the processes that it has started, and agents on two nodes, each a network namespace."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from subprocess import PIPE

import psutil
import pytest

from common.settings import TrainingSettings
from registry.dvc.pipeline import SAME, stages, status
from rushes.errors import MisuseError
from tests.support.nodes import machines
from tests.support.repos import ROOT
from tests.training.engines.conftest import epochs_in, make_checkout, read_until, same
from training.engines.torchrun import agent_command, launched

TORCHRUN = {"TORCHELASTIC_RUN_ID": "a", "WORLD_SIZE": "6", "LOCAL_WORLD_SIZE": "2"}
SLURM = {"SLURM_PROCID": "3", "SLURM_JOB_NAME": "train", "SLURM_NNODES": "2", "SLURM_NTASKS": "8"}


@pytest.mark.parametrize(
    ("environment", "found"),
    [({}, None), (TORCHRUN, (2, 3)), (SLURM, (4, 2)), (SLURM | {"SLURM_JOB_NAME": "bash"}, None)],
    ids=["by hand", "torchrun", "srun", "shell in a job"],
)
def test_processes_that_a_launcher_has_started(environment, found):
    """The number on each node, and of nodes."""
    assert launched(environment) == found


def test_agents_meet_at_an_address():
    """Several nodes need one; a single one does not."""
    with pytest.raises(MisuseError, match=r"training.num_nodes is 2, and training.address is empty") as refused:
        agent_command(TrainingSettings(engine="torchrun", num_nodes=2), "key", ())
    address = refused.value.remedy.split('"')[1]
    assert agent_command(TrainingSettings(engine="torchrun", num_nodes=2, address=address), "key", ())

    words = agent_command(
        TrainingSettings(engine="torchrun", num_nodes=3, devices=2, min_workers=3, address="10.0.0.5:29400"), "key", ()
    )
    assert {"--nnodes=2:3", "--nproc-per-node=2", "--rdzv-endpoint=10.0.0.5:29400"} <= set(words)
    assert "--standalone" in agent_command(TrainingSettings(engine="torchrun", devices=2), "key", ())


def trainers_of(agent):
    """The processes that an agent has started."""
    below = psutil.Process(agent.pid).children(recursive=True)
    return [one for one in below if "steps" in one.cmdline() and "torch.distributed.run" not in one.cmdline()]


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_two_nodes_learn_what_two_processes_learn(tmp_path):
    """Bit for bit, also when a node loses its process on the way; only the first process writes."""
    checkout = make_checkout(tmp_path)
    checkout.configure(devices=2, strategy="ddp")
    checkout.train()
    local = checkout.learned()
    (tmp_path / "storage").mkdir()
    with machines(2) as (first, second):
        checkout.configure(
            engine="torchrun", num_nodes=2, address=f"{first.host}:29400", storage=str(tmp_path / "storage")
        )
        one, two = checkout.start(first), checkout.start(second)
        log = read_until(one, "epoch 3 of")
        trainers_of(two)[0].kill()
        log += one.communicate(timeout=300)[0]
        other = two.communicate(timeout=300)[0]

    assert (one.returncode, two.returncode) == (0, 0), log + other
    assert same(checkout.learned(tmp_path / "storage"), local)
    assert 12 <= len(epochs_in(log + other)) <= 13


@pytest.mark.slow
def test_a_training_by_hand_is_recorded_by_the_documented_command(tmp_path):
    """The next run finds nothing to do."""
    line = next(one for one in (ROOT / "docs/cluster.md").read_text().splitlines() if "dvc commit" in one)
    checkout = make_checkout(tmp_path, epochs=2)
    checkout.configure(engine="torchrun")
    (node,) = (one for one in stages(checkout.root, ["expression"]) if one.stage == "train")
    env = {**checkout.project.env, "MLFLOW_TRACKING_URI": "", "OMP_NUM_THREADS": "1"}
    env["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{env['PATH']}"

    def run(command: str) -> str:
        return subprocess.run(
            ["sh", "-c", command], cwd=checkout.root, env=env, check=True, stdout=PIPE, text=True
        ).stdout

    run("torchrun --standalone --nproc-per-node 2 -m steps train expression")
    assert status(checkout.root, node).text == "first run"
    run(line)

    assert status(checkout.root, node).text == SAME
    assert "didn't change, skipping" in run(f"dvc repro --single-item {node.name}")
