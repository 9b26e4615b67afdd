"""The stage's process of a training on a Ray cluster: starts the processes, and waits for them."""

from __future__ import annotations

import importlib.metadata
import io
import os
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

from rushes.errors import MisuseError, RushesError, TransientError, UserError
from training.engines.ray import cluster
from training.engines.ray.checkout import pack

if TYPE_CHECKING:
    from collections.abc import Sequence

    from common.settings import TrainingSettings
    from training.engines.work import Work

MAX_FAILURES = 3  # restarts after a process was lost, before the stage fails
COLLECTIVE_TIMEOUT_S = 300  # a process that waits for the others so long is restarted with them; Ray waits 30 minutes
# What the processes need of the stage's environment: access to MLflow and to the storage.
FORWARDED = ("MLFLOW_", "AWS_", "GIT_CONFIG_", "DVC_", "RUSHES_", "_RUSHES_MLFLOW_")
# Environment of the processes: they stay in the checkout, and have the priority that a stage has. By default they would
# be 15 nicer, and give way to anything else on the node.
WORKERS = {"RAY_CHDIR_TO_TRIAL_DIR": "0", "RAY_worker_niceness": "0"}
PACKAGES = ("torch", "pytorch-lightning", "numpy", "ray")
LOOPBACK = {"localhost", "127.0.0.1", "::1"}


class RayTrainingError(UserError):
    """A training on the cluster failed for a reason that is none of ours."""


class NodesMissingError(TransientError):
    """The cluster has too few nodes for the processes, and none has come in time."""


def run(work: Work, training: TrainingSettings, key: str, counts: Sequence[int], root: Path) -> None:
    """Trains on the cluster; the result is in the checkpoints.

    Args:
        work: The training.
        training: The settings.
        key: Names the training.
        counts: Numbers of processes among which the family's batches can be divided.
        root: The checkout, which the processes run.

    Raises:
        MisuseError: The settings do not suit the cluster.
        RushesError: What a process raised.
        NodesMissingError: There are too few nodes.
        HeadLostError: The head of the cluster has gone.
    """
    accelerator_of(training)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True)  # Ray prints the processes' lines, and does not flush them
    with tempfile.TemporaryDirectory(prefix="rushes-") as folder:
        archive = pack(root, Path(folder) / "checkout.zip")
        runtime = {"working_dir": str(archive), "env_vars": WORKERS}
        os.environ["RAY_CHDIR_TO_TRIAL_DIR"] = "0"  # processes stay in the checkout
        os.environ["RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S"] = str(training.node_timeout_s)
        with cluster.connected(training, runtime) as address:
            check_reach(training)
            cluster.watched(lambda: _fit(work, training, key, counts, folder), address)


def accelerator_of(training: TrainingSettings) -> Literal["cpu", "gpu"]:
    """Device of each process: a GPU if it reserves one, since Ray hides all others from it.

    Raises:
        MisuseError: training.accelerator requires the other one.
    """
    found: Literal["cpu", "gpu"] = "gpu" if training.resources_per_worker.get("GPU") else "cpu"
    if training.accelerator not in ("auto", found):
        reserved = ", ".join(f"{name} = {count:g}" for name, count in training.resources_per_worker.items())
        message = f'training.accelerator is "{training.accelerator}", and each process reserves {reserved}'
        fitting = "{ CPU = 1, GPU = 1 }" if found == "cpu" else "{ CPU = 1 }"
        raise MisuseError(message, f"set training.resources_per_worker = {fitting} in settings.toml")
    return found


def check_reach(training: TrainingSettings) -> None:
    """Checks that every node can reach what the processes share.

    Raises:
        MisuseError: There are several nodes, and the checkpoints or MLflow are on this machine alone.
    """
    import ray  # noqa: PLC0415

    nodes = [node for node in ray.nodes() if node["Alive"]]
    if len(nodes) < 2:  # noqa: PLR2004
        return
    if not training.storage:
        message = f"the cluster has {len(nodes)} nodes, and training.storage is empty: they share no checkpoints"
        raise MisuseError(message, "set training.storage in settings.toml to a folder or s3:// address all can reach")
    uri = os.environ.get("MLFLOW_TRACKING_URI", "")
    if urlsplit(uri).hostname in LOOPBACK:
        message = f"MLflow is at {uri}, which the other {len(nodes) - 1} nodes of the cluster cannot reach"
        raise MisuseError(message, "set registry.url in settings.toml to the address of a server that all can reach")


def _fit(work: Work, training: TrainingSettings, key: str, counts: Sequence[int], folder: str) -> None:
    from ray.train.torch import TorchConfig  # noqa: PLC0415
    from ray.train.v2.api.config import FailureConfig, RunConfig, ScalingConfig  # noqa: PLC0415
    from ray.train.v2.api.exceptions import ControllerError, WorkerGroupError  # noqa: PLC0415

    from training.engines.ray.policy import Trainer, own_error  # noqa: PLC0415
    from training.engines.ray.worker import train  # noqa: PLC0415

    accelerator = accelerator_of(training)
    gpu = accelerator == "gpu"
    least, most = training.min_workers or training.workers, training.workers
    trainer = Trainer(
        train,
        counts=counts,
        train_loop_config=_config(work, training, accelerator),
        torch_config=TorchConfig(backend="nccl" if gpu else "gloo", timeout_s=COLLECTIVE_TIMEOUT_S),
        scaling=ScalingConfig(
            num_workers=most if least == most else (least, most),
            use_gpu=gpu,
            resources_per_worker=dict(training.resources_per_worker),
            placement_strategy="SPREAD",
        ),
        run=RunConfig(
            name=key[:16],
            storage_path=folder,
            # Ray counts a node that has just left for up to a minute: an elastic training tries again without it.
            failure_config=FailureConfig(MAX_FAILURES, controller_failure_limit=MAX_FAILURES if least < most else 0),
        ),
    )
    try:
        trainer.fit()
    except WorkerGroupError as error:
        found = own_error(error.worker_failures)
        if found is not None:
            raise found from error
        raise RayTrainingError(*_lost(error)) from error
    except ControllerError as error:
        raise _not_started(training) from error


def _config(work: Work, training: TrainingSettings, accelerator: str) -> dict[str, Any]:
    return {
        "work": work,
        "environment": {name: value for name, value in os.environ.items() if name.startswith(FORWARDED)},
        "packages": {name: importlib.metadata.version(name) for name in PACKAGES},
        "accelerator": accelerator,
        "threads": training.threads,
        "gpu": training.gpu,
        "wanted": training.workers,
    }


def _lost(error: Any) -> tuple[str, str]:  # noqa: ANN401  # WorkerGroupError
    rank, failure = next(iter(sorted(error.worker_failures.items())))
    words = str(failure).strip().splitlines()
    message = f"process {rank + 1} failed {MAX_FAILURES + 1} times: {words[-1] if words else type(failure).__name__}"
    return message, "see its last lines in the log; then run again: it resumes where it was"


def _not_started(training: TrainingSettings) -> RushesError:
    import ray  # noqa: PLC0415

    have = {name: amount for name, amount in ray.cluster_resources().items() if name in training.resources_per_worker}
    message = (
        f"the cluster has no room for {training.min_workers or training.workers} processes of "
        f"{dict(training.resources_per_worker)} within {training.node_timeout_s} s: it has {have} in all"
    )
    return NodesMissingError(message, "start more nodes, or lower training.workers or training.min_workers")
