"""The command line for engineers: python -m flows nightly, ingest, candidates, rollback, release, up, down, keys ...

Exit status: 0 done, 1 failed, 2 misuse, 3 ran but nothing fits what was asked, 4 another run holds the lock.
"""

from __future__ import annotations

import os
import re
import shlex
import sys
import tomllib
import traceback
from pathlib import Path  # noqa: TC003 - typer reads the annotations
from typing import Annotated

import typer
from pydantic import ValidationError
from pydantic_settings import SettingsError

from common.settings import Settings, load_settings
from flows.cli import console, keys
from flows.cli.help_texts import (
    CANDIDATES_EXAMPLES,
    CHECKOUT_EXAMPLES,
    COMPARE_EXAMPLES,
    DOWN_EXAMPLES,
    INGEST_EXAMPLES,
    LOGS_EXAMPLES,
    NIGHTLY_EXAMPLES,
    PUSH_EXAMPLES,
    RAYJOB_EXAMPLES,
    ROLLBACK_EXAMPLES,
    RUNS_EXAMPLES,
    SEARCH_EXAMPLES,
    SERVE_EXAMPLE,
    STATUS_EXAMPLE,
    STATUSES,
    UP_EXAMPLE,
)
from flows.servers import environment
from rushes import __version__
from rushes.errors import DONE, FAILED, MISUSE, RushesError, bug_report
from rushes.redaction import redact
from steps.runtime.failures import describe

app = typer.Typer(
    help="Rushes for engineers: nightly runs, data, rollback, and the servers of a team.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

app.add_typer(keys.app, name="keys")

RENAMED = {"ladder": "candidates"}  # commands of earlier versions


def _wanted(text: str) -> str:
    if not re.fullmatch(r"[a-z][a-z0-9_]*@[1-9][0-9]*", text):
        message = f"{text!r} is not a FAMILY@VERSION; for example: expression@3"
        raise typer.BadParameter(message)
    return text


def _words(text: str) -> str:
    if not text.strip():
        message = "give the reason: it is all that later readers of the registry have"
        raise typer.BadParameter(message)
    return text


@app.command(epilog=f"{NIGHTLY_EXAMPLES}\n{STATUSES}")
def nightly(
    families: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="A family to work on; may be repeated. All, if left out.")
    ] = None,
    change: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="PATH=VALUE", help="A param to change; may be repeated. Makes it a trial."),
    ] = None,
    promote: Annotated[bool, typer.Option("--promote", help="Let a trial be promoted if it is better.")] = False,
    quick: Annotated[
        bool,
        typer.Option(
            "--quick", help="Check that it runs: part of the data, one epoch, no students, nothing registered."
        ),
    ] = False,
) -> None:
    """Retrain on the current data, compress, evaluate and register the models, and promote those that are better.

    With --set it is a trial: it runs in a tree of its own, your params.yaml stays as it is, and nothing is promoted
    unless --promote is given.
    """
    if quick and promote:
        message = "--quick registers nothing, so there is nothing to promote: omit --quick or --promote"
        raise typer.BadParameter(message)
    from flows.cli.commands import run_nightly  # noqa: PLC0415 - heavy, and --help is not

    names = [name for text in families or [] for name in text.split(",") if name]
    raise typer.Exit(run_nightly(_enter(), _settings(), names, change or [], promote=promote, quick=quick))


@app.command(epilog=f"{INGEST_EXAMPLES}\n{STATUSES}")
def ingest(
    collection: Annotated[str | None, typer.Argument(help="A collection of params.yaml, such as faces.")] = None,
    path: Annotated[
        Path | None, typer.Argument(exists=True, help="A folder, a .csv or a film; it is read, never touched.")
    ] = None,
    *,
    source: Annotated[str | None, typer.Option(help="The name of the source; that of the folder, if left out.")] = None,
    layout: Annotated[str | None, typer.Option(help="Pattern of the paths; detected, if left out.")] = None,
    votes: Annotated[Path | None, typer.Option(exists=True, help="A .csv of votes, such as FER+.")] = None,
    licence: Annotated[str, typer.Option(help="The licence of the data, for later readers.")] = "",
    undo: Annotated[bool, typer.Option("--undo", help="Restore the data as they were before the last ingest.")] = False,
) -> None:
    """Add data to a collection, give every sample its split, and make a version of the data.

    What is added and replaced, and what the checks will keep, is printed before anything changes. The first data of
    your own replace the starter of their collection. --undo reverts all of it, including refused files in quarantine/.
    """
    if undo:
        from flows.cli.commands import run_undo  # noqa: PLC0415  # heavy, and --help is not

        if collection or path:
            message = "--undo takes neither a collection nor a path: it always undoes the last ingest"
            raise typer.BadParameter(message)
        raise typer.Exit(run_undo(_enter(), _settings()))
    if collection is None or path is None:
        message = "give a collection and the path of the data; for example: ingest faces ~/rushes/day-12"
        raise typer.BadParameter(message)
    from flows.cli.commands import run_ingest  # noqa: PLC0415  # heavy, and --help is not

    here, there = path.resolve(), votes.resolve() if votes else None
    root = _enter()
    raise typer.Exit(
        run_ingest(root, _settings(), here, collection, source=source, layout=layout, votes=there, licence=licence)
    )


