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
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import psutil

from registry.command import end_all, is_alive

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NAME = "run.lock"
TOKEN = "_RUSHES_RUN"  # noqa: S105 - a mark, no secret
PATIENCE_S = 2.0  # between taking the lock and writing into it lie microseconds


@dataclass(frozen=True)
class Owner:
    """Who holds the lock."""

    pid: int
    pgid: int
    started: float  # seconds since the epoch, of the process: guards against a pid used again
    command: str
    host: str
    token: str  # stands in the environment of every process of the run


class LockHeldError(RuntimeError):
    """Another run holds the lock: exit status 4. The message says who; `owner` is None where that cannot be told."""

    def __init__(self, message: str, owner: Owner | None, remedy: str) -> None:
        super().__init__(message)
        self.owner = owner
        self.remedy = remedy


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
        owner = _me(command)
        _write(fd, json.dumps(asdict(owner)))
        os.environ[TOKEN] = owner.token
        try:
            yield RunLock(fd, owner, tuple(ended))
        finally:
            os.environ.pop(TOKEN, None)
            _write(fd, "")
            fcntl.flock(fd, fcntl.LOCK_UN)  # for children that still have it, too
    finally:
        os.close(fd)


def holder(state: Path) -> Owner | None:
    """Who holds the lock now; None where nobody does, or only what a dead run has left."""
    try:
        fd = os.open(state / NAME, os.O_RDONLY)
    except FileNotFoundError:
        return None
    try:
        owner = _read(fd)
        return owner if owner and _lives(owner) else None
    finally:
        os.close(fd)


def _take(fd: int, grace_s: float) -> list[str]:
    """Takes the lock, and ends what a dead owner has left; what was ended is returned."""
    ended: list[str] = []
    deadline = time.monotonic() + PATIENCE_S
    while not _try_lock(fd):
        owner = _read(fd)
        if owner and _lives(owner):
            raise _held(owner)
        left = _left_by(owner) if owner else []
        ended += _end(left, grace_s)
        if not left and time.monotonic() > deadline:
            raise _held(owner)
        time.sleep(0.02)  # the owner is just writing, or the kernel just closing
    ended += _end(_left_by(owner), grace_s) if (owner := _read(fd)) else []
    return ended


def _try_lock(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _me(command: str) -> Owner:
    process = psutil.Process()
    return Owner(
        pid=process.pid,
        pgid=os.getpgrp(),
        started=process.create_time(),
        command=command,
        host=socket.gethostname(),
        token=secrets.token_hex(8),
    )


def _write(fd: int, text: str) -> None:
    os.ftruncate(fd, 0)
    os.pwrite(fd, text.encode(), 0)


def _read(fd: int) -> Owner | None:
    try:
        return Owner(**json.loads(os.pread(fd, 65536, 0)))
    except (ValueError, TypeError):  # empty: let go as it should be; or half written
        return None


def _lives(owner: Owner) -> bool:
    """On another machine (a shared disk) nothing can be looked up, so it counts as alive."""
    if owner.host != socket.gethostname():
        return True
    try:
        process = psutil.Process(owner.pid)
        return abs(process.create_time() - owner.started) < 1.0 and is_alive(process)
    except psutil.NoSuchProcess:
        return False


def _left_by(owner: Owner) -> list[psutil.Process]:
    """What a dead run has left: all that carry its token, and what those have started."""
    found: dict[int, psutil.Process] = {}
    ours = {os.getpid(), *(parent.pid for parent in psutil.Process().parents())}
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.pid not in ours and _belongs(process, owner):
                found |= {one.pid: one for one in [process, *process.children(recursive=True)]}
    return [process for pid, process in found.items() if pid not in ours]


def _belongs(process: psutil.Process, owner: Owner) -> bool:
    try:
        return is_alive(process) and process.environ().get(TOKEN) == owner.token
    except psutil.AccessDenied:
        return False


def _end(processes: list[psutil.Process], grace_s: float) -> list[str]:
    names = []
    for process in processes:
        with suppress(psutil.Error):
            names.append(f"{process.pid} {' '.join(process.cmdline())[:80]}")
    end_all(processes, grace_s)
    return names


def _held(owner: Owner | None) -> LockHeldError:
    if owner is None:
        return LockHeldError("another run holds the lock of this checkout", None, "make status")
    since = time.strftime("%Y-%m-%d %H:%M", time.localtime(owner.started))
    where = "" if owner.host == socket.gethostname() else f" on {owner.host}"
    message = f"another run holds the lock of this checkout: {owner.command}, process {owner.pid}{where}, since {since}"
    return LockHeldError(
        message, owner, f"{'' if not where else f'ssh {owner.host} '}kill {owner.pid}   # or wait for its end"
    )
