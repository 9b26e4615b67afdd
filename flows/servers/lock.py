"""One run a tree: the run lock.

STATE/run.lock is locked (flock) for a whole run, and says in JSON who holds it. Children inherit the lock, so it
outlives a run that was killed, for as long as what it had started goes on; DVC closes it for the stages that it runs,
though, and a run's process group is that of whatever started it (make, a shell, cron). So each run also puts a token
into its environment, which every descendant carries: by it a dead run's processes are found, and nobody else's.
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
TOKEN = "_RUSHES_RUN"  # noqa: S105 - a mark, no secret
PATIENCE_S = 2.0  # between taking the lock and writing into it lie microseconds
DYING_S = 30.0  # a killed process keeps its files open until its last thread has left the kernel
ROUNDS = 3  # of ending what a dead run has left: it may have been starting more


@dataclass(frozen=True)
class Owner:
    """The holder of the lock."""

    pid: int
    pgid: int
    started: float  # seconds since the epoch, of the process: guards against a pid used again
    command: str
    host: str
    token: str  # stands in the environment of every process of the run
    clears: tuple[str, ...] = ()  # tokens of dead runs whose processes this one is ending

    @property
    def tokens(self) -> set[str]:
        """Tokens of all that goes when this run is dead."""
        return {self.token, *self.clears}


class LockHeldError(UserError):
    """Another run holds the lock: exit status 4. The message says who; `owner` is None where that cannot be told."""

    default_exit_status = HELD

    def __init__(self, message: str, owner: Owner | None, remedy: str) -> None:
        super().__init__(message, remedy)
        self.owner = owner


@dataclass(frozen=True)
class RunLock:
    """The lock, held. Hand `fd` on to children: `subprocess.Popen(..., pass_fds=(lock.fd,))`."""

    fd: int
    owner: Owner
    ended: tuple[str, ...]  # processes that a dead run had left and that were ended, "PID COMMAND"


@contextmanager
def run_lock(state: Path, command: str, *, grace_s: float = 10.0) -> Iterator[RunLock]:
    """Holds STATE/run.lock for as long as the block runs.

    Where the run before was killed and something that it started goes on, that is ended first.

    Args:
        state: The folder of state; made if it is not there.
        command: What the run is, for whoever comes second: "nightly".
        grace_s: How long a dead run's processes may take to end when asked; then they are killed.

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
            fcntl.flock(fd, fcntl.LOCK_UN)  # for children that still have it, too
    finally:
        os.close(fd)


def holder(state: Path) -> Owner | None:
    """The present holder of the lock; None where there is none, or only remains of a dead run."""
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
    """Takes the lock and returns what a dead run had left and was ended for it.

    The patience counts from the moment at which there is nothing left to end: ending it may take longer.
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
        # A process that has just died still has the lock for a moment: that moment begins only now.
        idle_since = idle_since if idle_since and state == before else time.monotonic()
        before, patience = state, DYING_S if state == "dying" else PATIENCE_S
        if time.monotonic() - idle_since > patience:
            raise _held_by_others(fd, owner)
        time.sleep(0.02)  # the owner is just writing, or the kernel just closing
    return ended


def _enter(fd: int, command: str, grace_s: float) -> tuple[Owner, list[str]]:
    """Names us as the owner, then ends what a dead owner has left without the lock.

    In this order: while a dead owner is named, a third run cannot tell that we are at work. Should we be killed in
    between, `clears` tells the next run whose processes there may still be.
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
    """Replaces the text in one write: whoever reads meanwhile sees the old one, the new one, or no JSON."""
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
    ):  # empty: let go as it should be; or half written
        return None


def _state(owner: Owner) -> Literal["runs", "dying", "dead"]:
    """State of the owner's process. Dying: its first thread has ended, and others still keep its files open.

    On another machine (a shared disk) nothing can be looked up, so it counts as running.
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
    """Processes left by dead runs: all that carry one of their tokens, and their children."""
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
    """`4711 python -m mlflow server ...`."""
    words: list[str] = []
    with suppress(psutil.Error):
        words = process.cmdline() or [process.name()]
    return f"{process.pid} {' '.join(' '.join(words).split())[:80]}".rstrip()


def _held(owner: Owner) -> LockHeldError:
    since = time.strftime("%Y-%m-%d %H:%M", time.localtime(owner.started))
    where = "" if owner.host == socket.gethostname() else f" on {owner.host}"
    message = f"another run holds the lock of this checkout: {owner.command}, process {owner.pid}{where}, since {since}"
    return LockHeldError(
        message, owner, f"{'' if not where else f'ssh {owner.host} '}kill {owner.pid}   # or wait for its end"
    )


def _held_by_others(fd: int, owner: Owner | None) -> LockHeldError:
    """The lock is held, and not by a run that is at work: names the processes that have it, never a dead one."""
    holders = _holders(fd)
    if not holders:
        message = "the lock of this checkout is held, by whom cannot be seen from here"
        return LockHeldError(message, None, "wait a minute, then run again")
    pids = " ".join(str(process.pid) for process in holders)
    names = "; ".join(_spell(process) for process in holders)
    whose = "what a run that was killed has left" if owner else "another run, which does not say who it is,"
    message = f"{whose} holds the lock of this checkout: process {names}"
    return LockHeldError(message, None, f"kill {pids}   # kill -9, should they stay; then run again")


def _holders(fd: int) -> list[psutil.Process]:
    """Processes other than us that have the lock, as Linux tells of their open files; elsewhere none can be found."""
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
    """Open files of a process, asked of a thread that still has them: one that has ended shows none."""
    return next((found for thread in threads.iterdir() if (found := list((thread / "fd").iterdir()))), [])
