"""Classification of DVC's errors for commands, stages and versions, and cleanup of locks left by killed commands.

DVC always exits with status 255; only its output distinguishes a lock, which is free again in a minute, from a full
disk or a file with merge markers, which a person has to fix.
"""

from __future__ import annotations

import json
import re
import shlex
import signal
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import psutil

from common.commands import python, set_aside, show_access
from registry.subprocesses import git, is_alive

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

# Frees the cache of objects that no branch, no tagged version and no file here refers to. `--workspace` alone would
# remove the data of every registered version.
FREE_CACHE = f"{python()} -m dvc gc --workspace --all-branches --all-tags"
_LOCKED = re.compile(r"Unable to acquire lock|is busy, it is being blocked by")
_BLOCKER = re.compile(r"\(PID (?P<pid>\d+)\)")
_INVALID = re.compile(r"'(?:\./)?(?P<name>[^'\n]+)' is invalid|unable to read: '(?P<other>[^'\n]+)'")
_MISSING = re.compile(
    r"missing data 'source': (?P<name>[^\n]+)|does not exist: '(?P<dep>[^'\n]+)'"
    r"|failed to reproduce '[^'\n]+': \[Errno 2\] No such file or directory: '(?P<gone>[^'\n]+)'"
)
# Bash becomes the command, which then ends by the signal; dash, cron's shell, waits for it and exits with 128 more.
_KILLED = re.compile(r"exited with (?:-(?P<signal>\d+)|(?P<status>\d+))")
_READ_ONLY = re.compile(r"Read-only file system(?::? '(?P<name>[^'\n]+)')?")
_DENIED = re.compile(r"Permission denied(?::? '(?P<name>[^'\n]+)')?")


@dataclass(frozen=True)
class DvcFault:
    """A fault that stopped DVC."""

    kind: Literal["user", "transient"]
    message: str
    remedy: str

    @property
    def transient(self) -> bool:
        """True if a retry may help."""
        return self.kind == "transient"


def classify(root: Path, output: str) -> DvcFault | None:
    """The fault that DVC's output describes; None if it is not a known one.

    Args:
        root: The tree that DVC worked in.
        output: All its output, or the end of a stage's log.
    """
    return next((fault for judge in _JUDGES if (fault := judge(root, output))), None)


def _locked(root: Path, output: str) -> DvcFault | None:
    if not _LOCKED.search(output):
        return None
    pids = [int(pid) for pid in _BLOCKER.findall(output)] or _holder_of_lock(root)
    holders = [process for pid in dict.fromkeys(pids) if (process := _living(pid))]
    names = "; ".join(f"process {one.pid}, {_command_of(one)}" for one in holders)
    message = f"another DVC command is running in this checkout{f': {names}' if names else ''}"
    ends = f"   # or end it: kill {' '.join(str(one.pid) for one in holders)}" if holders else ""
    return DvcFault("transient", message, f"wait until it has ended, then run again{ends}")


def _full(_root: Path, output: str) -> DvcFault | None:
    if "No space left" not in output and "Disk quota exceeded" not in output:
        return None
    remedy = f"{FREE_CACHE}   # removes what no branch and no registered version needs; or free space yourself"
    return DvcFault("user", "the disk is full", remedy)


def _invalid(root: Path, output: str) -> DvcFault | None:
    match = _INVALID.search(output)
    if match is None:
        return None
    name = match["name"] or match["other"]
    message = f"{name} cannot be read{' (an unfinished merge)' if _has_marks(root / name) else ''}"
    return DvcFault("user", message, restore(root, name))


def _no_git(_root: Path, output: str) -> DvcFault | None:
    if "is not a git repository" not in output:
        return None
    return DvcFault("user", "DVC needs a git repository, and there is none", "git init")


def _unwritable(root: Path, output: str) -> DvcFault | None:
    if match := _READ_ONLY.search(output):
        where = match["name"] or str(root)
        return DvcFault("user", f"the disk is mounted read-only: {where}", show_access(root / where))
    if match := _DENIED.search(output):
        where = match["name"] or str(root)
        return DvcFault("user", f"no permission to use {where}", show_access(root / where))
    return None


def _missing(_root: Path, output: str) -> DvcFault | None:
    if not (match := _MISSING.search(output)):
        return None
    name = match["name"] or match["dep"] or match["gone"]
    return DvcFault("user", f"{name} does not exist, and a stage reads it", "make nightly")


