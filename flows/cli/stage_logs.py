"""`flows logs`: the log of a stage or a server: complete, its end, or as it grows."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from common.commands import python
from flows.nightly.run_history import STATUS_NOT_FOUND, STATUS_OK, find_run
from flows.servers import lock
from rushes.errors import NOTHING_FITS, UserError
from rushes.redaction import redact

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

STAGES = ("clean", "augment", "train", "compress", "evaluate")
POLL_S = 0.3


class NoSuchLogError(UserError):
    """Raised if there is no such log; exit status 3."""

    default_exit_status = NOTHING_FITS


@dataclass(frozen=True)
class Log:
    """A log with its name: `train@expression`, or that of a server: `mlflow`."""

    name: str
    path: Path


def known_logs(root: Path, state: Path, run: str = "") -> list[Log]:
    """Stage logs of the last nightly run, or of the run `run`; then those of servers and of the flow's own tasks."""
    folder = root / "build"
    if run:
        past = find_run(state, run)
        folder = folder if past.nightly.mode == "nightly" else folder / "trials" / past.name
    logs = [path for path in sorted(folder.glob("*/*.log")) if {path.stem, path.parent.name} & {*STAGES}]
    stages = [Log(_stage_name(path, folder), path) for path in logs]
    return stages + [Log(path.stem, path) for path in sorted((state / "logs").glob("*.log"))]


def _stage_name(path: Path, folder: Path) -> str:
    """Stage of a log: `clean@faces` for build/clean/faces.log, `train@expression` for build/expression/train.log."""
    parent, name = path.relative_to(folder).parts[0], path.stem
    return f"{parent}@{name}" if parent in STAGES else f"{name}@{parent}"


def print_logs(root: Path, state: Path, run: str = "") -> int:
    """Lists the available logs."""
    logs = known_logs(root, state, run)
    for log in logs:
        about = log.path.stat()
        when = datetime.fromtimestamp(about.st_mtime, UTC).astimezone()
        path = log.path.relative_to(root) if log.path.is_relative_to(root) else log.path
        print(f"{log.name:<22} {when:%Y-%m-%d %H:%M}  {about.st_size:>9,} bytes  {path}")  # noqa: T201 - a command's output
    if not logs:
        print("no stage has run here yet: make nightly")  # noqa: T201 - the output of a command
    return STATUS_OK if logs else STATUS_NOT_FOUND


def find_log(logs: list[Log], name: str) -> Log:
    """The log of a name; `train` suffices if only one family has such a log.

    Raises:
        NoSuchLogError: There is none, or there are several.
    """
    found = [log for log in logs if log.name == name] or [log for log in logs if name in log.name.split("@")]
    if len(found) == 1:
        return found[0]
    names = ", ".join(log.name for log in (found or logs)) or "none: no stage has run here yet"
    message = f"{name!r} names several logs: {names}" if found else f"there is no log {name!r}; there are {names}"
    raise NoSuchLogError(message, f"{python()} -m flows logs {(found or logs)[0].name}" if logs else "make nightly")


def print_log(log: Log, lines: int = 0) -> int:
    """Prints a log, or its last lines; only the last state of a progress bar is shown, and secrets are hidden."""
    rows = _rows(log.path.read_bytes())
    print("\n".join(rows[-lines:] if lines else rows))  # noqa: T201 - the output of a command
    return STATUS_OK


def follow_log(log: Log, state: Path, *, wait: Callable[[float], None] = time.sleep) -> int:
    """Prints a log as it grows, until the run that holds the lock has ended; without a run, its current content."""
    with log.path.open("rb") as file:
        while True:
            running = lock.holder(state) is not None  # read first, so that the last output is not missed
            if text := file.read():
                sys.stdout.write(redact(text.decode("utf-8", "replace")))
                sys.stdout.flush()
            elif not running:
                return STATUS_OK
            else:
                wait(POLL_S)


def _rows(text: bytes) -> list[str]:
    rows = redact(text.decode("utf-8", "replace")).split("\n")
    return [row.rsplit("\r", 1)[-1].rstrip() for row in rows]
