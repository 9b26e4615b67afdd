"""MLflow and Prefect servers: the team's, those of `make up`, or a pair started for one run and stopped after it.

STATE/servers/NAME.json records a running server with the start time of its process, so that a reused pid is never
mistaken for it. The servers' databases are in STATE/mlflow and STATE/prefect; nothing else opens them.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from fcntl import LOCK_EX, flock
from pathlib import Path
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlsplit

import psutil
import requests

from flows.servers import mlflow_database
from flows.servers.definitions import HOST, KINDS, MLFLOW, PREFECT, Kind, login, reached_at
from registry.mlflow.runs import http_login
from registry.subprocesses import end_all
from rushes.errors import UserError
from rushes.redaction import redact

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from common.settings import Settings

DEADLINE_S = 120.0
POLL_S = 0.1
GRACE_S = 10.0
TEAM_TIMEOUT_S = 10.0
OK, REFUSED = 200, (401, 403)

Keeper = Literal["team", "make up", "a run"]


class ServerError(UserError):
    """Raised for a server that does not run or cannot be started; `remedy` is a command or the setting to change."""


class PortTakenError(ServerError):
    """Raised if the port of the settings is used by another program."""


class PasswordError(ServerError):
    """Raised for a server that requires a password, or another one."""

    def __init__(self, server: Server, status: int) -> None:
        whose = "the team's" if server.keeper == "team" else "the local"
        what = "the password is wrong" if server.login else "it requires a password"
        remedy = "make down, then: make up"
        if server.keeper == "team":
            name = server.kind.setting
            remedy = f"put USER:PASSWORD@ before the host in {name}.url of settings.toml; % in it is %25, @ is %40"
        super().__init__(f"{whose} {server.kind.title} at {server.url} answers {status}: {what}", remedy)


@dataclass(frozen=True)
class Server:
    """A server that is ready or starting."""

    kind: Kind
    url: str
    keeper: Keeper
    pid: int = 0
    created: float = 0.0
    log: Path | None = None
    process: subprocess.Popen[bytes] | None = field(default=None, compare=False)
    login: str = field(default="", compare=False, repr=False)  # `user:password` of a Prefect that requires one

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return urlsplit(self.url).port or 0

    @property
    def api(self) -> str:
        """Address for its clients."""
        return f"{self.url}/api" if self.kind is PREFECT else self.url

    def alive(self) -> bool:
        """True if its process runs. A team's server has none here and is assumed to run."""
        return self.keeper == "team" or process_of(self.pid, self.created) is not None

    def healthy(self) -> bool:
        """True if it answers, and grants access as far as its health page shows."""
        return self.health() == OK

    def health(self, timeout_s: float = 2.0) -> int:
        """HTTP status of its health page; 0 if it does not answer."""
        user, _, password = self.login.partition(":")
        login = http_login() if self.kind is MLFLOW else (user, password) if self.login else None
        with suppress(requests.RequestException):
            return requests.get(f"{self.url}{self.kind.health}", timeout=timeout_s, auth=login).status_code
        return 0

    def variables(self) -> dict[str, str]:
        """Environment variables for its clients."""
        if self.kind is not PREFECT:
            return {"MLFLOW_TRACKING_URI": self.api}
        return {"PREFECT_API_URL": self.api, **({"PREFECT_API_AUTH_STRING": self.login} if self.login else {})}


def process_of(pid: int, created: float) -> psutil.Process | None:
    """The process of a pid, if it is still the one that was started at that time."""
    try:
        process = psutil.Process(pid)
        ours = abs(process.create_time() - created) < 1.0 and process.status() != psutil.STATUS_ZOMBIE
    except (psutil.Error, ValueError):
        return None
    return process if ours else None


def free_port() -> int:
    """A port that is free now."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def listening(port: int) -> bool:
    """True if a port of this machine is in use."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return True
    return False


