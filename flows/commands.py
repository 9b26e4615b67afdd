"""What the commands of `python -m flows` do; each returns its exit status."""

from __future__ import annotations

import os
import shlex
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from flows import data, environment, params, publish, servers, stopping
from flows.console import say
from flows.run import UNFIT, Order
from flows.servers import KINDS, MLFLOW, PREFECT, ServerError
from flows.session import session
from registry import record, versions

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from flows.session import Session
    from registry.history import Rollback
    from registry.settings import Settings

DONE, FAILED, NOTHING = 0, 1, 3


def run_nightly(root: Path, settings: Settings, families: Sequence[str], texts: Sequence[str], *, promote: bool) -> int:
    """A night from the command line.

    Raises:
        ParamsError: A family or a param does not exist, or a value has another type.
        LockHeldError: Another run holds the lock.
    """
    environment.settle(root, settings)
    environment.hush_prefect()
    order = Order(tuple(families), _patch(root, families, texts), promote)
    with stopping.explained(order.command()), session(root, settings, order.command()) as now:
        for process in now.lock.ended:
            say(f"ended what a run that was killed had left: {process}")
        try:
            return _play(now, order)
        except ServerError as error:
            publish.stillborn(now, order, "servers", error)
            return FAILED


def _patch(root: Path, families: Sequence[str], texts: Sequence[str]) -> dict[str, Any]:
    """What --set asks for, checked before anything starts. Without it the check waits: it takes seconds."""
    if not texts and not families:
        return {}
    values = params.read_params(root)
    params.choose(values, families)
    patch = params.parse(values, texts)
    params.lay(values, patch)
    return patch


def _play(now: Session, order: Order) -> int:
    now.open(KINDS)
    own = [server.kind.title for server in now.servers if server.keeper == "a run"]
    if own:
        say(f"starting {' and '.join(own)} for this run ...")
    from flows.nightly import flush, nightly  # noqa: PLC0415 - Prefect reads the environment when it is imported

    params.read_params(now.root)
    now.ready(PREFECT)
    if own:
        say(f"  ready after {time.monotonic() - now.began:.0f} s")
    try:
        state: Any = nightly(list(order.families), order.promote, dict(order.patch), return_state=True)
    except Exception as error:  # noqa: BLE001 - raised again unless Prefect is gone
        return _without_prefect(now, error)
    finally:
        flush()
    return DONE if state.is_completed() else NOTHING if state.name == UNFIT else FAILED


def _without_prefect(now: Session, error: Exception) -> int:
    """What a night came to whose flow run broke off: it may be that Prefect alone is gone.

    Raises:
        ServerError: It is, and the night has not ended.
    """
    server = now.server(PREFECT)
    if server is None or server.healthy():
        raise error
    if now.ended is None:
        message = f"the Prefect server went away: {error}"
        raise ServerError(message, f"see {server.log or server.url}, then run again: what is done is not done twice")
    say("the Prefect server went away, so its pages do not tell how this night ended")
    return DONE if now.ended else FAILED


def run_ingest(root: Path, settings: Settings, path: Path, name: str, **how: Any) -> int:  # noqa: ANN401 - ingest's own
    """Takes data in, and makes a version of it.

    Raises:
        ParamsError: There is no such collection.
        DataError: The data cannot be used.
        VersionError: The data of before cannot be fetched, or the new ones not be versioned.
        LockHeldError: Another run holds the lock.
    """
    from curation.ingest import ingest  # noqa: PLC0415 - pandas

    environment.settle(root, settings)  # before the families are imported: matplotlib writes where it is told to
    section = data.load_collection(root, name)
    with stopping.explained("the same command"), session(root, settings, f"ingest {name}") as now:
        _bring_present(root, now.settings)
        result = ingest(path, root, name, section, **how)
        typer.echo(result.summary())
        if not result.added and not result.already:
            return NOTHING
        md5 = versions.commit(root, now.settings, starter=versions.only_starter(root))
        typer.echo(f"  version  {md5[:12]}, in {versions.VERSION}; commit that file, and: make nightly")
        return FAILED if result.problem else DONE


def _bring_present(root: Path, settings: Settings) -> None:
    """The data of before have to lie here: a version made without them would drop them."""
    state = versions.state(root, settings)
    if state.problem:
        raise versions.VersionError(state.problem, state.remedy)
    if not state.present and not state.wants_starter and state.md5:
        say(f"fetching version {state.md5[:12]} of the data first ...")
        versions.pull(root, settings)