@app.command(epilog=f"{CANDIDATES_EXAMPLES}\n{STATUSES}")
def candidates(
    family: Annotated[str, typer.Argument(help="A family, such as expression.")],
    change: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="PATH=VALUE", help="Another budget to ask for; may be repeated."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For programs: one object of JSON.")] = False,
) -> None:
    """Print the compressed candidates of the last training against a budget, and the one that would be shipped.

    Nothing is trained or written. Exit status 3 where nothing holds the budget.
    """
    from flows.cli.candidates import run_candidates  # noqa: PLC0415 - heavy, and --help is not

    raise typer.Exit(run_candidates(_enter(), _settings(), family, change or [], as_json=as_json))


@app.command(epilog=f"{SEARCH_EXAMPLES}\n{STATUSES}")
def search(
    family: Annotated[str, typer.Argument(help="A family, such as expression.")],
    trials: Annotated[int, typer.Option(min=2, help="Trials, the params of params.yaml as the first of them.")] = 20,
    hours: Annotated[float, typer.Option(min=0.0, help="Time for all of it; 0: no limit.")] = 0.0,
    seeds: Annotated[int, typer.Option(min=2, help="Seeds to compare the best trial and the default with.")] = 3,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the search itself.")] = 0,
    change: Annotated[
        list[str] | None, typer.Option("--set", metavar="PATH=VALUE", help="A param of all trials; may be repeated.")
    ] = None,
    ranges: Annotated[
        list[str] | None,
        typer.Option("--range", metavar="PATH=RANGE", help="LOW..HIGH, LOW..HIGH,log or A|B; may be repeated."),
    ] = None,
    only: Annotated[bool, typer.Option("--only-ranges", help="Search nothing but the params of --range.")] = False,
    parallel: Annotated[int, typer.Option(min=1, metavar="N", help="Trainings at once.")] = 1,
    show: Annotated[bool, typer.Option("--show", help="Print the ranges, and start nothing.")] = False,
) -> None:
    """Search for better params of a family by trials on the validation split. Repeated, a stopped search continues.

    The best params come out as a patch of params.yaml to review. Exit status 3 where none are shown to be better.
    """
    from flows.search.request import SearchRequest  # noqa: PLC0415 - heavy, and --help is not
    from flows.search.run import run_search  # noqa: PLC0415  # as above

    wanted = SearchRequest(family, trials, hours, seeds, seed, tuple(change or ()), tuple(ranges or ()), only, parallel)
    raise typer.Exit(run_search(_enter(), _settings(), wanted, show=show))


@app.command(epilog=f"{ROLLBACK_EXAMPLES}\n{STATUSES}")
def rollback(
    family: Annotated[str, typer.Argument(help="A family, such as expression.")],
    reason: Annotated[str, typer.Option(callback=_words, help="The reason, for later readers of the registry.")],
) -> None:
    """Restore the previous champion, reject this one for good, and put the family on hold."""
    from flows.cli.commands import run_rollback  # noqa: PLC0415  # heavy, and --help is not

    raise typer.Exit(run_rollback(_enter(), _settings(), family, reason))


@app.command(epilog=f"{ROLLBACK_EXAMPLES}\n{STATUSES}")
def release(family: Annotated[str, typer.Argument(help="A family, such as expression.")]) -> None:
    """End the hold of a family: the next run may move its champion again."""
    from flows.cli.commands import run_release  # noqa: PLC0415  # heavy, and --help is not

    raise typer.Exit(run_release(_enter(), _settings(), family))


