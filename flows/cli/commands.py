"""Implementations of the commands of `python -m flows`; each returns its exit status."""

from __future__ import annotations

import os
import shlex
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from flows.cli import ingest_preview, undo
from flows.cli.console import print_line
from flows.nightly import data_tasks, params, publish
from flows.nightly.run import UNFIT, RunRequest
from flows.servers import environment, prefect_client, servers, stopping
from flows.servers.definitions import KINDS, MLFLOW, PREFECT
from flows.servers.servers import ServerError
from flows.servers.session import session
from registry.dvc import versions
from registry.dvc.remote import push_version
from registry.dvc.remote_contents import listed
from registry.git import snapshot

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from common.settings import Settings
    from flows.servers.session import Session
    from registry.promotion.rollback import Rollback

DONE, FAILED, NOTHING = 0, 1, 3


def run_nightly(  # one argument a command-line option
    root: Path,
    settings: Settings,
    families: Sequence[str],
    texts: Sequence[str],
    *,
    promote: bool,
    quick: bool = False,
) -> int:
    """Executes a nightly run from the command line.

    Raises:
        ParamsError: A family or a param does not exist, or a value has another type.
        LockHeldError: Another run holds the lock.
    """
    environment.set_up(root, settings)
    environment.silence_prefect()
    request = RunRequest(tuple(families), _patch(root, families, texts), promote, quick)
    with stopping.stoppable(request.command()), session(root, settings, request.command()) as now:
        for process in now.lock.ended:
            print_line(f"ended a leftover process of a killed run: {process}")
        try:
            return _play(now, request)
        except ServerError as error:
            publish.failed_to_start(now, request, "servers", error)
            return FAILED


def _patch(root: Path, families: Sequence[str], texts: Sequence[str]) -> dict[str, Any]:
    """The patch of --set, checked before anything starts. Without --set the check waits, since it takes seconds."""
    if not texts and not families:
        return {}
    values = params.read_params(root)
    params.choose(values, families)
    patch = params.parse(values, texts)
    params.lay(values, patch)
    return patch


def _play(now: Session, request: RunRequest) -> int:
    now.open(KINDS)
    own = [server.kind.title for server in now.servers if server.keeper == "a run"]
    if own:
        print_line(f"starting {' and '.join(own)} for this run ...")
    from prefect import tags  # noqa: PLC0415 - Prefect reads the environment when it is imported

    from flows.nightly.prefect_flow import flush, nightly  # noqa: PLC0415  # as above
    from flows.servers.crashed_runs import tag_of  # noqa: PLC0415  # as above

    params.read_params(now.root)
    prefect_client.check_access(now.ready(PREFECT))
    if own:
        print_line(f"  ready after {time.monotonic() - now.began:.0f} s")
    try:
        with tags(tag_of(now.state)):  # from the start, so that it can be closed if killed at once
            asked = {"families": list(request.families), "quick": request.quick, "promote": request.promote}
            state: Any = nightly(**asked, overrides=dict(request.patch), return_state=True)
    except Exception as error:  # noqa: BLE001 - raised again unless Prefect is gone
        return _without_prefect(now, error)
    finally:
        flush()
    return DONE if state.is_completed() else NOTHING if state.name == UNFIT else FAILED


def _without_prefect(now: Session, error: Exception) -> int:
    """Exit status of a run whose flow run broke off, possibly only because Prefect is gone.

    Raises:
        ServerError: Prefect is gone, and the run has not ended.
    """
    server = now.server(PREFECT)
    if server is None or server.healthy():
        raise error
    if now.ended is None:
        message = f"the Prefect server is gone: {error}"
        raise ServerError(message, f"see {server.log or server.url}, then run again: finished steps are not repeated")
    print_line("the Prefect server is gone, so its pages do not show how this run ended")
    return DONE if now.ended else FAILED


