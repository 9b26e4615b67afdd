"""Options and output that several commands of `rushes` share."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Annotated, Literal

import typer

from rushes.errors import plain

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
    Literal["auto", "onnx", "opencv", "litert"], typer.Option(help="What runs the landmark networks.")
]


def log_line(text: str) -> None:
    """Prints one line on standard error; line breaks in it are replaced."""
    with contextlib.suppress(BrokenPipeError):
        typer.echo(plain(text), err=True)


def quiet() -> None:
    """Turns off the warnings of OpenCV and FFmpeg about a missing camera. Must run before they are imported."""
    os.environ.setdefault("OPENCV_LOG_LEVEL", "OFF")
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    os.environ.setdefault("QT_LOGGING_RULES", "default.warning=false")  # it misses fonts that are not used here
