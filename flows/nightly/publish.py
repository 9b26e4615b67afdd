"""Publication of a run's result: terminal, notification, MLflow, links in Prefect."""

from __future__ import annotations

import shlex
import subprocess
import sys
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from flows.cli import console
from flows.nightly import run_history
from flows.nightly.run import RunRequest, worked, write_down
from flows.servers.definitions import MLFLOW
from report.data.run import Failure, NightlyRun
from report.text.messages import headline
from report.text.terminal import pager_text, run_table
from rushes.errors import RushesError

if TYPE_CHECKING:
    from mlflow import MlflowClient

    from flows.nightly.run import Run
    from flows.servers.session import Session

NOTIFY_TIMEOUT_S = 60
EXPERIMENT = "nightly"
PAGE = "index.html"


def show(run: Run) -> None:
    """Prints the final table on standard output; notifies after a failure."""
    page = Path(run.shown(run.out / "index.html"))
    table = run_table(run.nightly, run.decisions, page=page, width=console.width(), colour=sys.stdout.isatty())
    typer.echo(table.rstrip())
    if run.nightly.failed:
        page_failure(run.nightly, run.session.settings.notify.command)


def failed_to_start(now: Session, request: RunRequest, stage: str, error: Exception) -> str:
    """Handles a run that failed to start like a failed run: records it, prints it, and notifies.

    Returns:
        The reason.
    """
    remedy = error.remedy if isinstance(error, RushesError) else ""
    failure = Failure(stage=stage, message=str(error), remedy=remedy, again=request.command())
    at = datetime.now(UTC).astimezone()
    nightly = NightlyRun(started=at, finished=at, failures=[failure], champions=None, mode=request.mode)
    with suppress(OSError):  # a full disk must not suppress the notification
        write_down(nightly, now.state)
        run_history.keep(run_history.PastRun(nightly=nightly), now.state)
    page_failure(nightly, now.settings.notify.command)
    return failure.message


def killed(why: str, command: str) -> None:
    """Notifies of a run whose process was killed, and so could not do it itself.

    Args:
        why: The known reason of its end.
        command: `notify.command` of the settings.
    """
    remedy = "check whether memory ran out: dmesg | tail; finished steps are not repeated"
    failure = Failure(stage="run", message=why, remedy=remedy, again=RunRequest().command())
    at = datetime.now(UTC).astimezone()
    page_failure(NightlyRun(started=at, finished=at, failures=[failure], champions=None), command)


def page_failure(nightly: NightlyRun, command: str) -> None:
    """Sends the notification's text to standard error and to the notification command."""
    typer.echo(f"\n{pager_text(nightly)}".rstrip(), err=True)
    notify(nightly, command)


def notify(nightly: NightlyRun, command: str) -> None:
    """Passes the notification to the command of the settings. A failing command is reported, and changes nothing."""
    if not command or not nightly.failed:
        return
    text = pager_text(nightly)
    try:
        words = shlex.split(command)
        subprocess.run(words, input=text, text=True, check=True, timeout=NOTIFY_TIMEOUT_S)
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        console.print_line(f"notify.command in settings.toml did not accept the message: {_why_not_taken(error)}")


def _why_not_taken(error: Exception) -> str:
    """Reason without the command's arguments, which may contain a webhook's secret address."""
    if isinstance(error, subprocess.CalledProcessError):
        return f"{error.cmd[0]} ended with status {error.returncode}"
    if isinstance(error, subprocess.TimeoutExpired):
        return f"{error.cmd[0]} took more than {NOTIFY_TIMEOUT_S} s"
    return str(error)


def to_mlflow(run: Run) -> str:
    """Logs the page to a run of the experiment `nightly` and returns its address; empty for a run that did nothing.

    Errors are printed and change nothing, since the page is in build/report as well.
    """
    try:
        return _log_page(run)
    except Exception as error:  # noqa: BLE001 - see above
        if worked(run.nightly):
            console.print_line(f"the report is not in MLflow: {error}")
        return ""


def _log_page(run: Run) -> str:
    from registry.mlflow import run_summary, runs  # noqa: PLC0415 - MLflow

    mlflow = runs.client(run.session.ready(MLFLOW).api)
    runs.end_abandoned(mlflow, EXPERIMENT)  # even if this run did nothing: the previous one may have been killed
    if not worked(run.nightly):
        return ""
    title = f"{run.nightly.mode} {run.nightly.started:%Y-%m-%d %H:%M}"
    logged = runs.open_run(mlflow, EXPERIMENT, title, _tags(run.nightly)).info
    status = "FAILED"
    try:
        mlflow.log_artifact(logged.run_id, str(run.out / PAGE))
        verdict = headline(run.nightly, run.decisions).text
        mlflow.set_tag(logged.run_id, run_summary.NOTE, run_summary.describe_nightly(verdict, logged, run.decisions))
        status = "FAILED" if run.nightly.failed else "FINISHED"
    finally:
        mlflow.set_terminated(logged.run_id, status)
    page = runs.run_page(run.session.lasting_url(MLFLOW), logged, "artifacts", PAGE)
    _link_to(page, mlflow, run)
    return page


def _link_to(page: str, mlflow: MlflowClient, run: Run) -> None:
    """Links the runs and versions that resulted from this run to its report."""
    from registry.mlflow import run_summary  # noqa: PLC0415 - MLflow

    for family, decision in run.decisions.items():
        if decision.registered or decision.promoted:
            try:
                run_summary.link_report(mlflow, decision.run_id, family, decision.version, page)
            except Exception as error:  # noqa: BLE001 - the report exists, only the link is missing
                console.print_line(f"{family} v{decision.version} has no link to the report in MLflow: {error}")


def _tags(nightly: NightlyRun) -> dict[str, str]:
    return {
        "rushes.record": nightly.record,
        "rushes.failed": str(nightly.failed).lower(),
        "rushes.data": nightly.data_md5,
    }