@app.command(epilog=f"{CHECKOUT_EXAMPLES}\n{STATUSES}")
def checkout(
    wanted: Annotated[str, typer.Argument(metavar="FAMILY@VERSION", callback=_wanted, help="Such as expression@3.")],
    to: Annotated[Path | None, typer.Option(help="The folder; beside the checkout, if left out.")] = None,
) -> None:
    """Check out the exact code, params and data that a registered version came from, in a worktree of its own."""
    from flows.cli.commands import run_checkout  # noqa: PLC0415  # heavy, and --help is not

    family, _, version = wanted.partition("@")
    there = to.absolute() if to else None
    raise typer.Exit(run_checkout(_enter(), _settings(), family, int(version), there))


@app.command(epilog=f"{PUSH_EXAMPLES}\n{STATUSES}")
def push(
    version: Annotated[
        str, typer.Argument(help="The first digits of a version's md5, as datasets.dvc names it; today's, if left out.")
    ] = "",
    *,
    verify: Annotated[
        bool, typer.Option("--verify", help="Read all of its files in the remote, and replace damaged ones.")
    ] = False,
) -> None:
    """Send the files of a data version to the team's remote that are missing or truncated there.

    This repairs a remote that has lost files, from any machine that still has them in its cache.
    """
    from flows.cli.commands import run_push  # noqa: PLC0415  # heavy, and --help is not

    raise typer.Exit(run_push(_enter(), _settings(), version, verify=verify))


@app.command(epilog=f"{RUNS_EXAMPLES}\n{STATUSES}")
def runs(
    family: Annotated[
        list[str] | None, typer.Option(help="Only runs of this family; may be repeated. All, if left out.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="Maximum number of runs, the newest first.")] = 20,
    as_json: Annotated[bool, typer.Option("--json", help="For programs: one object of JSON a line.")] = False,
) -> None:
    """List past nightly runs and trials: their outcomes, their changes, and the results of each family."""
    from flows.cli.run_tables import print_runs  # noqa: PLC0415 - heavy, and --help is not

    raise typer.Exit(print_runs(_state(_settings_here()), limit, family or [], as_json=as_json))


@app.command(epilog=f"{COMPARE_EXAMPLES}\n{STATUSES}")
def compare(
    before: Annotated[str, typer.Argument(metavar="RUN", help="The name of a run in `runs`, or a part of it.")],
    after: Annotated[str, typer.Argument(metavar="RUN", help="The other run.")] = "last",
    as_json: Annotated[bool, typer.Option("--json", help="For programs: one object of JSON.")] = False,
) -> None:
    """Show what differs between two runs: data, code, params, versions and metrics."""
    from flows.cli.run_tables import print_comparison  # noqa: PLC0415 - heavy, and --help is not

    state = _state(_settings_here())
    raise typer.Exit(print_comparison(environment.checkout_root(), state, before, after, as_json=as_json))


@app.command(epilog=f"{LOGS_EXAMPLES}\n{STATUSES}")
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

    root, state = environment.checkout_root(), _state(_settings_here())
    if not name:
        raise typer.Exit(stage_logs.print_logs(root, state, run))
    log = stage_logs.find_log(stage_logs.known_logs(root, state, run), name)
    raise typer.Exit(stage_logs.follow_log(log, state) if follow else stage_logs.print_log(log, lines))


@app.command(epilog=f"{RAYJOB_EXAMPLES}\n{STATUSES}")
def rayjob(
    *,
    image: Annotated[str, typer.Option(help="The image of the pods, which has the checkout in /rushes.")] = "",
    families: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="A family to train; may be repeated. All, if left out.")
    ] = None,
    secret: Annotated[
        str, typer.Option(help="The secret with the credentials of S3 and MLflow; none, if empty.")
    ] = "rushes-credentials",  # noqa: S107 - a name
    claim: Annotated[str, typer.Option(help="The volume claim for checkpoints in a folder.")] = "rushes-checkpoints",
    memory: Annotated[str, typer.Option(help="The memory of each pod.")] = "8Gi",
    out: Annotated[Path | None, typer.Option(help="The file; deploy/kubernetes/rayjob.yaml, if left out.")] = None,
    check: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="Validate this manifest, and write nothing.")
    ] = None,
    definition: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="The cluster's own definition, to validate by.")
    ] = None,
) -> None:
    """Write a manifest that trains on Kubernetes with KubeRay, from the settings; or validate an edited one.

    --check names each unknown key, missing key, wrong type and wrong value with its line, and then exits with 1.
    """
    from flows.cli import rayjob as job  # noqa: PLC0415 - jsonschema, and --help is light

    if check:
        raise typer.Exit(job.run_check(check, definition))
    path = (out or environment.checkout_root() / job.FILE).absolute()
    deployment = job.Deployment(image or job.IMAGE, ",".join(families or ()), secret, claim, memory)
    raise typer.Exit(job.run_write(_settings_here(), deployment, path))


