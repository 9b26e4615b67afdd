"""MLflow and Prefect, as servers: the team's, those of `make up`, or a pair started for one run and stopped after it.

What runs stands in STATE/servers/NAME.json, with the start time of its process, so that a pid that was used again is
never taken for ours. The servers' databases lie in STATE/mlflow and STATE/prefect; nothing else opens them.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from fcntl import LOCK_EX, flock
from pathlib import Path
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlsplit

import psutil
import requests

from registry.command import end_all
from registry.tracking import public

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from registry.settings import Settings

HOST = "127.0.0.1"
EVERYWHERE = ("0.0.0.0", "::")  # noqa: S104 - for whoever asks for it in settings.toml
DEADLINE_S = 120.0
POLL_S = 0.1
GRACE_S = 10.0
TEAM_TIMEOUT_S = 10.0

Keeper = Literal["team", "make up", "a run"]


class ServerError(RuntimeError):
    """A server that is not there or cannot be started; `remedy` is a command or the setting to change."""

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(message)
        self.remedy = remedy


class PortTakenError(ServerError):
    """The port of the settings is taken by something that is not ours."""


@dataclass(frozen=True)
class Kind:
    """What is to know of a server before it runs.

    Attributes:
        name: In files and logs: `mlflow`, `prefect`.
        title: As a person knows it.
        setting: The table of settings.toml that holds its url and port.
        health: Path that answers 200 as soon as it can be used.
        command: (state, port, host) -> how it is started.
        variables: (state, port, host) -> what its environment holds beside ours.
    """

    name: str
    title: str
    setting: str
    health: str
    command: Callable[[Path, int, str], list[str]]
    variables: Callable[[Path, int, str], dict[str, str]]


@dataclass(frozen=True)
class Server:
    """A server that answers, or is on its way to."""

    kind: Kind
    url: str
    keeper: Keeper
    pid: int = 0
    created: float = 0.0
    log: Path | None = None
    process: subprocess.Popen[bytes] | None = field(default=None, compare=False)

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return urlsplit(self.url).port or 0

    @property
    def api(self) -> str:
        """Where a client speaks to it."""
        return f"{self.url}/api" if self.kind is PREFECT else self.url

    def alive(self) -> bool:
        """Whether its process runs. A team's server has none here and is taken to run."""
        return self.keeper == "team" or process_of(self.pid, self.created) is not None

    def healthy(self, timeout_s: float = 2.0) -> bool:
        """Whether it answers."""
        with suppress(requests.RequestException):
            return requests.get(f"{self.url}{self.kind.health}", timeout=timeout_s).ok
        return False


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


def _prefect_command(_state: Path, port: int, _host: str) -> list[str]:
    return [sys.executable, "-m", "prefect", "server", "start", "--host", HOST, "--port", str(port), "--analytics-off"]