def who_listens(port: int) -> str:
    """`pid 4711 (python -m http.server)`, or empty if the system does not reveal it."""
    with suppress(psutil.Error, OSError):
        for connection in psutil.net_connections("tcp"):
            if connection.laddr and connection.laddr.port == port and connection.status == psutil.CONN_LISTEN:
                return _spell_process(connection.pid)
    return ""


def table_of(settings: Settings, kind: Kind) -> tuple[str, int]:
    """(url, port) of a server in the settings."""
    table = getattr(settings, kind.setting)
    return table.url.rstrip("/"), table.port


def team_server(settings: Settings, kind: Kind) -> Server | None:
    """The team's server if the settings name one.

    Raises:
        PasswordError: It requires a password that was not given.
        ServerError: It does not answer.
    """
    url, _ = table_of(settings, kind)
    if not url:
        return None
    server = Server(kind, base(kind, url), "team", login=login_of(kind))
    status = server.health(timeout_s=TEAM_TIMEOUT_S)
    if status in REFUSED:
        raise PasswordError(server, status)
    if status != OK:
        message = f"the team's {kind.title} server does not answer at {url}"
        remedy = f"check that it runs and can be reached from here, or change {kind.setting}.url in settings.toml"
        raise ServerError(message, remedy)
    return server


def login_of(kind: Kind, state: Path | None = None) -> str:
    """The login for a server: that of a local Prefect, or the one in the environment for the team's."""
    if kind is not PREFECT:
        return ""  # MLflow's client reads its own variables
    return login(state) if state is not None else os.environ.get("PREFECT_API_AUTH_STRING", "")


def base(kind: Kind, url: str) -> str:
    """The address of a server's pages; Prefect's may be given with or without /api."""
    return url.removesuffix("/api") if kind is PREFECT else url


def found(state: Path, kind: Kind) -> Server | None:
    """The server that runs here according to its record, or None."""
    try:
        server = _read(state, kind)
    except (OSError, UnicodeDecodeError, json.JSONDecodeError, KeyError, TypeError):
        return None
    return server if server.alive() else None


def _read(state: Path, kind: Kind) -> Server:
    entry = json.loads(_path(state, kind.name).read_text(encoding="utf-8"))
    server = Server(kind, entry["url"], entry["keeper"], entry["pid"], entry["created"], Path(entry["log"]))
    return replace(server, login=login_of(kind, state))


def start(
    state: Path, kind: Kind, port: int, keeper: Keeper, *, host: str = HOST, pass_fds: Sequence[int] = ()
) -> Server:
    """Starts a server without waiting for it. Those of `make up` get a session of their own and outlive this process.

    Raises:
        ServerError: Its database has another version, which the server would refuse.
    """
    if kind is MLFLOW and (fault := mlflow_database.outdated(state)):
        raise ServerError(*fault)
    (state / kind.name).mkdir(parents=True, exist_ok=True)
    log = state / "logs" / f"{kind.name}.log"
    command, variables = kind.command(state, port, host), kind.variables(state, port, host)
    process = spawn(command, log, variables, detached=keeper == "make up", pass_fds=pass_fds)
    created = psutil.Process(process.pid).create_time()
    url = f"http://{reached_at(host)}:{port}"
    server = Server(kind, url, keeper, process.pid, created, log, process, login_of(kind, state))
    remember(state, server)
    return server


def spawn(
    command: Sequence[str], log: Path, variables: Mapping[str, str], *, detached: bool, pass_fds: Sequence[int] = ()
) -> subprocess.Popen[bytes]:
    """Starts a background process whose output overwrites a log."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as output:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, **variables},
            start_new_session=detached,
            # Not the terminal's group: Ctrl-C is for this process, which ends its servers after its last request to
            # them.
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
    """Ends servers and their children, concurrently, if their processes are still those that were started.

    If only the first process of a server was killed, the others may live on, with its port and its database open.
    """
    end_trees([process for server in servers for process in _processes_of(server)], grace_s)
    for server in servers:
        if server.process is not None:
            server.process.wait()
        _path(state, server.kind.name).unlink(missing_ok=True)


def _processes_of(server: Server) -> list[psutil.Process]:
    """A server's first process, and the rest of its process group, even if the first one is dead."""
    leader = process_of(server.pid, server.created)
    if not server.pid or (leader is None and _used_again(server)):
        return []
    found = {server.pid: leader} if leader else {}
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if os.getpgid(process.pid) == server.pid and process.create_time() > server.created - 1.0:
                found.setdefault(process.pid, process)
    return list(found.values())


