"""`python -m flows rayjob`: the manifest of a training on Kubernetes, from the settings."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import typer
import yaml

from common.atomic import replacing
from common.settings import PREFIX
from common.yaml_files import YamlFileError, read_plain_text
from flows.cli.rayjob_check import find_faults, read_definition
from models.families import NAMES, by_name
from rushes.errors import DONE, FAILED, MisuseError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from common.settings import Settings

FILE = "deploy/kubernetes/rayjob.yaml"
CHECKOUT = "/rushes"  # in the image
IMAGE = "registry.example.org/rushes:latest"  # stands for the user's own
SECRET = "rushes-credentials"  # noqa: S105 - the name of a Kubernetes secret
CLAIM = "rushes-checkpoints"
STORAGE = "/mnt/rushes"  # where `training.storage` is empty: pods share no folder of the state
HEAD_CPU = 4  # the head runs every stage but the epochs of training
RETRIES = 2
GPU = "nvidia.com/gpu"
KNOWN = {"CPU", "GPU", "memory"}  # resources that Ray finds by itself; any other is custom
HEAD = f"""# RayJob for KubeRay: starts a Ray cluster for the job, and removes it afterwards; see docs/cluster.md.
# Written by `python -m flows rayjob` from settings.toml. If you edit it: python -m flows rayjob --check {FILE}
"""


@dataclass(frozen=True)
class Deployment:
    """Inputs of the manifest beside the settings.

    Args:
        image: Image of every pod; it contains the checkout in CHECKOUT, with its environment on PATH.
        families: Families to train, with commas between them; all if empty.
        secret: Kubernetes secret whose entries become environment variables; none if empty.
        claim: PersistentVolumeClaim (ReadWriteMany) that is mounted at the storage path if that is a folder.
        memory: Memory of each pod, as a Kubernetes quantity; `memory` in `resources_per_worker` takes precedence.
    """

    image: str = IMAGE
    families: str = ""
    secret: str = SECRET
    claim: str = CLAIM
    memory: str = "8Gi"


def build_manifest(settings: Settings, deployment: Deployment) -> dict[str, Any]:
    """The RayJob as Kubernetes reads it.

    Raises:
        MisuseError: `training.storage` is a relative folder, which each pod would have for itself; a family does not
            exist; or the job would refuse the strategy.
    """
    training = settings.training
    if training.strategy == "fsdp":
        message = "training.strategy is fsdp, which the engine ray does not have"
        raise MisuseError(message, 'in settings.toml, under [training]: strategy = "ddp"')
    resources = _worker_resources(settings)
    custom = {name: amount for name, amount in resources.items() if name not in KNOWN}
    workers, storage = training.workers, _storage(settings)
    env = _environment(settings, resources, storage)
    pod: dict[str, Any] = {"deployment": deployment, "env": env, "storage": storage}
    start = {"resources": json.dumps(json.dumps(custom))} if custom else {}  # KubeRay puts it on a command line
    head = _pod("head", {"cpu": str(HEAD_CPU), "memory": deployment.memory}, ports=True, **pod)
    worker = _pod("worker", _quantities(resources, deployment.memory), **pod)
    for name in set(filter(None, deployment.families.split(","))) - set(NAMES):
        by_name(name)
    families = ["--families", deployment.families] if deployment.families else []
    return {
        "apiVersion": "ray.io/v1",
        "kind": "RayJob",
        "metadata": {"name": "rushes"},
        "spec": {
            "entrypoint": " ".join(["env", "-C", CHECKOUT, "python", "-m", "flows", "nightly", *families]),
            "shutdownAfterJobFinishes": True,
            "backoffLimit": RETRIES,  # each with a new cluster; the training resumes from its checkpoints
            "rayClusterSpec": {
                "rayVersion": version("ray"),
                "headGroupSpec": {
                    "rayStartParams": {"dashboard-host": "0.0.0.0", "num-cpus": "0"},  # noqa: S104 - inside of the pod
                    "template": head,
                },
                "workerGroupSpecs": [
                    {
                        "groupName": "workers",
                        "replicas": workers,
                        "minReplicas": min(training.min_workers or workers, workers),
                        "maxReplicas": workers,
                        "rayStartParams": start,
                        "template": worker,
                    }
                ],
            },
        },
    }


def _storage(settings: Settings) -> str:
    storage = settings.training.storage or STORAGE
    if "://" not in storage and not storage.startswith("/"):
        message = f"training.storage is {storage!r}, a relative folder: every pod would have one of its own"
        raise MisuseError(message, f"in settings.toml, under [training]: storage = {STORAGE!r}")
    return storage


def _worker_resources(settings: Settings) -> dict[str, float]:
    """Resources of one worker, and so of one pod; with `accelerator = "gpu"` at least one GPU."""
    resources = dict(settings.training.resources_per_worker)
    return {**resources, "GPU": resources.get("GPU") or 1.0} if settings.training.accelerator == "gpu" else resources


def _environment(settings: Settings, resources: Mapping[str, float], storage: str) -> dict[str, str]:
    """Settings as environment variables, since the image has no settings.toml.

    The address is left out: Ray gives the job that of its own cluster, in RAY_ADDRESS. Logins are left out too, and
    come from the secret.
    """
    training = settings.training.model_dump(exclude_defaults=True, exclude={"devices", "num_nodes", "address"})
    training |= {"engine": "ray", "storage": storage, "resources_per_worker": resources}
    if not settings.training.threads:  # all cores: those of the node, of which the pod may have few
        training["threads"] = max(1, int(resources.get("CPU", 1)))
    values = {f"TRAINING__{name.upper()}": value for name, value in training.items()}
    for name in ("registry", "prefect", "remote"):
        if url := getattr(settings, name).url:
            values[f"{name.upper()}__URL"] = url
    return {
        f"{PREFIX}{name}": json.dumps(value) if isinstance(value, dict) else str(value)
        for name, value in sorted(values.items())
    }


def _quantities(resources: Mapping[str, float], memory: str) -> dict[str, str]:
    """Resources of Ray as those of a container; a share of a GPU takes a whole one."""
    cpu = resources.get("CPU", 1)
    quantities = {
        "cpu": f"{cpu:.0f}" if cpu == int(cpu) else f"{cpu * 1000:.0f}m",
        "memory": f"{resources['memory']:.0f}" if resources.get("memory") else memory,
    }
    return {**quantities, GPU: f"{math.ceil(resources['GPU'])}"} if resources.get("GPU") else quantities


def _pod(
    name: str,
    quantities: Mapping[str, str],
    *,
    deployment: Deployment,
    env: Mapping[str, str],
    storage: str,
    ports: bool = False,
) -> dict[str, Any]:
    container: dict[str, Any] = {"name": name, "image": deployment.image}
    if ports:
        named = {"gcs": 6379, "dashboard": 8265, "client": 10001}
        container["ports"] = [{"name": port, "containerPort": number} for port, number in named.items()]
    container["env"] = [{"name": variable, "value": value} for variable, value in env.items()]
    if deployment.secret:
        container["envFrom"] = [{"secretRef": {"name": deployment.secret}}]
    container["resources"] = {"requests": dict(quantities), "limits": dict(quantities)}
    if "://" in storage:
        return {"spec": {"containers": [container]}}
    container["volumeMounts"] = [{"name": "storage", "mountPath": storage}]
    volume = {"name": "storage", "persistentVolumeClaim": {"claimName": deployment.claim}}
    return {"spec": {"containers": [container], "volumes": [volume]}}


def write_text(manifest: Mapping[str, Any]) -> str:
    """The manifest as YAML, with its head."""
    return HEAD + yaml.safe_dump(dict(manifest), sort_keys=False, width=120)


def run_write(settings: Settings, deployment: Deployment, path: Path) -> int:
    """Writes the manifest, and prints how to apply it.

    Raises:
        MisuseError: As for `build_manifest`.
    """
    text = write_text(build_manifest(settings, deployment))
    with replacing(path) as partial:
        partial.write_text(text, encoding="utf-8")
    typer.echo(f"written  {path}")
    if deployment.image == IMAGE:
        typer.echo(f"image    {IMAGE} stands for your own: --image NAME")
    if missing := [f"{name}.url" for name in ("registry", "remote") if not getattr(settings, name).url]:
        typer.echo(f"missing  {' and '.join(missing)} in settings.toml: pods cannot reach what is on this machine")
    typer.echo(f"apply    kubectl apply -f {path}")
    return _report(path, find_faults(text))


def run_check(path: Path, definition: Path | None) -> int:
    """Validates a manifest, and prints each fault with its line.

    Raises:
        MisuseError: `definition` is not a CustomResourceDefinition.
    """
    known = read_definition(definition) if definition else None
    try:
        faults = find_faults(read_plain_text(path), known)
    except YamlFileError as error:
        faults = [(1, str(error))]
    if not faults:
        typer.echo(f"{path} is valid")
    return _report(path, faults)


def _report(path: Path, faults: list[tuple[int, str]]) -> int:
    for line, fault in faults:
        typer.echo(f"{path}:{line}: {fault}", err=True)
    return FAILED if faults else DONE
