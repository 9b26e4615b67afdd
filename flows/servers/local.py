"""Background services of a team on one machine: Prefect, MLflow, and the scheduler that starts the runs.

`up` is safe to repeat, `down` stops only what `up` started, `status` shows the servers and the last run.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import psutil

from flows.servers import definitions, environment, lock, prefect_client, scheduler, servers
from flows.servers.definitions import KINDS, MLFLOW, PREFECT
from flows.servers.scheduler import ServiceStatus
from flows.servers.servers import PasswordError, PortTakenError, Server
from report.data.run import NightlyRun
from report.text.messages import failure_text, seconds_text
from rushes.errors import HELD, UserError

if TYPE_CHECKING:
    from pathlib import Path

    from common.settings import Settings
    from flows.servers.definitions import Kind


class RunInProgressError(UserError):
    """Raised if a run in progress would be broken by the command."""

    default_exit_status = HELD


def up(settings: Settings, state: Path) -> list[ServiceStatus]:
    """Starts what does not run yet, and waits until it is ready.

    Raises:
        RunInProgressError: A run with servers of its own is in progress.
        PasswordError: A server of the team requires a password, or another one.
        PortTakenError: A port of the settings is used by another program.
        ServerError: A server or the scheduler does not start; whatever was started before it is stopped again.
    """
    started: list[Server] = []
    _check_team(settings)
    try:
        with servers.deciding(state):
            local = [_open(settings, state, kind, started) for kind in KINDS]
        servers.wait_healthy(local)
        scheduler.up(settings, state, next(server for server in local if server.kind is PREFECT), started)
    except BaseException:
        servers.stop(state, *started)
        raise
    return look(settings, state)


def _check_team(settings: Settings) -> None:
    """Checks access to the team's servers before anything is started, so that a missing password is reported."""
    for kind in KINDS:
        team = servers.team_server(settings, kind)
        if team is not None and kind is PREFECT:
            prefect_client.check_access(team)


def _open(settings: Settings, state: Path, kind: Kind, started: list[Server]) -> Server:
    team = servers.team_server(settings, kind)
    if team is not None:
        return team
    servers.sweep(state, kind)
    running = servers.found(state, kind)
    if running is not None and running.keeper == "make up":
        return running
    if running is not None:
        _make_way(state, running)
    _, port = servers.table_of(settings, kind)
    if servers.listening(port):
        who = servers.who_listens(port)
        message = f"port {port}, meant for {kind.title}, is taken{f' by {who}' if who else ''}"
        raise PortTakenError(message, f"stop that, or give {kind.title} another: {kind.setting}.port in settings.toml")
    started.append(servers.start(state, kind, port, "make up", host=definitions.host_of(settings, kind)))
    return started[-1]


def _make_way(state: Path, running: Server) -> None:
    """Stops a leftover server of a run: two servers on one database would damage it."""
    owner = lock.holder(state)
    if owner is not None:
        message = f"a run with servers of its own is in progress: {owner.command}, process {owner.pid}"
        raise RunInProgressError(message, "wait for its end, then: make up")
    servers.stop(state, running)


def down(state: Path, *, force: bool = False) -> list[str]:
    """Stops what `up` started, the scheduler first; returns the names of what was running.

    Raises:
        RunInProgressError: A run in progress uses these servers, and `force` was not given.
    """
    for kind in KINDS if lock.holder(state) is None else ():
        servers.sweep(state, kind)
    running = [servers.found(state, kind) for kind in (scheduler.KIND, *KINDS)]
    ours = [server for server in running if server is not None and server.keeper == "make up"]
    owner = lock.holder(state)
    if ours and owner is not None and not force:
        message = f"a run is in progress: {owner.command}, process {owner.pid}; without its servers it would fail"
        raise RunInProgressError(
            message, f"wait for its end, or stop it too: {environment.python()} -m flows down --force"
        )
    if ours and owner is not None:
        _end_run(owner)
    servers.stop(state, *ours)
    return [server.kind.title for server in ours]


