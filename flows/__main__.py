"""The command line for engineers: python -m flows nightly, ingest, candidates, rollback, release, up, down, keys ...

Exit status: 0 done, 1 failed, 2 misuse, 3 ran but nothing fits what was asked, 4 another run holds the lock.
"""

from __future__ import annotations

import shlex
import sys
import traceback

import typer

from flows.cli.app import data, history, keys, servers, training, versions
from flows.cli.app.help_texts import EXAMPLES, STATUSES
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
for command in (  # in the order of the help
    training.nightly,
    data.ingest,
    training.candidates,
    training.search,
    versions.rollback,
    versions.release,
    versions.checkout,
    data.push,
    history.runs,
    history.compare,
    history.logs,
    training.rayjob,
    servers.up,
    servers.down,
    servers.status,
    servers.serve,
):
    app.command(epilog=f"{EXAMPLES[command.__name__]}\n{STATUSES}")(command)

RENAMED = {"ladder": "candidates"}  # commands of earlier versions


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
