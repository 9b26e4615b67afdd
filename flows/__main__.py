"""What an engineer types: python -m flows nightly, ingest, ladder, rollback, release, up, down, serve, keys ...

Exit status: 0 done, 1 failed, 2 misuse, 3 ran but nothing fits what was asked, 4 another run holds the lock.
"""

from __future__ import annotations

import errno
import os
import re
import sys
import tomllib
from pathlib import Path  # noqa: TC003 - typer reads the annotations
from typing import TYPE_CHECKING, Annotated

import typer
from pydantic import ValidationError
from pydantic_settings import SettingsError

from flows import environment
from flows.lock import LockHeldError
from registry.settings import Settings, load_settings

FAILED, MISUSE, HELD = 1, 2, 4

if TYPE_CHECKING:
    from flows.team import Row

app = typer.Typer(
    help="Rushes, for the engineer: nights, data, the way back, and the servers of a team.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

keys_app = typer.Typer(help="The keys that bundles are signed with.", no_args_is_help=True)
app.add_typer(keys_app, name="keys")

STATUSES = "Exit status: 0 done, 1 failed, 2 misuse, 3 nothing fits, 4 another run holds the lock."
NIGHTLY_EXAMPLES = """Examples:

    python -m flows nightly
    python -m flows nightly --families expression --set expression.train.epochs=3
    python -m flows nightly --set expression.train.epochs=40 --promote
"""
INGEST_EXAMPLES = """Examples:

    python -m flows ingest faces ~/rushes/day-12
    python -m flows ingest faces ~/shoot --layout '{label}/{performer}/*' --source day-12
    python -m flows ingest faces fer2013.csv --votes fer2013new.csv
    python -m flows ingest films ~/rushes/day-12.mov --licence "studio, internal"
    python -m flows ingest scenes ~/location-photos
    python -m flows ingest scripts ~/scripts/the-ferry.fdx
"""
LADDER_EXAMPLES = """Examples:

    python -m flows ladder expression
    python -m flows ladder expression --set expression.budget.max_latency_ms=0.5
"""
ROLLBACK_EXAMPLES = """Examples:

    python -m flows rollback expression --reason "calls every beard angry"
    python -m flows release expression
"""


KEYS_EXAMPLES = """Examples:

    python -m flows keys new keys/studio.pem
    RUSHES_SIGNING__KEY=keys/studio.pem python -m flows nightly
"""
CHECKOUT_EXAMPLES = """Examples:

    python -m flows checkout expression@3
    python -m flows checkout expression@3 --to /tmp/v3
"""


def _wanted(text: str) -> str:
    if not re.fullmatch(r"[a-z][a-z0-9_]*@[1-9][0-9]*", text):
        message = f"{text!r} is no FAMILY@VERSION; for example: expression@3"
        raise typer.BadParameter(message)
    return text


def _words(text: str) -> str:
    if not text.strip():
        message = "say why: those who read the registry later have nothing else"
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
) -> None:
    """Retrain on the data as they are now, prove, compress, register, and promote what is better.

    With --set it is a trial: it runs in a tree of its own, your params.yaml stays as it is, and nothing is promoted
    unless you say --promote.
    """
    from flows.commands import run_nightly  # noqa: PLC0415 - heavy, and --help is not

    names = [name for text in families or [] for name in text.split(",") if name]
    raise typer.Exit(run_nightly(_enter(), _settings(), names, change or [], promote=promote))


