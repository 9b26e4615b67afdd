"""Commands for the servers: up, down, status, serve."""

from __future__ import annotations

from typing import Annotated

import typer

from flows.cli import console
from flows.cli.app import context
from flows.servers import environment


def up() -> None:
    """Start Prefect, MLflow and the scheduler in the background, and wait until they are ready. Safe to repeat."""
    from flows.servers import local  # noqa: PLC0415  # heavy, and --help is not

    root, settings = context.enter(), context.read_settings()
    state = environment.set_up(root, settings)
    typer.echo("starting what does not run yet; the first time takes up to a minute ...", err=True)
    console.print_rows(local.up(settings, state))
    typer.echo(f"logs     {settings.state}/logs\nstop     make down\nlook     make status")


def down(
    force: Annotated[bool, typer.Option("--force", help="Also stop a run in progress.")] = False,
) -> None:
    """Stop the servers that `up` started, and nothing else."""
    from flows.servers import local  # noqa: PLC0415  # heavy, and --help is not

    root, settings = context.enter(), context.read_settings()
    stopped = local.down(environment.set_up(root, settings), force=force)
    typer.echo(f"stopped: {', '.join(stopped)}" if stopped else "nothing of ours was running")


def status() -> None:
    """Print the servers, the last run, the versions in use, and the families on hold."""
    from flows.servers import local  # noqa: PLC0415  # heavy, and --help is not

    root, settings = context.enter(), context.read_settings()
    state = environment.set_up(root, settings)
    console.print_rows(local.look(settings, state))
    typer.echo("\n".join(local.news(settings, state)))


def serve() -> None:
    """Serve the nightly to Prefect by the schedule of the settings, until stopped. `up` does this in the background."""
    from flows.cli.commands import run_serve  # noqa: PLC0415  # heavy, and --help is not

    raise typer.Exit(run_serve(context.enter(), context.read_settings()))