@app.command(epilog=f"{UP_EXAMPLE}\n{STATUSES}")
def up() -> None:
    """Start Prefect, MLflow and the scheduler in the background, and wait until they are ready. Safe to repeat."""
    from flows.servers import local  # noqa: PLC0415  # heavy, and --help is not

    root, settings = _enter(), _settings()
    state = environment.set_up(root, settings)
    typer.echo("starting what does not run yet; the first time takes up to a minute ...", err=True)
    console.print_rows(local.up(settings, state))
    typer.echo(f"logs     {settings.state}/logs\nstop     make down\nlook     make status")


@app.command(epilog=f"{DOWN_EXAMPLES}\n{STATUSES}")
def down(
    force: Annotated[bool, typer.Option("--force", help="Also stop a run in progress.")] = False,
) -> None:
    """Stop the servers that `up` started, and nothing else."""
    from flows.servers import local  # noqa: PLC0415  # heavy, and --help is not

    root, settings = _enter(), _settings()
    stopped = local.down(environment.set_up(root, settings), force=force)
    typer.echo(f"stopped: {', '.join(stopped)}" if stopped else "nothing of ours was running")


@app.command(epilog=f"{STATUS_EXAMPLE}\n{STATUSES}")
def status() -> None:
    """Print the servers, the last run, the versions in use, and the families on hold."""
    from flows.servers import local  # noqa: PLC0415  # heavy, and --help is not

    root, settings = _enter(), _settings()
    state = environment.set_up(root, settings)
    console.print_rows(local.look(settings, state))
    typer.echo("\n".join(local.news(settings, state)))


@app.command(epilog=f"{SERVE_EXAMPLE}\n{STATUSES}")
def serve() -> None:
    """Serve the nightly to Prefect by the schedule of the settings, until stopped. `up` does this in the background."""
    from flows.cli.commands import run_serve  # noqa: PLC0415  # heavy, and --help is not

    raise typer.Exit(run_serve(_enter(), _settings()))


def _enter() -> Path:
    """Changes to the checkout, which contains settings.toml, params.yaml and the DVC files; returns it."""
    root = environment.checkout_root()
    os.chdir(root)
    return root


def _settings_here() -> Settings:
    _enter()
    return _settings()


def _state(settings: Settings) -> Path:
    """The state folder; a read-only command creates and starts nothing."""
    return (environment.checkout_root() / settings.state).resolve()


def _settings() -> Settings:
    """The settings; exits with status 2 and the correction if they are wrong."""
    try:
        return load_settings()
    except tomllib.TOMLDecodeError as error:
        typer.echo(f"settings.toml is not TOML: {error}", err=True)
    except SettingsError as error:
        typer.echo(f"settings: {error}", err=True)
    except ValidationError as error:
        for fault in error.errors():
            name = ".".join(str(part) for part in fault["loc"])
            # The value of an unknown name may be a password.
            given = "" if fault["type"] == "extra_forbidden" else f", not {fault['input']!r}"
            typer.echo(redact(f"settings: {name}: {fault['msg']}{given}"), err=True)
    typer.echo("  settings.example.toml has every setting; RUSHES_... in the environment overrides it", err=True)
    raise typer.Exit(MISUSE)


def _explain(error: Exception, status: int) -> int:
    remedy = describe("", "", error).remedy
    typer.echo(redact(f"{error}" + (f"\n  {remedy}" if remedy else "")), err=True)
    return status


def _needs_no_traceback(error: Exception) -> bool:
    """True for faults of the environment: a full or read-only disk, a lost server."""
    return isinstance(error, ConnectionError) or describe("", "", error).kind == "user"


def main() -> int:
    """Runs a command. Errors that a user can fix are printed with their remedy; a bug keeps its traceback."""
    if now := RENAMED.get(next(iter(sys.argv[1:]), "")):
        typer.echo(
            f"`{sys.argv[1]}` is now `{now}`\n  {shlex.join(['python', '-m', 'flows', now, *sys.argv[2:]])}", err=True
        )
        return MISUSE
    try:
        app(prog_name="python -m flows")
    except RushesError as error:
        return _explain(error, error.exit_status)
    except Exception as error:  # noqa: BLE001  # the last resort: reported as a bug, with its traceback
        if _needs_no_traceback(error):
            return _explain(error, FAILED)
        typer.echo(redact("".join(traceback.format_exception(error))), err=True)
        typer.echo(redact(bug_report(error, __version__)), err=True)
        return FAILED
    return DONE


if __name__ == "__main__":
    sys.exit(main())
