"""The options that the commands of the wheel share: which model, and whose models are taken."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

ModelOption = Annotated[
    Path | None,
    typer.Option(
        "--model",
        exists=True,
        file_okay=False,
        metavar="DIR",
        help="A bundle, or where pull put it; newest if left out.",
    ),
]
TrustOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--trust",
        exists=True,
        metavar="KEY.pub|DIR",
        help="Take only models signed by such a key; may be repeated. RUSHES_TRUST if left out.",
    ),
]
UncertifiedOption = Annotated[
    bool, typer.Option("--uncertified", help="Take a model that nothing has been measured of.")
]
