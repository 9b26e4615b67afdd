"""Console output of a run in progress: one line a task, on standard error; standard output gets only the table."""

from __future__ import annotations

import shutil
import sys
from typing import TYPE_CHECKING

import typer

from rushes.redaction import redact

if TYPE_CHECKING:
    from flows.servers.scheduler import ServiceStatus

COLOURS = {"ran": "green", "skipped": "bright_black", "failed": "red", "not reached": "yellow"}
WIDTH = 22


def print_line(text: str) -> None:
    """Prints one line."""
    typer.echo(redact(text), err=True)


def print_stage(name: str, state: str, why: str, seconds: float) -> None:
    """Prints a stage: `  train@expression      ran          data changed: datasets/faces   34 s`."""
    word = typer.style(f"{state:<11}", fg=COLOURS.get(state))
    why = why.removeprefix(f"{state}: ").splitlines()[0] if why else ""
    typer.echo(redact(f"  {name:<{WIDTH}} {word} {why}  {seconds:.1f} s"), err=True)


def width() -> int:
    """Columns of the terminal, or enough for a log."""
    return shutil.get_terminal_size((110, 24)).columns if sys.stdout.isatty() else 110


def print_rows(rows: list[ServiceStatus]) -> None:
    """Prints servers and the schedule, one line each."""
    for row in rows:
        pid = f"process {row.pid}" if row.pid else ""
        words = "  ".join(word for word in (row.url, pid, row.note) if word)
        typer.echo(f"{row.name:<10} {row.state:<16} {words}".rstrip())
