"""The command `rushes pin`: fixes the version of a family that commands use by default."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003  # typer reads the annotations when it runs
from typing import Annotated

import typer

from rushes.errors import MisuseError, NothingFitsError

PIN_EXAMPLES = """\b
Examples:
  rushes pin expression@3
  rushes pin expression
  rushes pin --remove expression
  rushes pin expression@3 --model /media/stick

\b
Until it is removed, commands use this version of the family, and `rushes capture --registry` follows no alias. Without
a version, the one in use is pinned. Another version can still be named by its number or its folder.
Exit status: 0 done, 1 failed, 2 misuse, 3 no such version, or no pin to remove.
"""


def pin_command(
    name: Annotated[str, typer.Argument(metavar="NAME[@champion|@7]", help="The model, and its version or alias.")],
    remove: Annotated[bool, typer.Option("--remove", help="Remove the pin of this family.")] = False,
    model: Annotated[
        Path | None,
        typer.Option(
            "--model", exists=True, file_okay=False, metavar="DIR", help="Model store; by default your data folder."
        ),
    ] = None,
) -> None:
    """Fix a version of a model for a shoot: later versions are pulled, but not used."""
    from rushes.loading import find_named  # noqa: PLC0415  # for a quick --help
    from rushes.pull.selection import parse_wanted  # noqa: PLC0415  # for a quick --help
    from rushes.store.store import (  # noqa: PLC0415  # for a quick --help
        PINNED,
        default_store,
        pin_of,
        point,
        stored_bundles,
    )

    asked, store = parse_wanted(name), model or default_store()
    if remove:
        if not pin_of(store / asked.name):
            message = f"{asked.name} is not pinned in {store}"
            raise NothingFitsError(message)
        (store / asked.name / PINNED).unlink(missing_ok=True)
        typer.echo(f"{asked.name} is not pinned any more")
        return
    folder = find_named(name, store)
    if folder not in {one.folder for one in stored_bundles(store / asked.name)}:
        message = f"{folder} is not in a model store, where versions are pinned: name the store with --model"
        raise MisuseError(message)
    point(folder.parent, PINNED, folder)
    typer.echo(f"{asked.name} is pinned to {folder.name}")
