"""The two servers, Prefect and MLflow: start commands of local ones, and access control.

Prefect starts runs that may promote a model, so a local server requires a password (`login`), which is in the state
folder and private to this checkout. Both refuse requests under host names that are not this machine's (DNS rebinding)
and requests from pages of other origins.
"""

from __future__ import annotations

import os
import secrets
import socket
import sys
from dataclasses import dataclass
from ipaddress import ip_address
from typing import TYPE_CHECKING

import psutil

from flows.servers import environment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from common.settings import Settings

HOST = "127.0.0.1"
LOOPBACK = (HOST, "localhost")
EVERYWHERE = ("0.0.0.0", "::")  # noqa: S104 - only if settings.toml requests it
USER = "rushes"
# Read by guarded_prefect: origins whose pages may use the server, comma-separated.
ORIGINS = "PREFECT_SERVER_CORS_ALLOWED_ORIGINS"


@dataclass(frozen=True)
class Kind:
    """Properties of a server that are known before it runs.

    Attributes:
        name: In files and logs: `mlflow`, `prefect`.
        title: In messages.
        setting: The table of settings.toml with its url and port.
        health: Path that returns 200 as soon as the server is ready.
        command: (state, port, host) -> start command.
        variables: (state, port, host) -> additional environment variables.
    """

    name: str
    title: str
    setting: str
    health: str
    command: Callable[[Path, int, str], list[str]]
    variables: Callable[[Path, int, str], dict[str, str]]


def login_path(state: Path) -> Path:
    """File with the login of this checkout's Prefect server."""
    return state / "prefect" / "login"


def login(state: Path) -> str:
    """Login of this checkout's Prefect server, `user:password`; created if absent, readable by its owner only."""
    path = login_path(state)
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        path.chmod(0o600)
    else:
        with os.fdopen(fd, "w", encoding="utf-8") as file:
            file.write(f"{USER}:{secrets.token_urlsafe(24)}\n")
    text = path.read_text(encoding="utf-8").strip()
    if text:
        return text
    path.unlink()  # killed between creation and writing
    return login(state)


def host_of(settings: Settings, kind: Kind) -> str:
    """Address that a server of `make up` listens on; Prefect always listens on this machine only."""
    return str(getattr(getattr(settings, kind.setting), "host", HOST))


def reached_at(host: str) -> str:
    """Address under which this machine itself reaches a server that listens on `host`."""
    return HOST if host in EVERYWHERE else host


def names_here() -> list[str]:
    """Names by which other machines may reach this one; the first is the preferred one."""
    short = socket.gethostname()
    return list(dict.fromkeys([short, socket.getfqdn(), f"{short.split('.')[0]}.local"]))


def addresses_here() -> list[str]:
    """IP addresses of this machine, IPv6 in brackets, as in a Host header."""
    found = [address.address for addresses in psutil.net_if_addrs().values() for address in addresses]
    spelt = [_in_brackets(address.partition("%")[0]) for address in found]
    return sorted({address for address in spelt if address})


def _in_brackets(address: str) -> str:
    try:
        return f"[{address}]" if ip_address(address).version == 6 else address  # noqa: PLR2004 - of IP
    except ValueError:  # a hardware address
        return ""


def _origins(names: Iterable[str], port: int) -> str:
    return ",".join(f"http://{name}:{port}" for name in names)


def _mlflow_command(state: Path, port: int, host: str) -> list[str]:
    folder = state / "mlflow"
    stores = [
        "--backend-store-uri",
        f"sqlite:///{folder}/mlflow.db",
        "--artifacts-destination",
        str(folder / "artifacts"),
    ]
    where = ["--host", host, "--port", str(port), "--workers", "1"]
    return [sys.executable, "-m", "mlflow", "server", "--serve-artifacts", *stores, *where]


def _mlflow_variables(_state: Path, port: int, host: str) -> dict[str, str]:
    names = _mlflow_names(host)
    return {
        # Otherwise MLflow starts seven more processes for a job queue that is not used here.
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        # MLflow's default list has patterns such as 10.*, which also match the domain 10.example.org. To serve it under
        # another name (a proxy), set the variable.
        "MLFLOW_SERVER_ALLOWED_HOSTS": os.environ.get("MLFLOW_SERVER_ALLOWED_HOSTS")
        or ",".join([*names, *(f"{name}:{port}" for name in names)]),
        # Its pages search by POST: without their own origin they stay empty on other machines.
        "MLFLOW_SERVER_CORS_ALLOWED_ORIGINS": os.environ.get("MLFLOW_SERVER_CORS_ALLOWED_ORIGINS")
        or _origins(names, port),
    }


def _mlflow_names(host: str) -> list[str]:
    others = [*names_here(), *addresses_here()] if host in EVERYWHERE else [host]
    return list(dict.fromkeys([*LOOPBACK, *others]))


def _prefect_command(_state: Path, port: int, _host: str) -> list[str]:
    """Start command of Prefect, as in `prefect server start`, with a guard around the application."""
    where = ["--host", HOST, "--port", str(port), "--app-dir", str(environment.checkout_root())]
    quiet = ["--log-level", "warning"]
    return [sys.executable, "-m", "uvicorn", "--factory", "flows.servers.guarded_prefect:create_app", *where, *quiet]


def _prefect_variables(state: Path, port: int, _host: str) -> dict[str, str]:
    api = f"http://{HOST}:{port}/api"
    own_login = login(state)
    return {
        "PREFECT_HOME": str(state / "prefect"),
        "PREFECT_API_URL": api,
        "PREFECT_UI_API_URL": api,  # called by the pages in the browser
        "PREFECT_API_AUTH_STRING": own_login,
        "PREFECT_SERVER_API_AUTH_STRING": own_login,
        ORIGINS: _origins(LOOPBACK, port),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        # A run holds a slot, so that no other begins. With Prefect's default, in memory, the lease is lost with the
        # server but the slot is not: no run would ever begin again.
        "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": "prefect.server.concurrency.lease_storage.filesystem",
        "PREFECT_SERVER_API_PORT": str(port),
    }


MLFLOW = Kind("mlflow", "MLflow", "registry", "/health", _mlflow_command, _mlflow_variables)
PREFECT = Kind("prefect", "Prefect", "prefect", "/api/health", _prefect_command, _prefect_variables)
KINDS = (PREFECT, MLFLOW)  # the slow one first
