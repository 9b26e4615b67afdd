"""The engine `torchrun`: processes that torchrun or srun have started on every node.

Without either, this process starts an agent of torchrun, as it would be by hand. The same command on each node then
makes one training: the agents find each other at `training.address`.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

from rushes.errors import MisuseError, RushesError
from training.engines.addresses import own_ip
from training.fit import Devices

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from common.settings import TrainingSettings
    from training.engines.work import Work
    from training.fit import Fitted

MAX_RESTARTS = 3  # of the processes of a node, after one has failed or a node has left


class ProcessesError(RushesError):
    """A process that torchrun has started failed; reported only if it has left no description, such as a killed one."""

    default_kind = "user"


def run(work: Work, training: TrainingSettings, key: str, command: Sequence[str]) -> Fitted | None:
    """Trains in this process, if it is one of those that torchrun or srun have started; otherwise starts an agent.

    Args:
        work: The training.
        training: The settings.
        key: Names the training, so that agents of other trainings are refused.
        command: Arguments of Python that start this stage again, for the agent.

    Returns:
        None in the process of the agent: the first of the processes that it started has written the outputs.

    Raises:
        MisuseError: There are several nodes and no address.
        ProcessesError: The agent's processes failed more often than they are restarted.
    """
    found = launched(os.environ)
    if found is None:
        _start_agent(training, key, command)
        return None
    devices, num_nodes = found
    strategy = "fsdp" if training.strategy == "fsdp" else "ddp"
    return work(Devices(training.accelerator, devices, strategy, training.threads, num_nodes, gpu=training.gpu))


def launched(environment: Mapping[str, str]) -> tuple[int, int] | None:
    """Processes of each node and number of nodes, if torchrun or srun have started this process; None otherwise."""
    if "TORCHELASTIC_RUN_ID" in environment:
        each = int(environment["LOCAL_WORLD_SIZE"])
        return each, int(environment["WORLD_SIZE"]) // each
    if "SLURM_PROCID" in environment and environment.get("SLURM_JOB_NAME") not in {"bash", "interactive"}:
        nodes = int(environment["SLURM_NNODES"])
        return int(environment["SLURM_NTASKS"]) // nodes, nodes
    return None


def agent_command(training: TrainingSettings, key: str, command: Sequence[str]) -> list[str]:
    """The command of a node's agent.

    Raises:
        MisuseError: There are several nodes and no address at which they meet.
    """
    if training.num_nodes > 1 and not training.address:
        message = f"training.num_nodes is {training.num_nodes}, and training.address is empty: the nodes cannot meet"
        raise MisuseError(message, 'set training.address in settings.toml, such as "10.0.0.5:29400"')
    least = -(-training.min_workers // training.devices) if training.min_workers else training.num_nodes
    return [
        *(sys.executable, "-m", "torch.distributed.run"),
        f"--nnodes={least}:{training.num_nodes}",
        f"--nproc-per-node={training.devices}",
        f"--max-restarts={MAX_RESTARTS}",
        *(_meeting(training, key) if training.address else ["--standalone"]),
        *command,
    ]


def _meeting(training: TrainingSettings, key: str) -> list[str]:
    """Options of the meeting of several agents.

    By itself torchrun compares the address with that of the host's name: on a machine with several networks no agent
    would listen there, and all would wait for the others.
    """
    ip = own_ip(training.address)
    listens = ip == socket.gethostbyname(training.address.rpartition(":")[0])
    return [
        "--rdzv-backend=c10d",
        f"--rdzv-endpoint={training.address}",
        f"--rdzv-id={key[:16]}",
        f"--rdzv-conf=is_host={int(listens)},last_call_timeout={training.node_timeout_s}",
        *([f"--local-addr={ip}"] if ip else []),
    ]


def _start_agent(training: TrainingSettings, key: str, command: Sequence[str]) -> None:
    words = agent_command(training, key, command)
    status = subprocess.run(words, check=False).returncode
    if status:
        message = f"torchrun ended with status {status}; the reason of the process that failed is above, in the log"
        raise ProcessesError(message, "fix the reason, then run again: it resumes where it was")
