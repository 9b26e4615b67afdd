"""Progress of a long stage on a console that is not a terminal: the newest progress line at intervals.

On a terminal the stage's own output is shown, including its progress bars.
"""

from __future__ import annotations

import re
import threading
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING

from flows.cli.console import print_line
from registry.subprocesses import terminal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

EVERY_S = 30.0
TELLING = re.compile(rb"^.*\b(?:epoch|candidate|picture|frame|work|model) \d+ of \d+\b.*$", re.MULTILINE)
TAIL_BYTES = 65536


@contextmanager
def reported(name: str, log: Path) -> Iterator[None]:
    """Prints the progress of a stage whose output is shown on a terminal anyway: only where there is none."""
    with nullcontext() if terminal() is not None else followed(name, log):
        yield


@contextmanager
def followed(name: str, log: Path) -> Iterator[None]:
    """Prints the progress of a stage every half minute, if it has changed."""
    ended = threading.Event()
    thread = threading.Thread(target=follow, args=(name, log, lambda: ended.wait(EVERY_S)), daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def follow(name: str, log: Path, ended: Callable[[], bool]) -> None:
    """Prints the newest progress line of a stage whenever it changes.

    Args:
        name: Name of the stage.
        log: Its log.
        ended: Waits for a while, and returns whether the stage has ended.
    """
    before = ""
    while not ended():
        line = newest(log)
        if line and line != before:
            print_line(f"  {name}: {line}")
        before = line


def newest(log: Path) -> str:
    """The last progress line of a log; empty if there is none."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - TAIL_BYTES))
            found = TELLING.findall(file.read())
    except OSError:  # it does not exist yet
        return ""
    return found[-1].decode("utf-8", "replace").strip() if found else ""