def _used_again(server: Server) -> bool:
    """True if the pid now belongs to another process."""
    try:
        return abs(psutil.Process(server.pid).create_time() - server.created) >= 1.0
    except psutil.NoSuchProcess:
        return False


def sweep(state: Path, kind: Kind) -> None:
    """Ends the leftovers of a killed server; a running one is not touched."""
    with suppress(OSError, ValueError, KeyError):
        server = _read(state, kind)
        if not server.alive():
            stop(state, server)


def end_trees(processes: Sequence[psutil.Process], grace_s: float = GRACE_S) -> None:
    """Asks processes and their children to end, and kills those that have not after `grace_s`."""
    trees = list(processes)
    for process in processes:
        with suppress(psutil.Error):
            trees += process.children(recursive=True)
    end_all(trees, grace_s)


def stop_own(state: Path, servers: Sequence[Server]) -> None:
    """Ends the servers that were started for this run."""
    stop(state, *(server for server in servers if server.keeper == "a run"))


def remember(state: Path, server: Server) -> None:
    """Writes STATE/servers/NAME.json."""
    path = _path(state, server.kind.name)
    path.parent.mkdir(parents=True, exist_ok=True)
    entry = {name: getattr(server, name) for name in ("url", "keeper", "pid", "created")}
    path.write_text(json.dumps(entry | {"log": str(server.log)}) + "\n", encoding="utf-8")


@contextmanager
def deciding(state: Path) -> Iterator[None]:
    """Lock for deciding what to start: two starts at once would open one database."""
    folder = state / "servers"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as file:
        flock(file, LOCK_EX)
        yield


def open_servers(
    settings: Settings, state: Path, kinds: Sequence[Kind] = KINDS, *, pass_fds: Sequence[int] = ()
) -> list[Server]:
    """The servers that a run uses, started if necessary; does not wait for them (`wait_healthy`).

    Raises:
        ServerError: The settings name a team's server that does not answer.
    """
    team = {kind.name: team_server(settings, kind) for kind in kinds}
    with deciding(state):
        return [team[kind.name] or _open_local(settings, state, kind, pass_fds) for kind in kinds]


def _open_local(settings: Settings, state: Path, kind: Kind, pass_fds: Sequence[int]) -> Server:
    sweep(state, kind)
    running = found(state, kind)
    if running is not None and running.keeper == "make up":
        return running
    if running is not None:
        stop(state, running)  # a leftover of a killed run: we hold the lock
    _, port = table_of(settings, kind)
    return start(state, kind, free_port() if listening(port) else port, "a run", pass_fds=pass_fds)


def _path(state: Path, name: str) -> Path:
    return state / "servers" / f"{name}.json"


def _dead(server: Server, what: str) -> ServerError:
    tail = tail_of(server.log) if server.log else []
    message = "\n".join([f"the {server.kind.title} server {what}", *(f"  {line}" for line in tail)])
    return ServerError(message, f"its complete log is {server.log}; then run again")


def tail_of(log: Path) -> list[str]:
    """The last twelve lines of a log; only the last state of a progress bar counts."""
    try:
        text = redact(log.read_bytes()[-20_000:].decode("utf-8", "replace"))
    except OSError:
        return []
    rows = [row.rsplit("\r", 1)[-1].rstrip() for row in text.split("\n")]
    return [row for row in rows if row][-12:]


def _spell_process(pid: int | None) -> str:
    if not pid:
        return ""
    with suppress(psutil.Error):
        return f"pid {pid} ({' '.join(psutil.Process(pid).cmdline())[:80]})"
    return f"pid {pid}"