@app.command(epilog=f"{INGEST_EXAMPLES}\n{STATUSES}")
def ingest(
    collection: Annotated[str, typer.Argument(help="A collection of params.yaml, such as faces.")],
    path: Annotated[Path, typer.Argument(exists=True, help="A folder, a .csv or a film; it is read, never touched.")],
    *,
    source: Annotated[str | None, typer.Option(help="The name of the source; that of the folder, if left out.")] = None,
    layout: Annotated[str | None, typer.Option(help="How the files lie; found out, if left out.")] = None,
    votes: Annotated[Path | None, typer.Option(exists=True, help="A .csv of votes, such as FER+.")] = None,
    licence: Annotated[str, typer.Option(help="The licence of the data, for those who come later.")] = "",
) -> None:
    """Take data into a collection, give every sample its split, and make a version of it."""
    from flows.commands import run_ingest  # noqa: PLC0415  # heavy, and --help is not

    here, there = path.resolve(), votes.resolve() if votes else None
    root = _enter()
    raise typer.Exit(
        run_ingest(root, _settings(), here, collection, source=source, layout=layout, votes=there, licence=licence)
    )


@app.command(epilog=f"{LADDER_EXAMPLES}\n{STATUSES}")
def ladder(
    family: Annotated[str, typer.Argument(help="A family, such as expression.")],
    change: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="PATH=VALUE", help="Another budget to ask for; may be repeated."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For programs: one object of JSON.")] = False,
) -> None:
    """Tell what the last training can give for a budget: every compressed form of it, and which would be shipped.

    Nothing is trained or written. Exit status 3 where nothing holds the budget.
    """
    from flows.ladder import run_ladder  # noqa: PLC0415 - heavy, and --help is not

    raise typer.Exit(run_ladder(_enter(), _settings(), family, change or [], as_json=as_json))


@app.command(epilog=f"{ROLLBACK_EXAMPLES}\n{STATUSES}")
def rollback(
    family: Annotated[str, typer.Argument(help="A family, such as expression.")],
    reason: Annotated[str, typer.Option(callback=_words, help="Why, for those who read the registry later.")],
) -> None:
    """Bring back the champion before this one, reject this one for good, and put the family on hold."""
    from flows.commands import run_rollback  # noqa: PLC0415  # heavy, and --help is not

    raise typer.Exit(run_rollback(_enter(), _settings(), family, reason))


@app.command(epilog=f"{ROLLBACK_EXAMPLES}\n{STATUSES}")
def release(family: Annotated[str, typer.Argument(help="A family, such as expression.")]) -> None:
    """End the hold of a family: the next night may move its champion again."""
    from flows.commands import run_release  # noqa: PLC0415  # heavy, and --help is not

    raise typer.Exit(run_release(_enter(), _settings(), family))


@app.command(epilog=f"{CHECKOUT_EXAMPLES}\n{STATUSES}")
def checkout(
    wanted: Annotated[str, typer.Argument(metavar="FAMILY@VERSION", callback=_wanted, help="Such as expression@3.")],
    to: Annotated[Path | None, typer.Option(help="The folder; beside the checkout, if left out.")] = None,
) -> None:
    """Lay out the exact code, params and data that a registered version came from, in a worktree of its own."""
    from flows.commands import run_checkout  # noqa: PLC0415  # heavy, and --help is not

    family, _, version = wanted.partition("@")
    there = to.absolute() if to else None
    raise typer.Exit(run_checkout(_enter(), _settings(), family, int(version), there))


@app.command(epilog="Example:\n\n    python -m flows up\n")
def up() -> None:
    """Start Prefect, MLflow and the scheduler in the background, and wait until they answer. May be said twice."""
    from flows import team  # noqa: PLC0415  # heavy, and --help is not

    root, settings = _enter(), _settings()
    state = environment.settle(root, settings)
    typer.echo("starting what is not there yet; the first time takes up to a minute ...", err=True)
    _print_rows(team.up(settings, state))
    typer.echo(f"logs     {settings.state}/logs\nstop     make down\nlook     make status")


@app.command(epilog="Examples:\n\n    python -m flows down\n    python -m flows down --force\n")
def down(
    force: Annotated[bool, typer.Option("--force", help="Stop a night that is under way as well.")] = False,
) -> None:
    """Stop what `up` has started, and only that."""
    from flows import team  # noqa: PLC0415  # heavy, and --help is not

    root, settings = _enter(), _settings()
    stopped = team.down(environment.settle(root, settings), force=force)
    typer.echo(f"stopped: {', '.join(stopped)}" if stopped else "nothing of ours was running")


