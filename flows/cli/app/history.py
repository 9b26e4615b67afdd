"""Commands that show former runs: runs, compare, logs."""

from __future__ import annotations

from typing import Annotated

import typer

from flows.cli.app import context
from flows.servers import environment


def runs(
    family: Annotated[
        list[str] | None, typer.Option(help="Only runs of this family; may be repeated. All, if left out.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="Maximum number of runs, the newest first.")] = 20,
    as_json: Annotated[bool, typer.Option("--json", help="For programs: one object of JSON a line.")] = False,
) -> None:
    """List past nightly runs and trials: their outcomes, their changes, and the results of each family."""
    from flows.cli.run_tables import print_runs  # noqa: PLC0415 - heavy, and --help is not

    raise typer.Exit(print_runs(context.state_folder(context.enter_and_read()), limit, family or [], as_json=as_json))


def compare(
    before: Annotated[str, typer.Argument(metavar="RUN", help="The name of a run in `runs`, or a part of it.")],
    after: Annotated[str, typer.Argument(metavar="RUN", help="The other run.")] = "last",
    as_json: Annotated[bool, typer.Option("--json", help="For programs: one object of JSON.")] = False,
) -> None:
    """Show what differs between two runs: data, code, params, versions and metrics."""
    from flows.cli.run_tables import print_comparison  # noqa: PLC0415 - heavy, and --help is not

    state = context.state_folder(context.enter_and_read())
    raise typer.Exit(print_comparison(environment.checkout_root(), state, before, after, as_json=as_json))


def logs(
    name: Annotated[
        str, typer.Argument(metavar="[STAGE]", help="Such as train@expression, or a server; all are listed without it.")
    ] = "",
    lines: Annotated[int, typer.Option("--lines", "-n", min=0, help="Number of last lines; 0: all.")] = 0,
    run: Annotated[str, typer.Option(help="The name of a run in `runs`; the last nightly run, if left out.")] = "",
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Print new lines until the run ends.")] = False,
) -> None:
    """Print the log of a stage or a server, or list the available logs."""
    from flows.cli import stage_logs  # noqa: PLC0415 - heavy, and --help is not

    root, state = environment.checkout_root(), context.state_folder(context.enter_and_read())
    if not name:
        raise typer.Exit(stage_logs.print_logs(root, state, run))
    log = stage_logs.find_log(stage_logs.known_logs(root, state, run), name)
    raise typer.Exit(stage_logs.follow_log(log, state) if follow else stage_logs.print_log(log, lines))
