"""deploy/slurm/train.sbatch under a fake `srun` and `scontrol`, which do on this machine what SLURM's do on several.

Real here: the script, the variables that a job has, Lightning's detection of SLURM, and processes that reduce a tensor
together. Not real: SLURM itself, several machines, and the training, in whose place a small program runs.
"""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "deploy" / "slurm" / "train.sbatch"
OPTIONS = dict(re.findall(r"^#SBATCH --([a-z-]+)(?:=(\S+))?$", SCRIPT.read_text(), re.MULTILINE))

SRUN = """
import os, subprocess, sys

words = sys.argv[1:]
while words[0].startswith("-"):
    print("srun", words.pop(0), flush=True)
nodes, each = int(os.environ["SLURM_NNODES"]), int(os.environ["SLURM_NTASKS_PER_NODE"])
tasks = []
for rank in range(nodes * each):
    place = {"SLURM_PROCID": rank, "SLURM_NODEID": rank // each, "SLURM_LOCALID": rank % each}
    tasks.append(subprocess.Popen(words, env=os.environ | {name: str(value) for name, value in place.items()}))
sys.exit(max(task.wait() for task in tasks))
"""
SCONTROL = """
case "$1" in
  show) tr , "\\n" <<< "$3" ;;
  requeue) echo "requeue $2" ;;
esac
"""
TRAINING = """
import os, sys, torch
from lightning_fabric.plugins.environments import SLURMEnvironment
from lightning_fabric import Fabric
from common.settings import load_settings

training = load_settings().training
fabric = Fabric(accelerator="cpu", devices=training.devices, num_nodes=training.num_nodes, strategy="ddp")
fabric.launch()
assert isinstance(fabric.strategy.cluster_environment, SLURMEnvironment)
total = fabric.all_reduce(torch.tensor(10.0 ** fabric.global_rank), reduce_op="sum")
found = training.engine, training.threads, fabric.global_rank, fabric.world_size, total.item()
os.write(1, (" ".join(map(str, (*sys.argv[1:], *found))) + "\\n").encode())  # in one piece: the processes share a pipe
"""


def write_program(path, text, interpreter=sys.executable):
    """A program that the job finds on PATH or in its checkout."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!{interpreter}\n{text}")
    path.chmod(0o755)


def job_variables(folder, number, **options):
    """The environment that sbatch gives a batch script with the options of the file, or others."""
    nodes, tasks = options.get("nodes", OPTIONS["nodes"]), OPTIONS["ntasks-per-node"]
    names = ",".join(["127.0.0.1"] * int(nodes))
    return os.environ | {
        "PATH": f"{folder / 'bin'}:{os.environ['PATH']}",
        "PYTHONPATH": str(SCRIPT.parents[2]),
        "SLURM_SUBMIT_DIR": str(folder),
        "SLURM_JOB_ID": str(number),
        "SLURM_JOB_NAME": OPTIONS["job-name"],
        "SLURM_NNODES": nodes,
        "SLURM_JOB_NUM_NODES": nodes,
        "SLURM_NTASKS_PER_NODE": tasks,
        "SLURM_NTASKS": str(int(nodes) * int(tasks)),
        "SLURM_CPUS_PER_TASK": OPTIONS["cpus-per-task"],
        "SLURM_NODELIST": names,
        "SLURM_JOB_NODELIST": names,
    }


@pytest.fixture
def start():
    """Starts the script; it and all its processes end with the test."""
    started = []

    def begin(environment, *words):
        job = subprocess.Popen(
            ["bash", SCRIPT, *words], env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            start_new_session=True,
        )  # fmt: skip
        started.append(job)
        return job

    yield begin
    for job in started:
        with suppress(ProcessLookupError):
            os.killpg(job.pid, signal.SIGKILL)
        job.wait()


@pytest.fixture
def folder(tmp_path):
    """A checkout with a fake SLURM."""
    write_program(tmp_path / "bin" / "srun", SRUN)
    write_program(tmp_path / "bin" / "scontrol", SCONTROL, "/bin/bash")
    return tmp_path


def free_job():
    """A job number whose port is free."""
    for number in range(os.getpid() % 10_000, 20_000):
        with socket.socket() as tried:
            if tried.connect_ex(("127.0.0.1", 20_000 + number)):
                return number
    pytest.fail("every port from 20000 to 40000 is taken")


@pytest.mark.slow
def test_the_processes_of_two_nodes_form_one_group(folder, start):
    """Each has its rank, the settings are those of the job, and what they reduce is whole."""
    write_program(folder / ".venv" / "bin" / "python", TRAINING)
    output, _ = start(job_variables(folder, free_job()) | {"INTERFACE": "lo"}, "expression").communicate(timeout=120)

    lines = [line for line in output.splitlines() if line.startswith("-m")]
    assert sorted(lines) == [f"-m steps train expression torchrun 4 {rank} 2 11.0" for rank in (0, 1)], output
    assert {"srun --kill-on-bad-exit=1", "srun --cpus-per-task=4"} <= set(output.splitlines())


@pytest.mark.parametrize("requeues", [True, False])
def test_a_job_is_requeued_before_its_time_is_over(folder, start, requeues):
    """The training goes on meanwhile, also if the job cannot be requeued; the job ends with the training's status."""
    os.mkfifo(folder / "end")
    write_program(folder / ".venv" / "bin" / "python", "echo started\nread -r status < end\nexit $status", "/bin/bash")
    if not requeues:
        write_program(folder / "bin" / "scontrol", '[ "$1" = show ] && echo 127.0.0.1', "/bin/bash")
    job = start(job_variables(folder, 4711, nodes="1"), "scene")
    lines = iter(job.stdout.readline, "")
    assert "started\n" in lines
    job.send_signal(signal.Signals["SIG" + OPTIONS["signal"].removeprefix("B:").partition("@")[0]])

    assert next(lines) == "the time is nearly over: job 4711 is queued again\n"
    assert next(lines) == (
        "requeue 4711\n" if requeues else "that failed; the training goes on until the time is over\n"
    )
    (folder / "end").write_text("7\n")
    assert job.wait(timeout=60) == 7


def test_a_training_that_ends_while_its_job_is_requeued_keeps_its_status(folder, start):
    """`wait` was interrupted, and the training has ended before it is called again."""
    os.mkfifo(folder / "end")
    training = "echo $PPID > srun\necho started\nread -r status < end\nexit $status"
    write_program(folder / ".venv" / "bin" / "python", training, "/bin/bash")
    requeue = '[ "$1" = show ] && echo 127.0.0.1 && exit\necho 7 > end\ntail --pid "$(cat srun)" -s 0.05 -f /dev/null'
    write_program(folder / "bin" / "scontrol", requeue, "/bin/bash")
    job = start(job_variables(folder, 4711, nodes="1"), "scene")
    assert "started\n" in iter(job.stdout.readline, "")
    job.send_signal(signal.SIGUSR1)

    assert job.wait(timeout=60) == 7


def test_the_job_may_be_requeued():
    """SLURM starts it again after a preemption, and its log goes on; only the script gets the signal."""
    assert {"requeue", "open-mode", "signal"} <= set(OPTIONS)
    assert OPTIONS["open-mode"] == "append"
    assert OPTIONS["signal"].startswith("B:")


def test_a_family_is_required(folder, start):
    """The script names its use, and is valid for bash."""
    job = start(job_variables(folder, 1))

    assert "usage: sbatch deploy/slurm/train.sbatch FAMILY" in job.communicate(timeout=60)[0]
    assert job.returncode == 1
    assert subprocess.run(["bash", "-n", SCRIPT], check=False).returncode == 0
