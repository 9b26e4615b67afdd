"""Options and output that several commands of `rushes` share."""

from __future__ import annotations

import contextlib
import itertools
import os
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from typer.core import TyperCommand

from rushes.capture.web.address import PORT
from rushes.errors import MisuseError, plain

ModelOption = Annotated[
    Path | None,
    typer.Option(
        "--model",
        exists=True,
        file_okay=False,
        metavar="DIR",
        help="A bundle or a model store (its newest version); by default your data folder.",
    ),
]
UnitsOption = Annotated[
    str | None,
    typer.Option(
        "--tracking",
        metavar="DIR|NAME[@champion|@7]|mediapipe",
        help="The model that reads units, head and gaze; by default that of your data folder, else MediaPipe's.",
    ),
]
TrustOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--trust",
        exists=True,
        metavar="KEY.pub|DIR",
        help="Take only models signed by this key; may be repeated. By default RUSHES_TRUST.",
    ),
]
UncertifiedOption = Annotated[bool, typer.Option("--uncertified", help="Take a model without a certificate.")]
AllowOlderOption = Annotated[
    bool,
    typer.Option("--allow-older", help="Take a version older than the newest signed one that this machine has seen."),
]
RejectedOption = Annotated[
    bool, typer.Option("--rejected", help="Take a version that was rolled back; commands do not use it by default.")
]
FovOption = Annotated[
    float, typer.Option(min=5, max=150, metavar="DEGREES", help="Vertical field of view of the camera.")
]
BackendOption = Annotated[
    Literal["auto", "onnx", "opencv", "litert"],
    typer.Option(help="What runs the landmark networks; auto: the fastest here."),
]
WebOption = Annotated[
    str | None,
    typer.Option(metavar="[PORT|HOST:PORT]", help=f"Show a page with all of it; by default on port {PORT}, here only."),
]


def refuse_unused(context: typer.Context, used: bool, needs: str, *parameters: str) -> None:
    """Refuses options that would have no effect.

    Args:
        context: That of the command.
        used: True if they have an effect.
        needs: What gives them one, such as `--units`.
        parameters: Names of the command's parameters.

    Raises:
        MisuseError: One was given, and is not used.
    """
    for parameter in context.command.params:
        source = context.get_parameter_source(str(parameter.name))
        is_given = source is not None and source.name == "COMMANDLINE"
        if not used and parameter.name in parameters and is_given:
            message = f"{parameter.opts[0]} has no effect here: add {needs}, or leave it out"
            raise MisuseError(message)


class WebCommand(TyperCommand):
    """A command whose option --web may stand without a value: Typer has no optional values."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:  # noqa: ANN401  # typer brings its own click
        """Adds the default port to a `--web` at the end or before another option."""
        followed = itertools.zip_longest(args, args[1:], fillvalue="-")
        given = [f"--web={PORT}" if word == "--web" and after.startswith("-") else word for word, after in followed]
        return super().parse_args(ctx, given)


def log_line(text: str) -> None:
    """Prints one line on standard error; line breaks in it are replaced.

    Where it cannot be printed, as with `2> capture.log` on a full disk, the command goes on.
    """
    with contextlib.suppress(OSError):
        typer.echo(plain(text), err=True)


def quiet() -> None:
    """Turns off the warnings of OpenCV and FFmpeg about a missing camera. Must run before they are imported."""
    os.environ.setdefault("OPENCV_LOG_LEVEL", "OFF")
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    os.environ.setdefault("QT_LOGGING_RULES", "default.warning=false")  # it misses fonts that are not used here
