"""Commands for registered versions: rollback, release, checkout."""

from __future__ import annotations

import re
from pathlib import Path  # noqa: TC003 - typer reads the annotations
from typing import Annotated

import typer

from flows.cli.app import context


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


def rollback(
    family: Annotated[str, typer.Argument(help="A family, such as expression.")],
    reason: Annotated[str, typer.Option(callback=_words, help="The reason, for later readers of the registry.")],
) -> None:
    """Restore the previous champion, reject this one for good, and put the family on hold."""
    from flows.cli.commands import run_rollback  # noqa: PLC0415  # heavy, and --help is not

    raise typer.Exit(run_rollback(context.enter(), context.read_settings(), family, reason))


def release(family: Annotated[str, typer.Argument(help="A family, such as expression.")]) -> None:
    """End the hold of a family: the next run may move its champion again."""
    from flows.cli.commands import run_release  # noqa: PLC0415  # heavy, and --help is not

    raise typer.Exit(run_release(context.enter(), context.read_settings(), family))


def checkout(
    wanted: Annotated[str, typer.Argument(metavar="FAMILY@VERSION", callback=_wanted, help="Such as expression@3.")],
    to: Annotated[Path | None, typer.Option(help="The folder; beside the checkout, if left out.")] = None,
) -> None:
    """Check out the exact code, params and data that a registered version came from, in a worktree of its own."""
    from flows.cli.commands import run_checkout  # noqa: PLC0415  # heavy, and --help is not

    family, _, version = wanted.partition("@")
    there = to.absolute() if to else None
    raise typer.Exit(run_checkout(context.enter(), context.read_settings(), family, int(version), there))