@app.command(epilog="Example:\n\n    python -m flows status\n")
def status() -> None:
    """Tell what runs where, how the last night went, which versions are in use, and what is on hold."""
    from flows import team  # noqa: PLC0415  # heavy, and --help is not

    root, settings = _enter(), _settings()
    state = environment.settle(root, settings)
    _print_rows(team.look(settings, state))
    typer.echo("\n".join(team.news(settings, state)))


@app.command(epilog="Example:\n\n    PREFECT_API_URL=http://127.0.0.1:4200/api python -m flows serve\n")
def serve() -> None:
    """Serve the nightly to Prefect by the schedule of the settings, until stopped. `up` does this in the background."""
    from flows.commands import run_serve  # noqa: PLC0415  # heavy, and --help is not

    raise typer.Exit(run_serve(_enter(), _settings()))


@keys_app.command("new", epilog=f"{KEYS_EXAMPLES}\n{STATUSES}")
def keys_new(
    path: Annotated[Path, typer.Argument(metavar="PATH", help="Where the private key goes, such as keys/studio.pem.")],
) -> None:
    """Make a pair of keys: the private one signs what is registered here, the public one is trusted on set."""
    from registry.signing import new_pair  # noqa: PLC0415  # heavy, and --help is not

    private = path.absolute()
    public, name = new_pair(private, environment.checkout())
    typer.echo(f"private  {private}   (stays here; in settings.toml, under [signing]: key = {str(private)!r})")
    typer.echo(f"public   {public}   (for the laptops on set: rushes pull ... --trust {public.name})")
    typer.echo(f"called   {name}")


def _enter() -> Path:
    """The checkout, as the working folder: settings.toml, params.yaml and DVC are looked for there."""
    root = environment.checkout()
    os.chdir(root)
    return root


def _settings() -> Settings:
    """The settings, or exit status 2 with the words that mend them."""
    try:
        return load_settings()
    except tomllib.TOMLDecodeError as error:
        typer.echo(f"settings.toml is no TOML: {error}", err=True)
    except SettingsError as error:
        typer.echo(f"settings: {error}", err=True)
    except ValidationError as error:
        for fault in error.errors():
            name = ".".join(str(part) for part in fault["loc"])
            typer.echo(f"settings: {name}: {fault['msg']}, not {fault['input']!r}", err=True)
    typer.echo("  settings.example.toml has every setting; RUSHES_... in the environment goes before it", err=True)
    raise typer.Exit(MISUSE)


def _print_rows(rows: list[Row]) -> None:
    for row in rows:
        pid = f"process {row.pid}" if row.pid else ""
        words = "  ".join(word for word in (row.url, pid, row.note) if word)
        typer.echo(f"{row.name:<10} {row.state:<16} {words}".rstrip())


def _explain(error: Exception, status: int) -> int:
    remedy = getattr(error, "remedy", "")
    typer.echo(f"{error}" + (f"\n  {remedy}" if remedy else ""), err=True)
    return status


def _is_told_enough(error: Exception) -> bool:
    """A disk that is full, a server that went away: nobody wants a traceback of those."""
    return isinstance(error, ConnectionError) or (isinstance(error, OSError) and error.errno == errno.ENOSPC)


def main() -> int:
    """Runs a command; what goes wrong is said in words, with what to do about it."""
    try:
        app(prog_name="python -m flows")
    except LockHeldError as error:
        return _explain(error, HELD)
    except Exception as error:
        if not hasattr(error, "remedy") and not _is_told_enough(error):
            raise
        return _explain(error, getattr(error, "status", FAILED))
    return 0


if __name__ == "__main__":
    sys.exit(main())
