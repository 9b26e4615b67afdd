"""A connection to a Ray cluster: a running one by its address, or one that is started for the run and stopped after it.

A driver whose cluster has lost its head waits for a minute, and is then ended by Ray without a reason. `watched` ends
the wait with one.
"""

from __future__ import annotations

import logging
import os
import secrets
import shutil
import tempfile
import threading
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from queue import Empty, Queue
from typing import TYPE_CHECKING, Any, TypeVar

from common.commands import python
from rushes.errors import MisuseError, TransientError, UserError
from training.engines.addresses import answers, own_ip

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from common.settings import TrainingSettings

T = TypeVar("T")
HEAD_TIMEOUT_S = 30.0  # a head that does not answer for so long has gone
TOKEN = Path("~/.ray/auth_token")
POLL_S, SHUTDOWN_S = 1.0, 10.0
STORE_BYTES = 100_000_000  # of a cluster started for the run: a training puts nothing into Ray's object store
# Set before Ray is imported. It would report its usage over the network; and end this process after a minute without
# the head, before `watched` has a reason.
# Its log is part of the stage's: without colours, and with every line of every process.
ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_gcs_rpc_server_reconnect_timeout_s": "600",
    "RAY_COLOR_PREFIX": "0",
    "RAY_DEDUP_LOGS": "0",
}


class NoClusterError(UserError):
    """There is no Ray cluster at the address, or this machine is not one of its nodes."""


class HeadLostError(TransientError):
    """The head of the cluster does not answer any more."""


@contextmanager
def connected(training: TrainingSettings, runtime: Mapping[str, Any]) -> Iterator[str]:
    """Connects to the cluster of the settings.

    Args:
        training: The settings.
        runtime: Ray's runtime environment of the workers.

    Yields:
        HOST:PORT of the cluster's head.

    Raises:
        NoClusterError: The cluster cannot be used.
    """
    address = address_of(training)
    _set_environment(address)
    if ":" in address and not answers(address.removeprefix("ray://")):
        raise _unusable(address, ConnectionError("nothing answers there"))
    import ray  # noqa: PLC0415  # takes seconds, reads the environment, and only this engine needs it
    from ray.exceptions import AuthenticationError  # noqa: PLC0415

    folder = "" if address else tempfile.mkdtemp(prefix="ray-")  # short: sockets in it have at most 107 characters
    options = {"address": address, "_node_ip_address": own_ip(address) or None} if address else _own(training, folder)
    try:
        ray.init(runtime_env=dict(runtime), logging_level=logging.WARNING, **options)
    except (ConnectionError, ValueError, RuntimeError, AuthenticationError) as error:
        raise _unusable(address, error) from error
    try:
        yield ray.get_runtime_context().gcs_address
    finally:
        _shut_down(ray.shutdown)
        if folder:
            shutil.rmtree(folder, ignore_errors=True)


def _set_environment(address: str) -> None:
    """Sets what Ray reads when it is imported, unless a person has; with a token, without which nobody can connect.

    For a cluster of its own Ray would write a token into ~/.ray, which every cluster of this user then requires.
    """
    wanted = dict(ENVIRONMENT)
    if not address:
        wanted |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    elif "RAY_AUTH_TOKEN" in os.environ or TOKEN.expanduser().is_file():
        wanted["RAY_AUTH_MODE"] = "token"
    os.environ |= {name: value for name, value in wanted.items() if name not in os.environ}


def address_of(training: TrainingSettings) -> str:
    """Address of a running cluster; empty if one is to be started."""
    return training.address or os.environ.get("RAY_ADDRESS", "")


def check_room(training: TrainingSettings, count: int) -> None:
    """Checks that a running cluster has room for several trainings at once; each would wait for the others otherwise.

    Raises:
        NoClusterError: The cluster cannot be used.
        MisuseError: It is too small.
    """
    needs = {name: amount for name, amount in training.resources_per_worker.items() if amount}
    with connected(training, {}) as address:
        import ray  # noqa: PLC0415  # see `connected`

        nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    if not needs:
        return
    most = sum(min(int(node.get(name, 0.0) // amount) for name, amount in needs.items()) for node in nodes)
    most //= training.workers
    if most < count:
        each = f"{training.workers} processes with {needs}"
        message = f"the cluster at {address} has room for {most} of {count} trainings of {each} at once"
        fewer = f"--parallel {most}, or " if most > 1 else "leave out --parallel, or " if most else ""
        raise MisuseError(message, f"{fewer}lower training.workers or training.resources_per_worker in settings.toml")


def _own(training: TrainingSettings, folder: str) -> dict[str, Any]:
    """Options of a cluster of this machine alone, with room for the wanted processes."""
    wanted = {name: training.workers * amount for name, amount in training.resources_per_worker.items()}
    return {
        "address": "local",
        "num_cpus": int(max(1, wanted.pop("CPU", 1))),
        "num_gpus": int(wanted.pop("GPU", 0)) or None,
        "resources": wanted,
        "include_dashboard": False,
        "object_store_memory": STORE_BYTES,
        "_temp_dir": folder,
    }


def _unusable(address: str, error: Exception) -> NoClusterError | MisuseError:
    reason = str(error).strip().partition("\n")[0]
    if not address:
        return NoClusterError(f"Ray could not be started: {reason}", "see the log, and whether memory is free: free -m")
    message = f"the Ray cluster at {address} cannot be used from here: {reason}"
    ray = f"{Path(python()).with_name('ray')}"
    return NoClusterError(message, f"{ray} start --address={address}   # makes this machine one of its nodes")


def watched(act: Callable[[], T], address: str, timeout_s: float = HEAD_TIMEOUT_S) -> T:
    """Calls a function that uses the cluster, and returns its result.

    Raises:
        HeadLostError: The head did not answer for `timeout_s`; the function is left alone, in its thread.
    """
    box: Queue[tuple[T | None, BaseException | None]] = Queue()

    def call() -> None:
        try:
            box.put((act(), None))
        except BaseException as error:  # noqa: BLE001  # raised below, in the thread that waits
            box.put((None, error))

    threading.Thread(target=call, daemon=True).start()
    seen_s = time.monotonic()
    while True:
        with suppress(Empty):
            result, error = box.get(timeout=POLL_S)
            if error is not None and not answers(address):
                raise HeadLostError(*_lost(address)) from error
            if error is not None:
                raise error
            return result  # type: ignore[return-value]  # what `act` returned
        if answers(address):
            seen_s = time.monotonic()
        elif time.monotonic() - seen_s > timeout_s:
            raise HeadLostError(*_lost(address))


def _lost(address: str) -> tuple[str, str]:
    message = f"the head of the Ray cluster at {address} has gone"
    return message, "start the cluster's head again, then run again: the training resumes from its last checkpoint"


def _shut_down(shutdown: Callable[[], None]) -> None:
    """Disconnects; gives up after some seconds, since Ray waits for a head that has gone."""
    thread = threading.Thread(target=shutdown, daemon=True)
    thread.start()
    thread.join(SHUTDOWN_S)