def run_rollback(root: Path, settings: Settings, family: str, reason: str) -> int:
    """Rejects the champion and restores the one before.

    Raises:
        NothingToRestoreError: There is none (exit status 3).
    """
    with _registry(root, settings, f"rollback {family}") as api:
        from registry.history import rollback  # noqa: PLC0415 - MLflow
        from registry.tracking import client  # noqa: PLC0415  # MLflow

        done = rollback(family, reason, client(api), _state(root, settings))
        typer.echo("\n".join(rolled_back(done, signs=bool(settings.signing.key))))
    return DONE


def rolled_back(done: Rollback, *, signs: bool) -> list[str]:
    """What a rollback tells.

    Args:
        done: What it did.
        signs: Whether a key is configured here, so that there may be machines that trust it alone.
    """
    again = f"{done.family} v{done.restored} is in use again"
    unsigned = f"  v{done.restored} has no signature: machines that trust keys refuse it, and keep what they have"
    return [
        f"{again}; v{done.rejected} is rejected and never promoted again",
        *(f"  passed over: {broken}" for broken in done.broken),
        *([unsigned] if signs and not done.is_signed else []),
        f"  {done.family} is on hold: nights register, none promotes, until",
        f"  {environment.python()} -m flows release {done.family}",
    ]


def run_release(root: Path, settings: Settings, family: str) -> int:
    """Ends the hold of a family.

    Raises:
        NothingToRestoreError: The registry has no such family (exit status 3).
    """
    with _registry(root, settings, f"release {family}") as api:
        from registry.history import release  # noqa: PLC0415 - MLflow
        from registry.tracking import client  # noqa: PLC0415  # MLflow

        hold = release(family, client(api))
    typer.echo(f"{family} is released; it was {hold}" if hold else f"{family} was not on hold")
    return DONE if hold else NOTHING


def run_checkout(root: Path, settings: Settings, family: str, version: int, to: Path | None) -> int:
    """Lays out the exact code, params and data of a version beside the checkout.

    Raises:
        NoSuchTagError: Git has no such version (exit status 3).
        RecordError: Something lies in the way.
        VersionError: Its data lie neither in the cache nor in the remote.
    """
    environment.settle(root, settings)
    commit = record.tagged(root, f"{family}/v{version}")
    tree = record.lay_out(root, commit, to or root.parent / f"{family}-v{version}")
    versions.pull(tree, settings)
    shown, ours = shlex.quote(str(tree)), shlex.quote(str(Path(sys.executable).parent))
    inside = f"cd {shown} && PATH={ours}:$PATH dvc"
    typer.echo(f"{family} v{version} lies in {tree}: code, params.yaml and datasets/ of commit {commit[:12]}")
    typer.echo(f"  what it made, from DVC's cache  {inside} checkout --allow-missing")
    typer.echo(f"  made once more                  {inside} repro --force evaluate@{family}")
    typer.echo(f"  take it away                    git worktree remove --force {shown}")
    return DONE


def run_serve(root: Path, settings: Settings) -> int:
    """Serves the nightly by the schedule of the settings, until stopped."""
    state = environment.settle(root, settings)
    known = servers.team_server(settings, PREFECT) or servers.found(state, PREFECT)
    # That of a run goes with the run, and the schedule with it.
    lasting = known.api if known is not None and known.keeper != "a run" else ""
    api = os.environ.get("PREFECT_API_URL") or lasting
    if not api:
        message = "no Prefect server runs here, and none is named"
        raise ServerError(message, "make up   # or prefect.url in settings.toml")
    os.environ["PREFECT_API_URL"] = api
    from flows.schedule import serve  # noqa: PLC0415 - Prefect reads the environment when it is imported

    serve(settings.schedule.cron, settings.schedule.zone)
    return DONE


def _state(root: Path, settings: Settings) -> Path:
    return (root / settings.state).resolve()


@contextmanager
def _registry(root: Path, settings: Settings, command: str) -> Iterator[str]:
    """An MLflow server to speak to: the team's, one that runs here, or one started for the time of a command.

    Only the last takes the lock of the tree: going back must not have to wait for a night to end.
    """
    state = environment.settle(root, settings)
    running = servers.team_server(settings, MLFLOW) or servers.found(state, MLFLOW)
    if running is not None:
        servers.wait_healthy([running])
        yield running.api
        return
    with session(root, settings, command) as now:
        now.open([MLFLOW])
        say("starting MLflow for this command ...")
        yield now.ready(MLFLOW).api