def _killed(_root: Path, output: str) -> DvcFault | None:
    if not (match := _KILLED.search(output)):
        return None
    number = int(match["signal"] or int(match["status"]) - 128)
    known = number in set(signal.Signals)
    if not known and match["status"]:
        return None
    name = signal.Signals(number).name if known else f"signal {number}"
    if number != signal.SIGKILL:
        return None if number in (signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS) else _ended_by(name)
    message = f"the stage's process was killed ({name}): by a person, or by the system because the memory ran out"
    return DvcFault("user", message, "run again: it resumes where it was   # the system's log: dmesg | tail")


def _ended_by(name: str) -> DvcFault:
    return DvcFault("user", f"the stage's process was ended by {name}", "run again: finished steps are not repeated")


_JUDGES: tuple[Callable[[Path, str], DvcFault | None], ...] = (
    _locked,
    _full,
    _invalid,
    _no_git,
    _unwritable,
    _missing,
    _killed,
)


def restore(root: Path, name: str) -> str:
    """Command that sets an unreadable file aside, and restores HEAD's version if there is one.

    It goes where git ignores it: beside the original, a copy with passwords would become part of the next record.
    """
    away = set_aside([name], root)
    return f"{away} && git checkout HEAD -- {shlex.quote(name)}" if is_committed(root, name) else away


def is_committed(root: Path, name: str) -> bool:
    """True if HEAD has a file."""
    return not git(root, "cat-file", "-e", f"HEAD:{name}").returncode


def clear_stale_locks(root: Path) -> list[str]:
    """Removes entries of killed commands from DVC's table of locks.

    DVC itself removes entries of processes that do not exist. It keeps those whose pid now belongs to another process
    and those of zombies that nobody reaps (in a container), and fails permanently if the table was being written.

    Args:
        root: The tree; no DVC command of ours may be running in it.

    Returns:
        The removed entries.
    """
    path = root / ".dvc" / "tmp" / "rwlock"
    try:
        text, written = path.read_text(encoding="utf-8"), path.stat().st_mtime
    except (OSError, UnicodeDecodeError):
        return []
    try:
        table = json.loads(text)
        kept, gone = _without_dead(table, written)
    except (json.JSONDecodeError, AttributeError, KeyError, TypeError):
        path.unlink(missing_ok=True)
        return ["an unreadable table"]
    if gone:
        part = path.with_name("rwlock.part")
        part.write_text(json.dumps(kept), encoding="utf-8")
        part.replace(path)
    return gone


def _without_dead(table: dict[str, Any], written: float) -> tuple[dict[str, Any], list[str]]:
    """DVC's table of locks without the entries of dead processes, and the paths that those locked."""
    writers, readers = dict(table.get("write", {})), dict(table.get("read", {}))
    write = {path: entry for path, entry in writers.items() if _holds(entry["pid"], written)}
    read = {path: [entry for entry in entries if _holds(entry["pid"], written)] for path, entries in readers.items()}
    gone = [path for path in writers if path not in write]
    gone += [path for path, entries in readers.items() if len(entries) > len(read[path])]
    return {"write": write, "read": {path: entries for path, entries in read.items() if entries}}, gone


def _holds(pid: int, written: float) -> bool:
    """True if the process that wrote the entry can still be running: one that started later has a reused pid."""
    process = _living(pid)
    return process is not None and process.create_time() <= written + 1.0


def _holder_of_lock(root: Path) -> list[int]:
    """The process in DVC's repository lock file, which contains its pid."""
    with suppress(OSError, ValueError):
        return [int((root / ".dvc" / "tmp" / "lock").read_text(encoding="utf-8"))]
    return []


def _living(pid: int) -> psutil.Process | None:
    with suppress(psutil.Error):
        process = psutil.Process(pid)
        return process if is_alive(process) else None
    return None


def _command_of(process: psutil.Process) -> str:
    with suppress(psutil.Error):
        return " ".join(process.cmdline())[:80]
    return "which has just ended"


def _has_marks(path: Path) -> bool:
    with suppress(OSError):
        return any(line.startswith((b"<<<<<<<", b">>>>>>>")) for line in path.read_bytes().splitlines())
    return False
