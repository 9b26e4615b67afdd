"""The command `rushes`: fetches a model and uses it. Exit status: 0 done, 1 failed, 2 misuse, 3 nothing fits."""

from __future__ import annotations

import os
import sys
from pathlib import Path  # noqa: TC003  # typer reads the annotations when it runs
from typing import Annotated

import typer

from rushes import __version__
from rushes.cli import (
    calibrate_command,
    capture_command,
    check_command,
    faces_command,
    list_command,
    pin_command,
    retarget_command,
    scene_commands,
    write_command,
)
from rushes.cli.options import (  # typer reads them when it runs
    AllowOlderOption,
    RejectedOption,
    TrustOption,
    UncertifiedOption,
    WebCommand,
    log_line,
)
from rushes.errors import FAILED, RushesError, bug_report

app = typer.Typer(
    name="rushes",
    help="Rushes on set: fetch and use models that are retrained nightly. Runs without PyTorch.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
FAMILY = "expression"
# The command that `pull` prints for a family.
USES = {FAMILY: "rushes capture --show"} | scene_commands.USES | write_command.USES
TYPER_INTERRUPTED = 130  # exit status of typer after Ctrl-C; it prints nothing

PULL_EXAMPLES = """\b
Examples:
  rushes pull expression --registry http://models.example:5000
  rushes pull expression@7 --registry http://models.example:5000 --to models
  rushes pull expression --registry http://models.example:5000 --to /media/stick
  rushes pull expression --registry /media/stick --trust studio.pub

\b
A registry with a login reads MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN.
With trusted keys (--trust, RUSHES_TRUST, or *.pub in the folder trusted/ of your configuration), pull takes only
models signed by one of them, and none older than this machine has seen (--allow-older). It takes no version that
was rolled back (--rejected). An interrupted pull resumes. It stops after an hour; after 15 s without data, twice;
below 256 bytes a second over 30 s; and when a response or a file is larger than allowed.

\b
Exit status: 0 done, 1 failed, 2 misuse, 3 no such version.
"""


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"rushes {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


@app.command("pull", epilog=PULL_EXAMPLES)
def pull_command(
    name: Annotated[str, typer.Argument(metavar="NAME[@champion|@7]", help="The model, and its version or alias.")],
    registry: Annotated[
        str, typer.Option(metavar="URL|FOLDER", help="Registry; by default RUSHES_REGISTRY or MLFLOW_TRACKING_URI.")
    ] = "",
    to: Annotated[
        Path | None,
        typer.Option("--to", metavar="DIR", file_okay=False, help="Model store; by default your data folder."),
    ] = None,
    trust: TrustOption = None,
    uncertified: UncertifiedOption = False,
    allow_older: AllowOlderOption = False,
    rejected: RejectedOption = False,
) -> None:
    """Fetch a model from a registry and check its files and signature."""
    from rushes.bundle.signature import load_trust  # noqa: PLC0415  # for a quick --help
    from rushes.pull.pull import pull  # noqa: PLC0415  # imported when used, so that --help is quick
    from rushes.store.store import default_store, quoted, usual_registry  # noqa: PLC0415  # for a quick --help
    from rushes.store.swap_backs import forget_swap_backs  # noqa: PLC0415  # for a quick --help

    where, store, keys = registry or usual_registry(), to or default_store(), load_trust(trust)
    pulled = pull(
        name, where, store, log_line, keys, uncertified=uncertified, allow_older=allow_older, rejected=rejected
    )
    forget_swap_backs(pulled.folder.parent, pulled.digest)
    version = f"version {pulled.version}" if pulled.version is not None else "without a version"
    how = f"{pulled.fetched} file{'s' if pulled.fetched > 1 else ''} fetched" if pulled.fetched else "was there already"
    typer.echo(f"{pulled.family} {version}, digest {pulled.digest[:12]}: {how}, every hash is right")
    typer.echo(pulled.signature)
    typer.echo(pulled.folder)
    if pulled.family in USES:
        model = to if pulled.is_newest else pulled.folder
        log_line(f"use it: {USES[pulled.family]}{'' if model is None else f' --model {quoted(model)}'}")


app.command("calibrate", cls=WebCommand, epilog=calibrate_command.CALIBRATE_EXAMPLES)(
    calibrate_command.calibrate_command
)
app.command("capture", cls=WebCommand, epilog=capture_command.CAPTURE_EXAMPLES)(capture_command.capture_command)
app.command("check", epilog=check_command.CHECK_EXAMPLES)(check_command.check_command)
app.command("faces", epilog=faces_command.FACES_EXAMPLES)(faces_command.faces_command)
app.command("list", epilog=list_command.LIST_EXAMPLES)(list_command.list_command)
app.command("pin", epilog=pin_command.PIN_EXAMPLES)(pin_command.pin_command)
app.command("retarget", epilog=retarget_command.RETARGET_EXAMPLES)(retarget_command.retarget_command)
app.command("scene", epilog=scene_commands.SCENE_EXAMPLES)(scene_commands.scene_command)
app.command("storyboard", epilog=scene_commands.STORYBOARD_EXAMPLES)(scene_commands.storyboard_command)
app.command("write", epilog=write_command.WRITE_EXAMPLES)(write_command.write_command)


def main() -> None:
    """Runs a command. An error is one line on standard error."""
    try:
        app()
    except RushesError as error:
        _end(error.full_message, error.exit_status)
    except SystemExit as leaving:
        if leaving.code == TYPER_INTERRUPTED:
            _end("stopped", FAILED)
        raise
    except OSError as error:  # a full disk, a folder without permission
        _end(": ".join(str(part) for part in (error.filename, error.strerror) if part) or error, FAILED)
    except Exception as error:  # noqa: BLE001  # a person on set cannot use a traceback
        _end(bug_report(error, __version__), FAILED)


def _end(reason: object, status: int) -> None:
    """Prints the reason and exits; with RUSHES_DEBUG=1 raises the error with its traceback."""
    if os.environ.get("RUSHES_DEBUG"):
        raise  # noqa: PLE0704  # only called while an exception is handled
    log_line(f"rushes: {' '.join(str(reason).split())}")
    sys.exit(status)


if __name__ == "__main__":
    main()
