"""What a team needs on one machine, in the background: Prefect, MLflow, and the scheduler that starts the nights.

`up` may be said twice, `down` stops just what `up` has started, `status` tells what runs where and how the night was.
"""

from __future__ import annotations

import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psutil
import requests

from flows import environment, lock, servers
from flows.servers import KINDS, MLFLOW, PREFECT, PortTakenError, Server, ServerError
from report.night import Night
from report.words import failure_text, seconds_text

if TYPE_CHECKING:
    from pathlib import Path

    from flows.servers import Kind
    from registry.settings import Settings

SCHEDULER = "scheduler"
DEPLOYMENT = "nightly/nightly"
LOOK_S = 0.5


class BusyError(RuntimeError):
    """A run is under way that what was asked for would break."""

    status = 4

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(message)
        self.remedy = remedy


@dataclass(frozen=True)
class Row:
    """One thing that runs, or does not."""

    name: str
    state: str
    url: str = ""
    pid: int = 0
    note: str = ""


def up(settings: Settings, state: Path) -> list[Row]:
    """Starts what is not there yet and waits until it answers.

    Raises:
        BusyError: A run is under way with servers of its own.
        PortTakenError: A port of the settings is taken by something that is not ours.
        ServerError: A server or the scheduler does not come up; what was started for nothing is stopped again.
    """
    started: list[Server] = []
    try:
        with servers.deciding(state):
            local = [_open(settings, state, kind, started) for kind in KINDS]
        servers.wait_healthy(local)
        _schedule(settings, state, next(server for server in local if server.kind is PREFECT), started)
    except BaseException:
        servers.stop(state, *started)
        raise
    return look(settings, state)


def _open(settings: Settings, state: Path, kind: Kind, started: list[Server]) -> Server:
    team = servers.team_server(settings, kind)
    running = servers.found(state, kind)
    if team is not None:
        return team
    if running is not None and running.keeper == "make up":
        return running
    if running is not None:
        _make_way(state, running)
    _, port = servers.table_of(settings, kind)
    if servers.listening(port):
        who = servers.who_listens(port)
        message = f"port {port}, which {kind.title} is to have, is taken{f' by {who}' if who else ''}"
        raise PortTakenError(message, f"end that, or give {kind.title} another: {kind.setting}.port in settings.toml")
    started.append(servers.start(state, kind, port, "make up", host=servers.host_of(settings, kind)))
    return started[-1]


def _make_way(state: Path, running: Server) -> None:
    """A server that a run has started for itself: two on one database would break it."""
    owner = lock.holder(state)
    if owner is not None:
        message = f"a run is under way with servers of its own: {owner.command}, process {owner.pid}"
        raise BusyError(message, "wait for its end, then: make up")
    servers.stop(state, running)


def _schedule(settings: Settings, state: Path, prefect: Server, started: list[Server]) -> None:
    """Starts the scheduler unless it runs, and waits until Prefect knows its deployment."""
    with servers.deciding(state):
        if _scheduler(state) is not None:
            return
        before = _deployed(prefect)
        scheduler = _start_scheduler(state, prefect)
        started.append(scheduler)
    until = time.monotonic() + servers.DEADLINE_S
    while _deployed(prefect) in ("", before):
        if not scheduler.alive() or time.monotonic() > until:
            raise _no_scheduler(settings, state)
        time.sleep(LOOK_S)


def _start_scheduler(state: Path, prefect: Server) -> Server:
    log = _scheduler_log(state)
    command = [sys.executable, "-m", "flows", "serve"]
    process = servers.spawn(command, log, {"PREFECT_API_URL": prefect.api}, detached=True)
    created = psutil.Process(process.pid).create_time()
    scheduler = Server(_AS_KIND, prefect.url, "make up", process.pid, created, log, process)
    servers.remember(state, scheduler)
    return scheduler


def _scheduler_log(state: Path) -> Path:
    return state / "logs" / f"{SCHEDULER}.log"


def _no_scheduler(settings: Settings, state: Path) -> ServerError:
    log = _scheduler_log(state)
    asked = f"schedule.cron {settings.schedule.cron!r}, schedule.zone {settings.schedule.zone!r}"
    tail = "\n".join(f"  {line}" for line in servers.tail_of(log))
    message = f"the scheduler did not come up ({asked})\n{tail}"
    return ServerError(message, f"its whole log is {log}; mend it, or schedule in settings.toml, then: make up")


def _deployed(prefect: Server) -> str:
    """When the deployment was last written, by Prefect's clock; empty where it does not know it."""
    with suppress(requests.RequestException, ValueError, KeyError):
        answer = requests.get(f"{prefect.api}/deployments/name/{DEPLOYMENT}", timeout=5)
        if answer.ok:
            return str(answer.json()["updated"])
    return ""


def _scheduler(state: Path) -> Server | None:
    return servers.found(state, _AS_KIND)


