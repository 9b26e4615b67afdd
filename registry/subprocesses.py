"""Git and DVC as commands: their environment, their output, their errors."""

from __future__ import annotations

import codecs
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, TextIO

import psutil

from rushes.redaction import redact

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

# If a hook of git or another tool started this process, these would point git at another tree.
ELSEWHERE = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_COMMON_DIR", "GIT_OBJECT_DIRECTORY", "GIT_PREFIX")
# A tree of another user is read all the same; hooks of the checkout must not affect a record.
CONFIG = {"safe.directory": "*", "core.hooksPath": os.devnull}
# DVC's hints after a stage: they do not apply, since the record contains dvc.lock.
HINTS = re.compile(
    rb"\r?\n?To track the changes with git, run:\s+git add [^\r\n]*\r?\n"
    rb"|\r?\n?To enable auto staging, run:\s+dvc config core\.autostage true\r?\n"
    rb"|Use `dvc push` to send your updates to remote storage\.\r?\n"
)
ESCAPES = re.compile(rb"\x1b\[[0-9;?]*[ -/]*[@-~]")


@dataclass(frozen=True)
class Result:
    """Result of a command; on a terminal `text` has both streams."""

    returncode: int
    text: str
    error: str = ""

    @property
    def output(self) -> str:
        """Both streams."""
        return f"{self.text}\n{self.error}"

    @property
    def reason(self) -> str:
        """The lines that state the error, or the last ones."""
        lines = [line.strip() for line in self.output.splitlines() if line.strip()]
        named = [number for number, line in enumerate(lines) if line.startswith(("ERROR:", "WARNING:"))]
        return redact(" ".join(lines[named[0] :] if named else lines[-3:]))[:1000]


def git(
    root: Path, *words: str, env: Mapping[str, str] | None = None, feed: bytes = b""
) -> subprocess.CompletedProcess[bytes]:
    """Runs git in a tree of any owner, without hooks, prompts or optional locks."""
    command = ["git", "-C", str(root), *words]
    return subprocess.run(
        command, env=git_environment() | dict(env or {}), input=feed, capture_output=True, check=False
    )


