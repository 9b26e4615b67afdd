"""What a person sees while a night is under way: a line an act, on standard error; a pipe gets the table alone."""

from __future__ import annotations

import shutil
import sys

import typer

COLOURS = {"ran": "green", "skipped": "bright_black", "failed": "red", "not reached": "yellow"}
WIDTH = 22


def say(text: str) -> None:
    """One line."""
    typer.echo(text, err=True)


def tell(name: str, state: str, why: str, seconds: float) -> None:
    """`  train@expression      ran          data changed: datasets/faces   34 s`."""
    word = typer.style(f"{state:<11}", fg=COLOURS.get(state))
    why = why.removeprefix(f"{state}: ").splitlines()[0] if why else ""
    typer.echo(f"  {name:<{WIDTH}} {word} {why}  {seconds:.1f} s", err=True)


def width() -> int:
    """Columns of the terminal, or enough for a log."""
    return shutil.get_terminal_size((110, 24)).columns if sys.stdout.isatty() else 110