def run_ingest(root: Path, settings: Settings, path: Path, name: str, **how: Any) -> int:  # noqa: ANN401 - ingest's own
    """Ingests data, and commits a version of it.

    Raises:
        ParamsError: There is no such collection.
        DataError: The data cannot be used.
        VersionError: The previous data cannot be fetched, or the new version cannot be committed.
        LockHeldError: Another run holds the lock.
    """
    environment.set_up(root, settings)  # before the families are imported: matplotlib reads its folder on import
    section = data_tasks.load_collection(root, name)
    from curation.ingest import ingest, source_name  # noqa: PLC0415 - pandas

    with stopping.stoppable("the same command"), session(root, settings, f"ingest {name}") as now:
        _bring_present(root, now.settings)
        state = _state(root, settings)
        before = undo.secure(root, now.settings, state, f"{name}/{source_name(path.resolve(), how.get('source'))}")
        for line in ingest_preview.foresee(path, root, name, section, state, **how):
            typer.echo(line)
        result = ingest(path, root, name, section, **how)
        typer.echo(result.summary())
        taken = result.added or result.already
        if taken:
            md5 = versions.commit(root, now.settings, starter=versions.only_starter(root), log=print_line)
            typer.echo(f"  version  {md5[:12]}, in {versions.VERSION}; commit that file, and: make nightly")
        if undo.remember(root, state, before):
            typer.echo(f"  undo     {environment.python()} -m flows {undo.COMMAND}")
        if not taken:
            return NOTHING
        return FAILED if result.problem else DONE


def run_push(root: Path, settings: Settings, digits: str, *, verify: bool) -> int:
    """Sends to the remote the files of a data version that it lacks.

    Raises:
        VersionError: There is no remote or no such version, or the missing files are not in the cache either.
    """
    environment.set_up(root, settings)
    md5, sent = push_version(root, settings, digits, verify=verify)
    how = "every file was read and is correct" if verify else "every file exists with its size"
    typer.echo(f"sent     {len(sent)} files of version {md5[:12]}{': ' + listed(sent) if sent else ''}")
    typer.echo(f"the remote has version {md5[:12]}: {how}")
    return DONE


def run_undo(root: Path, settings: Settings) -> int:
    """Restores the data as they were before the last ingest.

    Raises:
        NothingToUndoError: No ingest is recorded (exit status 3).
        VersionError: The previous version is neither in the cache nor in the remote.
        LockHeldError: Another run holds the lock.
    """
    environment.set_up(root, settings)
    with stopping.stoppable("the same command"), session(root, settings, undo.COMMAND) as now:
        typer.echo("\n".join(undo.undo(root, now.settings, _state(root, settings))))
    return DONE


def _bring_present(root: Path, settings: Settings) -> None:
    """Fetches the previous data if necessary: a version made without them would drop them."""
    state = versions.state(root, settings)
    if not (root / versions.VERSION).exists():
        return  # the team's first data; the remote is still empty
    if state.problem:
        raise versions.VersionError(state.problem, state.remedy)
    # The starter is not fetched only to be replaced, and a team's remote does not have it.
    if not state.present and not state.starter and state.md5:
        print_line(f"fetching version {state.md5[:12]} of the data first ...")
        versions.pull(root, settings)


def run_rollback(root: Path, settings: Settings, family: str, reason: str) -> int:
    """Rejects the champion and restores the previous one.

    Raises:
        NothingToRestoreError: There is none (exit status 3).
    """
    with _registry(root, settings, f"rollback {family}") as api:
        from registry.mlflow.runs import client  # noqa: PLC0415  # MLflow
        from registry.promotion.rollback import rollback  # noqa: PLC0415 - MLflow

        done = rollback(family, reason, client(api), _state(root, settings))
        typer.echo("\n".join(rolled_back(done, signs=bool(settings.signing.key))))
    return DONE