# The scheduler has a file like a server's, so that it is found and stopped like one; it answers no requests.
_AS_KIND = servers.Kind(SCHEDULER, "scheduler", "schedule", "", lambda *_: [], lambda *_: {})


def down(state: Path, *, force: bool = False) -> list[str]:
    """Stops what `up` has started, the scheduler first; returns the names of what was running.

    Raises:
        BusyError: A run is under way that speaks to these servers, and `force` was not given.
    """
    ours = [found for kind in (_AS_KIND, *KINDS) if (found := servers.found(state, kind)) and found.keeper == "make up"]
    owner = lock.holder(state)
    if ours and owner is not None and not force:
        message = f"a run is under way: {owner.command}, process {owner.pid}; without its servers it would fail"
        raise BusyError(message, f"wait for its end, or stop it too: {environment.python()} -m flows down --force")
    if ours and owner is not None:
        _end_run(owner)
    servers.stop(state, *ours)
    return [server.kind.title for server in ours]


def _end_run(owner: lock.Owner) -> None:
    """Asks the run to end; it writes down that it was stopped, and ends its children itself."""
    process = servers.process_of(owner.pid, owner.started)
    if process is not None:
        process.terminate()
        with suppress(psutil.Error):
            process.wait(timeout=30)


def look(settings: Settings, state: Path) -> list[Row]:
    """What runs where."""
    rows = [_look_at(settings, state, kind) for kind in KINDS]
    scheduler = _scheduler(state)
    when = f"{settings.schedule.cron} {settings.schedule.zone}"
    if scheduler is None:
        return [*rows, Row(SCHEDULER, "stopped", note=f"{when}, once it runs: make up")]
    return [*rows, Row(SCHEDULER, "runs", pid=scheduler.pid, note=when)]


def _look_at(settings: Settings, state: Path, kind: Kind) -> Row:
    url, port = servers.table_of(settings, kind)
    server = Server(kind, servers.base(kind, url), "team") if url else servers.found(state, kind)
    if server is None:
        taken = servers.listening(port)
        return Row(kind.title, "stopped", note=f"port {port} is taken by something else" if taken else "make up")
    word = "answers" if server.healthy() else "does not answer"
    return Row(kind.title, word, server.url, server.pid, _spell_keeper(settings, server))


def _spell_keeper(settings: Settings, server: Server) -> str:
    if server.keeper != "make up":
        return "the team's" if server.keeper == "team" else "of a run"
    if servers.host_of(settings, server.kind) not in servers.EVERYWHERE:
        return ""
    return f"from other machines: http://{servers.names_here()[0]}:{server.port}"


def last_night(state: Path, name: str = "last.json") -> Night | None:
    """The last nightly that ended or was stopped, as it was written down."""
    with suppress(OSError, ValueError):
        return Night.model_validate_json((state / name).read_text(encoding="utf-8"))
    return None


def standing(settings: Settings, state: Path) -> list[str] | None:
    """A line a family: its champion and its hold; None if the registry does not answer."""
    row = _look_at(settings, state, MLFLOW)
    if row.state != "answers":
        return None
    with suppress(Exception):  # whatever it is, `status` tells the rest and says that this is not known
        from registry.history import champions  # noqa: PLC0415 - MLflow
        from registry.tracking import client  # noqa: PLC0415  # MLflow

        return [_spell(champion) for champion in champions(client(row.url))]
    return None


def _spell(champion: object) -> str:
    family, version, since = (getattr(champion, name) for name in ("family", "version", "since"))
    hold = getattr(champion, "hold", None)
    text = (
        f"{family} v{version}, since {str(since)[:16].replace('T', ' ')}"
        if version is not None
        else f"{family}: none yet"
    )
    return f"{text}; {hold}" if hold else text


def news(settings: Settings, state: Path) -> list[str]:
    """The last night, what is in use, what runs now: lines for a person."""
    owner = lock.holder(state)
    lines = [f"now        {owner.command}, process {owner.pid}"] if owner else []
    night, trial = last_night(state), last_night(state, "last-trial.json")
    lines.append(f"last night {_spell_night(night)}" if night else "last night none yet: make nightly")
    lines += [f"last trial {_spell_night(trial)}"] if trial else []
    in_registry = standing(settings, state)
    if in_registry is None:
        known = night.champions if night else None
        names = [f"{family} v{version}" for family, version in (known or {}).items() if version is not None]
        return [
            *lines,
            f"in use     {', '.join(names) or 'not known'} (as of the last night; MLflow does not run: make up)",
        ]
    return lines + [f"in use     {line}" for line in in_registry or ["nothing yet"]]


def _spell_night(night: Night) -> str:
    result = f"FAILED: {failure_text(night.failures[0])}" if night.failures else "done"
    return f"{night.ended:%Y-%m-%d %H:%M}, {seconds_text(night.seconds)}, {result.splitlines()[0]}"