def _mlflow_variables(_state: Path, _port: int, host: str) -> dict[str, str]:
    # Without the first MLflow starts seven more processes for jobs that we never give it.
    return {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", **_names_taken(host)}


def _names_taken(host: str) -> dict[str, str]:
    """MLflow refuses requests under a name that it does not know; its own list has private addresses but no names."""
    if host == HOST:
        return {}
    names = sorted({"localhost", HOST, host, *names_here()})
    private = ["192.168.*", "10.*", *(f"172.{second}.*" for second in range(16, 32)), "fc00:*", "fd00:*"]
    return {"MLFLOW_SERVER_ALLOWED_HOSTS": ",".join([*names, *(f"{name}:*" for name in names), *private])}


def names_here() -> list[str]:
    """What other machines may call this one; the first is what to tell them."""
    short = socket.gethostname()
    return list(dict.fromkeys([short, socket.getfqdn(), f"{short.split('.')[0]}.local"]))


def reached_at(host: str) -> str:
    """The address under which this machine itself reaches a server that listens on `host`."""
    return HOST if host in EVERYWHERE else host


def _prefect_variables(state: Path, port: int, _host: str) -> dict[str, str]:
    api = f"http://{HOST}:{port}/api"
    return {
        "PREFECT_HOME": str(state / "prefect"),
        "PREFECT_API_URL": api,
        "PREFECT_UI_API_URL": api,  # what the pages in the browser call
        # A night that is under way holds a slot, so that no other begins. Kept in memory, as is Prefect's default, the
        # word of it dies with the server, the slot does not: no night would ever begin again.
        "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": "prefect.server.concurrency.lease_storage.filesystem",
        "PREFECT_SERVER_API_PORT": str(port),
    }


MLFLOW = Kind("mlflow", "MLflow", "registry", "/health", _mlflow_command, _mlflow_variables)
PREFECT = Kind("prefect", "Prefect", "prefect", "/api/health", _prefect_command, _prefect_variables)
KINDS = (PREFECT, MLFLOW)  # the slow one first


def process_of(pid: int, created: float) -> psutil.Process | None:
    """The process of that pid, if it is still the one that was started then."""
    try:
        process = psutil.Process(pid)
        ours = abs(process.create_time() - created) < 1.0 and process.status() != psutil.STATUS_ZOMBIE
    except (psutil.Error, ValueError):
        return None
    return process if ours else None


def free_port() -> int:
    """A port that nothing listens on now."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def listening(port: int) -> bool:
    """Whether something holds a port of this machine."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return True
    return False


def who_listens(port: int) -> str:
    """`pid 4711 (python -m http.server)`, or empty where the system does not tell."""
    with suppress(psutil.Error, OSError):
        for connection in psutil.net_connections("tcp"):
            if connection.laddr and connection.laddr.port == port and connection.status == psutil.CONN_LISTEN:
                return _spell_process(connection.pid)
    return ""


def host_of(settings: Settings, kind: Kind) -> str:
    """Where a server of `make up` is to listen; Prefect's, by which anybody could start anything, on this machine."""
    return str(getattr(getattr(settings, kind.setting), "host", HOST))


def table_of(settings: Settings, kind: Kind) -> tuple[str, int]:
    """(url, port) that the settings give for a server."""
    table = getattr(settings, kind.setting)
    return table.url.rstrip("/"), table.port


def team_server(settings: Settings, kind: Kind) -> Server | None:
    """The team's server if the settings name one.

    Raises:
        ServerError: It does not answer.
    """
    url, _ = table_of(settings, kind)
    if not url:
        return None
    server = Server(kind, base(kind, url), "team")
    if not server.healthy(timeout_s=TEAM_TIMEOUT_S):
        message = f"the team's {kind.title} server does not answer at {public(url)}"
        remedy = f"see that it runs and can be reached from here, or change {kind.setting}.url in settings.toml"
        raise ServerError(message, remedy)
    return server


def base(kind: Kind, url: str) -> str:
    """The address of a server's pages; Prefect's is given with /api or without."""
    return url.removesuffix("/api") if kind is PREFECT else url


def found(state: Path, kind: Kind) -> Server | None:
    """The server that runs here as its file says, or None. A file of a dead one is swept away."""
    path = _path(state, kind.name)
    try:
        entry = json.loads(path.read_text(encoding="utf-8"))
        server = Server(kind, entry["url"], entry["keeper"], entry["pid"], entry["created"], Path(entry["log"]))
    except (OSError, ValueError, KeyError):
        return None
    if server.alive():
        return server
    path.unlink(missing_ok=True)
    return None


def start(
    state: Path, kind: Kind, port: int, keeper: Keeper, *, host: str = HOST, pass_fds: Sequence[int] = ()
) -> Server:
    """Starts a server without waiting for it. Those of `make up` get a session of their own and outlive us."""
    (state / kind.name).mkdir(parents=True, exist_ok=True)
    log = state / "logs" / f"{kind.name}.log"
    command, variables = kind.command(state, port, host), kind.variables(state, port, host)
    process = spawn(command, log, variables, detached=keeper == "make up", pass_fds=pass_fds)
    created = psutil.Process(process.pid).create_time()
    server = Server(kind, f"http://{reached_at(host)}:{port}", keeper, process.pid, created, log, process)
    remember(state, server)
    return server


def spawn(
    command: Sequence[str], log: Path, variables: Mapping[str, str], *, detached: bool, pass_fds: Sequence[int] = ()
) -> subprocess.Popen[bytes]:
    """Starts a process of ours in the background, its output in a log that is begun anew."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as output:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, **variables},
            start_new_session=detached,
            # Not the terminal's group: Ctrl-C is for us, and we end our servers after the last word to them.
            process_group=None if detached else 0,
            pass_fds=tuple(pass_fds),
        )


def wait_healthy(servers: Sequence[Server], deadline_s: float = DEADLINE_S) -> None:
    """Waits until all of them answer.

    Raises:
        ServerError: One has died or does not answer in time; the message has the end of its log.
    """
    until = time.monotonic() + deadline_s
    for server in servers:
        while not server.healthy():
            if not server.alive() or (server.process is not None and server.process.poll() is not None):
                raise _dead(server, "ended before it answered")
            if time.monotonic() > until:
                raise _dead(server, f"did not answer within {deadline_s:.0f} s")
            time.sleep(POLL_S)


def stop(state: Path, *servers: Server, grace_s: float = GRACE_S) -> None:
    """Ends servers and their children, at the same time, where their processes still are those that we started."""
    processes = [process_of(server.pid, server.created) for server in servers]
    end_trees([process for process in processes if process is not None], grace_s)
    for server in servers:
        if server.process is not None:
            server.process.wait()
        _path(state, server.kind.name).unlink(missing_ok=True)


def end_trees(processes: Sequence[psutil.Process], grace_s: float = GRACE_S) -> None:
    """Asks processes and their children to end, and ends those that have not after `grace_s`."""
    trees = list(processes)
    for process in processes:
        with suppress(psutil.Error):
            trees += process.children(recursive=True)
    end_all(trees, grace_s)


def stop_own(state: Path, servers: Sequence[Server]) -> None:
    """Ends those that were started for this run."""
    stop(state, *(server for server in servers if server.keeper == "a run"))


def remember(state: Path, server: Server) -> None:
    """Writes STATE/servers/NAME.json."""
    path = _path(state, server.kind.name)
    path.parent.mkdir(parents=True, exist_ok=True)
    entry = {name: getattr(server, name) for name in ("url", "keeper", "pid", "created")}
    path.write_text(json.dumps(entry | {"log": str(server.log)}) + "\n", encoding="utf-8")


@contextmanager
def deciding(state: Path) -> Iterator[None]:
    """Held while it is looked up what runs and what is to be started: two starts at once would open one database."""
    folder = state / "servers"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as file:
        flock(file, LOCK_EX)
        yield


def open_servers(
    settings: Settings, state: Path, kinds: Sequence[Kind] = KINDS, *, pass_fds: Sequence[int] = ()
) -> list[Server]:
    """The servers that a run speaks to, started where there are none; not waited for (`wait_healthy`).

    Raises:
        ServerError: The settings name a team's server that does not answer.
    """
    team = {kind.name: team_server(settings, kind) for kind in kinds}
    with deciding(state):
        return [team[kind.name] or _open_local(settings, state, kind, pass_fds) for kind in kinds]


def _open_local(settings: Settings, state: Path, kind: Kind, pass_fds: Sequence[int]) -> Server:
    running = found(state, kind)
    if running is not None and running.keeper == "make up":
        return running
    if running is not None:
        stop(state, running)  # a run that was killed has left it: we hold its lock
    _, port = table_of(settings, kind)
    return start(state, kind, free_port() if listening(port) else port, "a run", pass_fds=pass_fds)


def _path(state: Path, name: str) -> Path:
    return state / "servers" / f"{name}.json"


def _dead(server: Server, what: str) -> ServerError:
    tail = tail_of(server.log) if server.log else []
    message = "\n".join([f"the {server.kind.title} server {what}", *(f"  {line}" for line in tail)])
    return ServerError(message, f"its whole log is {server.log}; then run again")


def tail_of(log: Path, lines: int = 12) -> list[str]:
    """The last lines of a log; a progress bar's many states count as its last one."""
    try:
        text = log.read_bytes()[-20_000:].decode("utf-8", "replace")
    except OSError:
        return []
    rows = [row.rsplit("\r", 1)[-1].rstrip() for row in text.split("\n")]
    return [row for row in rows if row][-lines:]


def _spell_process(pid: int | None) -> str:
    if not pid:
        return ""
    with suppress(psutil.Error):
        return f"pid {pid} ({' '.join(psutil.Process(pid).cmdline())[:80]})"
    return f"pid {pid}"
