"""The command `rushes`: fetch a model, use it. Exit status: 0 done, 1 failed, 2 misuse, 3 nothing fits."""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path  # noqa: TC003  # typer reads the annotations when it runs
from typing import Annotated

import typer

from rushes import __version__, cli_check, cli_scene, cli_write
from rushes.cli_options import ModelOption, TrustOption, UncertifiedOption  # noqa: TC001  # typer reads them when it runs
from rushes.errors import FAILED, RushesError, plain

app = typer.Typer(
    name="rushes",
    help="Rushes on set: models of film-making, retrained every night, run here without PyTorch.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
FAMILY = "expression"
# What a model is good for, once it is here: the command that pull names.
USES = {FAMILY: "rushes capture --show"} | cli_scene.USES | cli_write.USES
TYPER_INTERRUPTED = 130  # what it makes of Ctrl-C, without a word

PULL_EXAMPLES = """\b
Examples:
  rushes pull expression --registry http://night.example:5000
  rushes pull expression@7 --registry http://night.example:5000 --to models
  rushes pull expression --registry http://night.example:5000 --to /media/stick
  rushes pull expression --registry /media/stick --trust studio.pub

\b
The registry may ask for MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN.
Where keys are trusted (--trust, RUSHES_TRUST, or *.pub in the folder trusted/ of your configuration), only what one
of them has signed is taken. A pull that was cut off goes on where it was.

\b
Exit status: 0 done, 1 failed, 2 misuse, 3 no such version.
"""
CAPTURE_EXAMPLES = """\b
Examples:
  rushes capture --show
  rushes capture --source clip.mp4 --save clip-read.mp4 --json clip.jsonl
  rushes capture --model models --source stills
  rushes capture --source 1 | jq -r .expression

\b
A line of JSON a frame: frame, time_s, expression (of the largest face, or null), and faces with box_px, score,
label and probabilities. Exit status: 0 done, 1 failed, 2 misuse, 3 no face in any frame.
"""


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"rushes {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Say which.")] = False,
) -> None:
    pass


@app.command("pull", epilog=PULL_EXAMPLES)
def pull_command(
    name: Annotated[str, typer.Argument(metavar="NAME[@champion|@7]", help="The model, and which of its versions.")],
    registry: Annotated[
        str, typer.Option(metavar="URL|FOLDER", help="Where from; RUSHES_REGISTRY or MLFLOW_TRACKING_URI if left out.")
    ] = "",
    to: Annotated[
        Path | None,
        typer.Option("--to", metavar="DIR", file_okay=False, help="Where to; your data folder if left out."),
    ] = None,
    trust: TrustOption = None,
    uncertified: UncertifiedOption = False,
) -> None:
    """Fetch a model from the registry, and check every file of it, and who signed it."""
    from rushes.pull import pull  # noqa: PLC0415  # imported when used, so that --help is quick
    from rushes.shelf import default_shelf, quoted, usual_registry  # noqa: PLC0415  # for a quick --help
    from rushes.trust import load_trust  # noqa: PLC0415  # for a quick --help

    where, shelf, keys = registry or usual_registry(), to or default_shelf(), load_trust(trust)
    pulled = pull(name, where, shelf, _say, keys, uncertified=uncertified)
    version = f"version {pulled.version}" if pulled.version is not None else "without a version"
    how = f"{pulled.fetched} file{'s' if pulled.fetched > 1 else ''} fetched" if pulled.fetched else "was there already"
    typer.echo(f"{pulled.family} {version}, digest {pulled.digest[:12]}: {how}, every hash is right")
    typer.echo(pulled.signature)
    typer.echo(pulled.folder)
    if pulled.family in USES:
        _say(f"use it: {USES[pulled.family]}{'' if to is None else f' --model {quoted(to)}'}")


@app.command("capture", epilog=CAPTURE_EXAMPLES)
def capture_command(
    model: ModelOption = None,
    source: Annotated[
        str, typer.Option(metavar="CLIP|FOLDER|0", help="A clip, a folder of pictures, or a camera.")
    ] = "0",
    show: Annotated[bool, typer.Option("--show", help="Show it in a window; q quits.")] = False,
    save: Annotated[
        Path | None, typer.Option(metavar="OUT.mp4", help="Write a film with the readings drawn in.")
    ] = None,
    json: Annotated[str, typer.Option("--json", metavar="FILE|-", help="Where the lines of JSON go.")] = "-",
    trust: TrustOption = None,
    uncertified: UncertifiedOption = False,
) -> None:
    """Read the expression of each face in a camera, clip or folder."""
    _quiet_libraries()
    from rushes.capture import capture  # noqa: PLC0415  # for a quick --help
    from rushes.detector import BlazeFace  # noqa: PLC0415  # for a quick --help
    from rushes.expression import FaceReader  # noqa: PLC0415  # for a quick --help
    from rushes.shelf import use_model  # noqa: PLC0415  # for a quick --help

    bundle = use_model(model, FAMILY, "capture reads with", trust=trust, uncertified=uncertified)
    detector, reader = BlazeFace(bundle.path("detector")), FaceReader.from_bundle(bundle)
    capture(source, detector, reader, show=show, save=save, json_to=json, say=_say)


app.command("check", epilog=cli_check.CHECK_EXAMPLES)(cli_check.check_command)
app.command("scene", epilog=cli_scene.SCENE_EXAMPLES)(cli_scene.scene_command)
app.command("storyboard", epilog=cli_scene.STORYBOARD_EXAMPLES)(cli_scene.storyboard_command)
app.command("write", epilog=cli_write.WRITE_EXAMPLES)(cli_write.write_command)


def main() -> None:
    """Runs a command. Every error that a user can mend is one line on standard error."""
    try:
        app()
    except RushesError as error:
        _end(error, error.status)
    except SystemExit as leaving:
        if leaving.code == TYPER_INTERRUPTED:
            _end("stopped", FAILED)
        raise
    except OSError as error:  # a full disk, a folder without permission
        _end(": ".join(str(part) for part in (error.filename, error.strerror) if part) or error, FAILED)
    except ValueError as error:  # BundleError is one
        _end(error, FAILED)
    except Exception as error:  # noqa: BLE001  # the last resort: a person on set can do nothing with a traceback
        _end(f"this is a fault of rushes {__version__}, please report it: {type(error).__name__}: {error}", FAILED)


def _end(reason: object, status: int) -> None:
    """Says why, and leaves; RUSHES_DEBUG=1 shows where it happened."""
    if os.environ.get("RUSHES_DEBUG"):
        raise  # noqa: PLE0704  # only called while an exception is handled
    _say(f"rushes: {' '.join(str(reason).split())}")
    sys.exit(status)


def _say(text: str) -> None:
    """One line, whoever wrote the words: a registry, a manifest, the system."""
    with contextlib.suppress(BrokenPipeError):
        typer.echo(plain(text), err=True)


def _quiet_libraries() -> None:
    """OpenCV and FFmpeg write their own warnings about a missing camera; ours says what to do. Before they load."""
    os.environ.setdefault("OPENCV_LOG_LEVEL", "OFF")
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    os.environ.setdefault("QT_LOGGING_RULES", "default.warning=false")  # it misses fonts that no window of ours uses


if __name__ == "__main__":
    main()
