"""Where the word of a night goes: the terminal, the pager, MLflow, the links in Prefect."""

from __future__ import annotations

import shlex
import subprocess
import sys
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from flows import console
from flows.run import worked, write_down
from flows.servers import MLFLOW
from report.night import Failure, Night
from report.terminal import night_table, pager_text

if TYPE_CHECKING:
    from flows.run import Order, Run
    from flows.session import Session

NOTIFY_TIMEOUT_S = 60
EXPERIMENT = "nightly"


def show(run: Run) -> None:
    """The table that the night ends with, on standard output; after a failure the pager is rung."""
    page = Path(run.shown(run.out / "index.html"))
    table = night_table(run.night, run.decisions, page=page, width=console.width(), colour=sys.stdout.isatty())
    typer.echo(table.rstrip())
    if run.night.failed:
        cry(run.night, run.session.settings.notify.command)


def stillborn(now: Session, order: Order, stage: str, error: Exception) -> str:
    """A night that could not begin is a night that failed: it is written down, told, and somebody is woken.

    Returns:
        The reason.
    """
    remedy = getattr(error, "remedy", "")
    failure = Failure(stage=stage, message=str(error), remedy=remedy, again=order.command())
    at = datetime.now(UTC).astimezone()
    night = Night(started=at, finished=at, failures=[failure], champions=None, mode=order.mode)
    with suppress(OSError):  # a full disk must not keep the pager silent
        write_down(night, now.state)
    cry(night, now.settings.notify.command)
    return failure.message


def cry(night: Night, command: str) -> None:
    """The pager's text on standard error, and to the pager."""
    typer.echo(f"\n{pager_text(night)}".rstrip(), err=True)
    notify(night, command)


def notify(night: Night, command: str) -> None:
    """Gives the pager's text to the command of the settings. A pager that fails is told, and changes nothing."""
    if not command or not night.failed:
        return
    try:
        words = shlex.split(command)
        subprocess.run(words, input=pager_text(night), text=True, check=True, timeout=NOTIFY_TIMEOUT_S)
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        console.say(f"notify.command in settings.toml did not take the message: {error}")


def to_mlflow(run: Run) -> str:
    """Logs the page to a run of the experiment `nightly` and returns its address; for a night that only looked, none.

    What goes wrong is told and changes nothing: the page lies in build/report as well.
    """
    if not worked(run.night):
        return ""
    try:
        return _log_page(run)
    except Exception as error:  # noqa: BLE001 - see above
        console.say(f"the report is not in MLflow: {error}")
        return ""


def _log_page(run: Run) -> str:
    from registry import tracking  # noqa: PLC0415 - MLflow

    mlflow = tracking.client(run.session.ready(MLFLOW).api)
    tracking.end_abandoned(mlflow, EXPERIMENT)
    title = f"{run.night.mode} {run.night.started:%Y-%m-%d %H:%M}"
    logged = tracking.open_run(mlflow, EXPERIMENT, title, _tags(run.night)).info
    status = "FAILED"
    try:
        mlflow.log_artifact(logged.run_id, str(run.out / "index.html"))
        status = "FAILED" if run.night.failed else "FINISHED"
    finally:
        mlflow.set_terminated(logged.run_id, status)
    return f"{run.session.ready(MLFLOW).url}/#/experiments/{logged.experiment_id}/runs/{logged.run_id}/artifacts"


def _tags(night: Night) -> dict[str, str]:
    return {"rushes.record": night.record, "rushes.failed": str(night.failed).lower(), "rushes.data": night.data_md5}