def _end_run(owner: lock.Owner) -> None:
    """Asks the run to end; it records that it was stopped, and ends its children itself."""
    process = servers.process_of(owner.pid, owner.started)
    if process is not None:
        process.terminate()
        with suppress(psutil.Error):
            process.wait(timeout=30)


def look(settings: Settings, state: Path) -> list[ServiceStatus]:
    """Rows for the servers and the scheduler, with their addresses and states."""
    return [*(_look_at(settings, state, kind) for kind in KINDS), *scheduler.look(settings, state)]


def _look_at(settings: Settings, state: Path, kind: Kind) -> ServiceStatus:
    url, port = servers.table_of(settings, kind)
    server = Server(kind, servers.base(kind, url), "team") if url else servers.found(state, kind)
    if server is None:
        taken = servers.listening(port)
        note = f"port {port} is taken by something else" if taken else "make up"
        return ServiceStatus(kind.title, "stopped", note=note)
    health = server.health()
    word = "answers" if health == servers.OK else "needs a password" if health in servers.REFUSED else "does not answer"
    return ServiceStatus(kind.title, word, server.url, server.pid, _spell_keeper(settings, server))


def _spell_keeper(settings: Settings, server: Server) -> str:
    if server.keeper == "team":
        return "the team's"
    if server.kind is definitions.PREFECT:
        return f"login for its pages: cat {definitions.login_path(settings.state)}"
    if server.keeper != "make up":
        return "of a run"
    if definitions.host_of(settings, server.kind) not in definitions.EVERYWHERE:
        return ""
    return f"from other machines: http://{definitions.names_here()[0]}:{server.port}"


def last_run(state: Path, name: str = "last.json") -> NightlyRun | None:
    """Record of the last nightly run that ended or was stopped."""
    with suppress(OSError, ValueError):
        return NightlyRun.model_validate_json((state / name).read_text(encoding="utf-8"))
    return None


def standing(settings: Settings, state: Path) -> tuple[list[str], str]:
    """One line a family: its champion and its hold; and why they are unknown, empty if they are known."""
    row = _look_at(settings, state, MLFLOW)
    if row.state == "stopped":
        return [], "MLflow does not run: make up"
    if row.state != "answers":
        return [], f"MLflow {row.state}"
    try:
        from registry.mlflow.runs import client  # noqa: PLC0415  # MLflow
        from registry.promotion.rollback import champions  # noqa: PLC0415 - MLflow

        return [_spell(champion) for champion in champions(client(row.url))], ""
    except Exception as error:  # noqa: BLE001 - `status` prints the rest and reports this as unknown
        return [], _why_not_known(settings, error)


def _why_not_known(settings: Settings, error: Exception) -> str:
    status = getattr(error, "get_http_status_code", lambda: 0)()
    if settings.registry.url and status in servers.REFUSED:
        server = Server(MLFLOW, settings.registry.url, "team", login=settings.registry.login.user)
        refused = PasswordError(server, status)
        return f"{refused}; {refused.remedy}"
    return f"MLflow: {str(error).splitlines()[0]}" if str(error) else f"MLflow: {type(error).__name__}"


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
    """Lines for a person: the run in progress, the last run, the versions in use."""
    owner = lock.holder(state)
    lines = [f"now        {owner.command}, process {owner.pid}"] if owner else []
    nightly, trial = last_run(state), last_run(state, "last-trial.json")
    lines.append(f"last run {_spell_run(nightly)}" if nightly else "last run none yet: make nightly")
    lines += [f"last trial {_spell_run(trial)}"] if trial else []
    in_registry, unknown = standing(settings, state)
    if unknown:
        known = nightly.champions if nightly else None
        names = [f"{family} v{version}" for family, version in (known or {}).items() if version is not None]
        return [
            *lines,
            f"in use     {', '.join(names) or 'not known'} (as of the last run; {unknown})",
        ]
    return lines + [f"in use     {line}" for line in in_registry or ["nothing yet"]]


def _spell_run(nightly: NightlyRun) -> str:
    result = f"FAILED: {failure_text(nightly.failures[0])}" if nightly.failures else "done"
    return f"{nightly.ended:%Y-%m-%d %H:%M}, {seconds_text(nightly.seconds)}, {result.splitlines()[0]}"
