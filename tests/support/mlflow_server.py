"""A real MLflow server on SQLite."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import requests

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DEADLINE_S = 120
# Without the last one, the server starts seven more processes for jobs that are never submitted.
QUIET = {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}


@contextmanager
def serve(folder: Path, host: str = "127.0.0.1") -> Iterator[str]:
    """A server with its database and its artifacts in a folder; its address while the context lasts."""
    with socket.socket() as probe:
        probe.bind((host, 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "mlflow", "server", "--workers", "1", "--host", host, "--port", str(port)]
    command += ["--backend-store-uri", f"sqlite:///{folder}/mlflow.db", "--serve-artifacts"]
    command += ["--artifacts-destination", str(folder / "artifacts")]
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(
            command, env={**os.environ, **QUIET}, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
        )
    try:
        await_health(server, f"http://{host}:{port}", folder / "log")
        yield f"http://{host}:{port}"
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(30)


def await_health(server: subprocess.Popen, url: str, log: Path) -> None:
    until = time.monotonic() + DEADLINE_S
    while time.monotonic() < until and server.poll() is None:
        try:
            if requests.get(f"{url}/health", timeout=5).ok:
                return
        except requests.RequestException:
            time.sleep(0.1)
    message = f"the MLflow server did not come up:\n{log.read_text()[-3000:]}"
    raise RuntimeError(message)
