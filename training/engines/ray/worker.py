"""One process of a training on a Ray cluster."""

from __future__ import annotations

import importlib.metadata
import os
import sys
from typing import TYPE_CHECKING, Any

from rushes.errors import MisuseError

if TYPE_CHECKING:
    from collections.abc import Mapping


def train(config: Mapping[str, Any]) -> None:
    """Trains, in each process; the first one writes checkpoints and logs.

    Args:
        config: work: the training; environment: variables of the driver that it needs; packages: versions there;
            accelerator, threads, gpu: of Devices; wanted: number of processes in the settings.
    """
    import ray  # noqa: PLC0415
    from pytorch_lightning.utilities import rank_zero_only  # noqa: PLC0415
    from ray.train.lightning import RayDDPStrategy, RayLightningEnvironment  # noqa: PLC0415

    from common.memory import keep_freed_memory  # noqa: PLC0415
    from common.threads import throttle_spin  # noqa: PLC0415
    from training.fit import Devices  # noqa: PLC0415

    throttle_spin()
    keep_freed_memory()
    os.environ |= config["environment"]
    context = ray.train.get_context()
    node = ray.util.get_node_ip_address()
    check_packages(config["packages"], node)
    rank_zero_only.rank = context.get_world_rank()  # type: ignore[attr-defined]  # Lightning read it when it was imported, before Ray had set it
    count, wanted = context.get_world_size(), config["wanted"]
    fewer = "" if count == wanted else f": {wanted} were wanted, the training goes on with fewer"
    sys.stdout.write(f"process {context.get_world_rank() + 1} of {count} on {node}{fewer}\n")
    sys.stdout.flush()
    config["work"](
        Devices(
            config["accelerator"],
            threads=config["threads"],
            distributed=RayDDPStrategy,
            environment=RayLightningEnvironment(),
            gpu=config["gpu"],
        )
    )


def check_packages(wanted: Mapping[str, str], node: str) -> None:
    """Compares the packages of this node with those of the driver.

    Raises:
        MisuseError: A version differs, which may change what is learned.
    """
    for name, version in wanted.items():
        try:
            found = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found = "missing"
        if found != version:
            message = f"node {node} has {name} {found}, and this checkout requires {version}"
            raise MisuseError(message, "install the checkout's packages on that node: make install")