def rolled_back(done: Rollback, *, signs: bool) -> list[str]:
    """Lines that report a rollback.

    Args:
        done: Result of the rollback.
        signs: True if a signing key is configured here, so that some machines may trust only that key.
    """
    again = f"{done.family} v{done.restored} is in use again"
    unsigned = f"  v{done.restored} has no signature: machines that require one refuse it and keep theirs"
    return [
        f"{again}; v{done.rejected} is rejected and never promoted again",
        *(f"  skipped: {broken}" for broken in done.broken),
        *([unsigned] if signs and not done.is_signed else []),
        f"  {done.family} is on hold: runs register but do not promote until",
        f"  {environment.python()} -m flows release {done.family}",
    ]


def run_release(root: Path, settings: Settings, family: str) -> int:
    """Ends the hold of a family.

    Raises:
        NothingToRestoreError: The registry has no such family (exit status 3).
    """
    with _registry(root, settings, f"release {family}") as api:
        from registry.mlflow.runs import client  # noqa: PLC0415  # MLflow
        from registry.promotion.rollback import release  # noqa: PLC0415 - MLflow

        hold = release(family, client(api))
    typer.echo(f"{family} is released; it was {hold}" if hold else f"{family} was not on hold")
    return DONE if hold else NOTHING


def run_checkout(root: Path, settings: Settings, family: str, version: int, to: Path | None) -> int:
    """Checks out the exact code, params and data of a version beside the checkout.

    Raises:
        NoSuchTagError: Git has no such version (exit status 3).
        RecordError: The target path is occupied.
        VersionError: Its data are neither in the cache nor in the remote.
    """
    environment.set_up(root, settings)
    commit = snapshot.tagged(root, f"{family}/v{version}")
    tree = snapshot.lay_out(root, commit, to or root.parent / f"{family}-v{version}")
    versions.pull(tree, settings)
    shown, ours = shlex.quote(str(tree)), shlex.quote(str(Path(sys.executable).parent))
    inside = f"cd {shown} && PATH={ours}:$PATH dvc"
    typer.echo(f"{family} v{version} is in {tree}: code, params.yaml and datasets/ of commit {commit[:12]}")
    typer.echo(f"  its outputs, from DVC's cache  {inside} checkout --allow-missing")
    typer.echo(f"  rebuild                          {inside} repro --force evaluate@{family}")
    typer.echo(f"  remove                           git worktree remove --force {shown}")
    return DONE


def run_serve(root: Path, settings: Settings) -> int:
    """Serves the nightly flow on the schedule of the settings, until stopped."""
    state = environment.set_up(root, settings)
    known = servers.team_server(settings, PREFECT) or servers.found(state, PREFECT)
    # A run's own server ends with the run, and the schedule would end with it.
    lasting = known if known is not None and known.keeper != "a run" else None
    if lasting is not None and not os.environ.get("PREFECT_API_URL"):
        os.environ.update(lasting.variables())
    if not os.environ.get("PREFECT_API_URL"):
        message = "no Prefect server runs here, and none is configured"
        raise ServerError(message, "make up   # or prefect.url in settings.toml")
    from flows.servers.schedule import serve  # noqa: PLC0415 - Prefect reads the environment when it is imported

    serve(settings.schedule.cron, settings.schedule.timezone, settings.schedule.heartbeat_timeout_s)
    return DONE


def _state(root: Path, settings: Settings) -> Path:
    return (root / settings.state).resolve()


@contextmanager
def _registry(root: Path, settings: Settings, command: str) -> Iterator[str]:
    """Provides an MLflow server: the team's, one that runs here, or one started for the duration of a command.

    Only the last takes the lock of the tree: a rollback must not wait for a run to end.
    """
    state = environment.set_up(root, settings)
    running = servers.team_server(settings, MLFLOW) or servers.found(state, MLFLOW)
    if running is not None:
        servers.wait_healthy([running])
        yield running.api
        return
    with session(root, settings, command) as now:
        now.open([MLFLOW])
        print_line("starting MLflow for this command ...")
        yield now.ready(MLFLOW).api
