"""The run lock: one run a tree.

STATE/run.lock is locked (flock) for a whole run, and names its holder in JSON. Child processes inherit the lock, so it
outlives a killed run for as long as any of them runs. However, DVC closes it for the stages that it runs, and a run's
process group is that of its parent (make, a shell, cron). So each run also puts a token into its environment, which
every descendant inherits: it identifies the processes of a dead run, and only those.
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import socket
import time
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import psutil

from registry.subprocesses import end_all, is_alive
from rushes.errors import HELD, UserError

if TYPE_CHECKING:
    from collections.abc import Iterator

NAME = "run.lock"
TOKEN = "_RUSHES_RUN"  # noqa: S105 - an identifier, not a secret
PATIENCE_S = 2.0  # the file is written microseconds after it is locked
DYING_S = 30.0  # a killed process keeps its files open until its last thread has left the kernel
ROUNDS = 3  # of ending leftovers: they may have been starting more


@dataclass(frozen=True)
class Owner:
    """The holder of the lock."""

    pid: int
    pgid: int
    started: float  # seconds since the epoch, of the process: guards against a reused pid
    command: str
    host: str
    token: str  # in the environment of every process of the run
    clears: tuple[str, ...] = ()  # tokens of dead runs whose processes this run is ending

    @property
    def tokens(self) -> set[str]:
        """Tokens of all processes to end once this run is dead."""
        return {self.token, *self.clears}


class LockHeldError(UserError):
    """Raised if another run holds the lock: exit status 4. The message names it; `owner` is None if it is unknown."""

    default_exit_status = HELD

    def __init__(self, message: str, owner: Owner | None, remedy: str) -> None:
        super().__init__(message, remedy)
        self.owner = owner


@dataclass(frozen=True)
class RunLock:
    """The held lock. Pass `fd` to children: `subprocess.Popen(..., pass_fds=(lock.fd,))`."""

    fd: int
    owner: Owner
    ended: tuple[str, ...]  # leftover processes of a dead run that were ended, "PID COMMAND"


@contextmanager
def run_lock(state: Path, command: str, *, grace_s: float = 10.0) -> Iterator[RunLock]:
    """Holds STATE/run.lock for the duration of the block.

    If the previous run was killed and some of its processes still run, they are ended first.

    Args:
        state: The state folder; created if absent.
        command: Description of the run for others, such as "nightly".
        grace_s: Time for a dead run's processes to end before they are killed.

    Raises:
        LockHeldError: Another run holds it.
    """
    state.mkdir(parents=True, exist_ok=True)
    fd = os.open(state / NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)  # never unlinked: two files, two locks
    try:
        ended = _take(fd, grace_s)
        owner, cleared = _enter(fd, command, grace_s)
        os.environ[TOKEN] = owner.token
        try:
            yield RunLock(fd, owner, (*ended, *cleared))
        finally:
            os.environ.pop(TOKEN, None)
            _write(fd, "")
            fcntl.flock(fd, fcntl.LOCK_UN)  # also for children that still have it
    finally:
        os.close(fd)


def holder(state: Path) -> Owner | None:
    """The current holder of the lock; None if there is none, or only remains of a dead run."""
    try:
        fd = os.open(state / NAME, os.O_RDONLY)
    except FileNotFoundError:
        return None
    try:
        owner = _read(fd)
        return owner if owner and _state(owner) != "dead" else None
    finally:
        os.close(fd)


def _take(fd: int, grace_s: float) -> list[str]:
    """Takes the lock; returns the leftover processes of a dead run that were ended for it.

    The patience counts from the moment when there is nothing left to end, since ending may take longer.
    """
    ended: list[str] = []
    rounds, idle_since, before = 0, None, ""
    while not _try_lock(fd):
        owner = _read(fd)
        if owner and _state(owner) == "runs":
            raise _held(owner)
        left = _left_by(owner.tokens) if owner and rounds < ROUNDS else []
        if left:
            ended += _end(left, grace_s)
            rounds, idle_since = rounds + 1, None
            continue
        state = _state(owner) if owner else ""
        # A process that has just died still holds the lock for a moment; that moment starts here.
        idle_since = idle_since if idle_since and state == before else time.monotonic()
        before, patience = state, DYING_S if state == "dying" else PATIENCE_S
        if time.monotonic() - idle_since > patience:
            raise _held_by_others(fd, owner)
        time.sleep(0.02)  # the owner is writing, or the kernel is closing the file
    return ended


def _enter(fd: int, command: str, grace_s: float) -> tuple[Owner, list[str]]:
    """Records us as the owner, then ends processes of a dead owner that do not hold the lock.

    In this order: as long as a dead owner is recorded, a third run cannot know that we are active. If we are killed in
    between, `clears` passes on whose processes may remain.
    """
    dead = _read(fd)
    owner = _me(command, tuple(dead.tokens) if dead else ())
    _write(fd, json.dumps(asdict(owner)))
    ended: list[str] = []
    for _ in range(ROUNDS if dead else 0):
        if not (left := _left_by(set(owner.clears))):
            break
        ended += _end(left, grace_s)
    owner = replace(owner, clears=())
    _write(fd, json.dumps(asdict(owner)))
    return owner, ended


def _try_lock(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _me(command: str, clears: tuple[str, ...]) -> Owner:
    process = psutil.Process()
    return Owner(
        pid=process.pid,
        pgid=os.getpgrp(),
        started=process.create_time(),
        command=command,
        host=socket.gethostname(),
        token=secrets.token_hex(8),
        clears=clears,
    )


def _write(fd: int, text: str) -> None:
    """Replaces the text in one write: a concurrent reader sees the old one, the new one, or invalid JSON."""
    os.pwrite(fd, text.encode(), 0)
    os.ftruncate(fd, len(text.encode()))


def _read(fd: int) -> Owner | None:
    try:
        found = json.loads(os.pread(fd, 65536, 0))
        return Owner(**found | {"clears": tuple(found.get("clears", ()))})
    except (
        json.JSONDecodeError,
        UnicodeDecodeError,
        TypeError,
        AttributeError,
    ):  # empty: released properly; or half written
        return None


def _state(owner: Owner) -> Literal["runs", "dying", "dead"]:
    """State of the owner's process. Dying: its first thread has ended, and others still keep its files open.

    A process on another machine (a shared disk) cannot be examined, and counts as running.
    """
    if owner.host != socket.gethostname():
        return "runs"
    try:
        process = psutil.Process(owner.pid)
        if abs(process.create_time() - owner.started) >= 1.0 or not is_alive(process):
            return "dead"
        return "dying" if process.status() == psutil.STATUS_ZOMBIE else "runs"
    except psutil.NoSuchProcess:
        return "dead"


def _left_by(tokens: set[str]) -> list[psutil.Process]:
    """Processes of dead runs: all that carry one of their tokens, and their children."""
    found: dict[int, psutil.Process] = {}
    ours = {os.getpid(), *(parent.pid for parent in psutil.Process().parents())}
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.pid not in ours and _belongs(process, tokens):
                found |= {one.pid: one for one in [process, *process.children(recursive=True)]}
    return [process for pid, process in found.items() if pid not in ours]


def _belongs(process: psutil.Process, tokens: set[str]) -> bool:
    try:
        return is_alive(process) and process.environ().get(TOKEN) in tokens
    except psutil.AccessDenied:
        return False


def _end(processes: list[psutil.Process], grace_s: float) -> list[str]:
    names = [_spell(process) for process in processes]
    end_all(processes, grace_s)
    return names


def _spell(process: psutil.Process) -> str:
    """Describes a process: `4711 python -m mlflow server ...`."""
    words: list[str] = []
    with suppress(psutil.Error):
        words = process.cmdline() or [process.name()]
    return f"{process.pid} {' '.join(' '.join(words).split())[:80]}".rstrip()


def _held(owner: Owner) -> LockHeldError:
    since = time.strftime("%Y-%m-%d %H:%M", time.localtime(owner.started))
    where = "" if owner.host == socket.gethostname() else f" on {owner.host}"
    message = f"another run holds the lock of this checkout: {owner.command}, process {owner.pid}{where}, since {since}"
    return LockHeldError(
        message, owner, f"{'' if not where else f'ssh {owner.host} '}kill {owner.pid}   # or wait until it ends"
    )


def _held_by_others(fd: int, owner: Owner | None) -> LockHeldError:
    """Error for a lock that is not held by an active run: names the processes that hold it, never a dead one."""
    holders = _holders(fd)
    if not holders:
        message = "the lock of this checkout is held by an unknown process"
        return LockHeldError(message, None, "wait a minute, then run again")
    pids = " ".join(str(process.pid) for process in holders)
    names = "; ".join(_spell(process) for process in holders)
    whose = "a leftover of a killed run" if owner else "an unidentified run"
    message = f"{whose} holds the lock of this checkout: process {names}"
    return LockHeldError(message, None, f"kill {pids}   # kill -9 if they remain; then run again")


def _holders(fd: int) -> list[psutil.Process]:
    """Other processes that hold the lock, by Linux's list of open files; on other systems none can be found."""
    ours = os.fstat(fd)
    return [
        process
        for process in psutil.process_iter()
        if process.pid != os.getpid() and is_alive(process) and _has_lock(process.pid, (ours.st_dev, ours.st_ino))
    ]


def _has_lock(pid: int, file: tuple[int, int]) -> bool:
    with suppress(OSError):
        for entry in _open_files(Path(f"/proc/{pid}/task")):
            with suppress(OSError):
                found, info = entry.stat(), entry.parent.with_name("fdinfo") / entry.name
                if (found.st_dev, found.st_ino) == file and "FLOCK" in info.read_text(encoding="ascii"):
                    return True
    return False


def _open_files(threads: Path) -> list[Path]:
    """Open files of a process, from a thread that is still alive: an ended one lists none."""
    return next((found for thread in threads.iterdir() if (found := list((thread / "fd").iterdir()))), [])
