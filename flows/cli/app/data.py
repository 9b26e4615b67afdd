"""Commands for data: ingest, push."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - typer reads the annotations
from typing import Annotated

import typer

from flows.cli.app import context


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
    your own replace the starter of their collection; faces and takes are added to it. --undo reverts all of it,
    including refused files in quarantine/.
    """
    if undo:
        from flows.cli.commands import run_undo  # noqa: PLC0415  # heavy, and --help is not

        if collection or path:
            message = "--undo takes neither a collection nor a path: it always undoes the last ingest"
            raise typer.BadParameter(message)
        raise typer.Exit(run_undo(context.enter(), context.read_settings()))
    if collection is None or path is None:
        message = "give a collection and the path of the data; for example: ingest faces ~/rushes/day-12"
        raise typer.BadParameter(message)
    from flows.cli.commands import run_ingest  # noqa: PLC0415  # heavy, and --help is not

    here, there = path.resolve(), votes.resolve() if votes else None
    root, settings = context.enter(), context.read_settings()
    raise typer.Exit(
        run_ingest(root, settings, here, collection, source=source, layout=layout, votes=there, licence=licence)
    )


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

    raise typer.Exit(run_push(context.enter(), context.read_settings(), version, verify=verify))