def git_environment() -> dict[str, str]:
    """The environment of `git`, with our config in addition to that of the environment (GIT_CONFIG_COUNT)."""
    env = {name: value for name, value in os.environ.items() if name not in ELSEWHERE}
    first = int(env.get("GIT_CONFIG_COUNT", "0") or 0)
    for number, (key, value) in enumerate(CONFIG.items(), first):
        env |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}
    count = str(first + len(CONFIG))
    return env | {"GIT_CONFIG_COUNT": count, "GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}


def dvc(root: Path, *words: str, bars: bool = False) -> Result:
    """Runs DVC's command line and captures its output; with `bars` its progress is shown on a terminal."""
    env, echo = dvc_environment(os.environ), terminal() if bars else None
    if echo is None:
        done = subprocess.run(
            dvc_command(*words),
            cwd=root,
            env=env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        return Result(done.returncode, done.stdout, done.stderr)
    with tempfile.TemporaryFile() as log:
        returncode = follow(dvc_command(*words), root, log, env=env, echo=echo)
        log.seek(0)
        return Result(returncode, log.read().decode("utf-8", "replace"))


def dvc_command(*words: str) -> list[str]:
    """Command for DVC with this interpreter: a bare machine has no `dvc` on its PATH."""
    return [sys.executable, "-m", "dvc", *words]


def dvc_environment(env: Mapping[str, str]) -> dict[str, str]:
    """Environment without telemetry, with this interpreter first in PATH; `python -m` finds the tree it runs in."""
    folders = [str(Path(sys.executable).parent), env.get("PATH", os.defpath)]
    kept = {name: value for name, value in env.items() if name != "PYTHONSAFEPATH" and name not in ELSEWHERE}
    return kept | {"PATH": os.pathsep.join(folders), "DVC_NO_ANALYTICS": "1", "PYTHONUNBUFFERED": "1"}


def without_hints(output: bytes) -> bytes:
    """Output of DVC without its hints on further commands."""
    return HINTS.sub(b"", output)


def terminal() -> TextIO | None:
    """Standard error, if it is a terminal."""
    return sys.stderr if sys.stderr is not None and sys.stderr.isatty() else None


def follow(
    words: Sequence[str],
    root: Path,
    log: BinaryIO,
    *,
    env: Mapping[str, str],
    echo: TextIO | None = None,
    pass_fds: Sequence[int] = (),
) -> int:
    """Runs a command with all its output in `log`, and on `echo` as it comes, including progress bars.

    Without `echo` the log file is the command's own output, so the command may outlive this process. An interrupt ends
    the command and all its children, and is then raised.
    """
    if echo is None:
        return _finish(_start(words, root, env, log.fileno(), pass_fds))
    ours, theirs = os.openpty()  # progress bars are only drawn on a terminal
    try:
        process = _start(words, root, env, theirs, pass_fds)
    finally:
        os.close(theirs)
    reader = threading.Thread(target=_copy, args=(ours, log, echo), daemon=True)
    reader.start()
    try:
        return _finish(process)
    finally:
        reader.join(timeout=2.0)  # a server that the command left behind would keep it open


def _start(
    words: Sequence[str], root: Path, env: Mapping[str, str], out: int, pass_fds: Sequence[int]
) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        words, cwd=root, env=dict(env), stdin=subprocess.DEVNULL, stdout=out, stderr=out, pass_fds=tuple(pass_fds)
    )


def _finish(process: subprocess.Popen[bytes]) -> int:
    try:
        return process.wait()
    except BaseException:
        end(process.pid)
        process.wait()
        raise


def end(*pids: int, grace_s: float = 10.0) -> None:
    """Ends processes and all their children: terminates them, then kills those that remain."""
    family: list[psutil.Process] = []
    for pid in pids:
        with suppress(psutil.NoSuchProcess):
            family += [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    end_all(family, grace_s)


def end_all(processes: Sequence[psutil.Process], grace_s: float) -> None:
    """Asks processes to end, waits `grace_s`, and kills those that remain."""
    for process in processes:
        _signal(process.terminate)
    stubborn = _outlast(processes, grace_s)
    for process in stubborn:
        _signal(process.kill)
    _outlast(stubborn, grace_s)


def is_alive(process: psutil.Process) -> bool:
    """True if the process runs. A zombie has ended (a container may not reap it), unless it still has other threads.

    Those keep its files open, and with them its locks, until they have left the kernel.
    """
    try:
        return process.is_running() and (process.status() != psutil.STATUS_ZOMBIE or process.num_threads() > 1)
    except psutil.NoSuchProcess:
        return False


def _outlast(processes: Sequence[psutil.Process], timeout_s: float) -> list[psutil.Process]:
    """Processes that are still alive when all have ended or the time is up."""
    deadline = time.monotonic() + timeout_s
    while (alive := [process for process in processes if is_alive(process)]) and time.monotonic() < deadline:
        psutil.wait_procs(alive, timeout=0.05)
    return alive


def _signal(send: Callable[[], None]) -> None:
    with suppress(psutil.NoSuchProcess):
        send()


def _copy(source: int, log: BinaryIO, echo: TextIO) -> None:
    """Copies a pseudo-terminal to both outputs; of every redrawn line only the last state goes to the log."""
    line, text_of = b"", codecs.getincrementaldecoder("utf-8")("replace")
    try:
        while chunk := _read(source):
            echo.write(text_of.decode(without_hints(chunk)))
            echo.flush()
            *whole, line = (line + chunk).split(b"\n")
            log.writelines(_last_state(text) + b"\n" for text in whole)
            log.flush()
        log.write(_last_state(line))
        log.flush()
    finally:
        os.close(source)


def _read(source: int) -> bytes:
    try:
        return os.read(source, 65536)
    except OSError:  # Linux raises this when the other side has closed
        return b""


def _last_state(line: bytes) -> bytes:
    return ESCAPES.sub(b"", line).rstrip(b"\r").rsplit(b"\r", 1)[-1].rstrip()
