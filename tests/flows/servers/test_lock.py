import json
import os
import socket
import subprocess
import sys
import threading
from contextlib import contextmanager

import psutil
import pytest

from common.settings import Settings
from flows.servers import lock as module
from flows.servers.lock import LockHeldError, holder, run_lock
from registry.subprocesses import is_alive
from tests.support.processes import kill_all
from tests.support.repos import ROOT

# A run: takes the lock, starts a child, prints both process ids, and lives until its standard input closes.
RUN = """
import subprocess, sys
from pathlib import Path
from flows.servers.lock import run_lock
with run_lock(Path(sys.argv[1]), "nightly") as held:
    code = sys.argv[2]
    fds = (held.fd,) if sys.argv[3] in ("inherits", "unmarked") else ()
    pipes = {"stdout": subprocess.PIPE, "stdin": subprocess.DEVNULL}
    pipes |= {"env": {}} if sys.argv[3] == "unmarked" else {}
    child = subprocess.Popen([sys.executable, "-c", code], pass_fds=fds, **pipes)
    child.stdout.readline()
    print(child.pid, flush=True)
    sys.stdin.read()
    if sys.argv[4:] == ["leaves"]:
        print(child.pid, flush=True)
        raise SystemExit
    child.kill()
"""
# A killed run with a slow thread: the child ends, and a moment later the thread does.
DYING = """
import ctypes, os, platform, subprocess, sys, threading, time
from pathlib import Path
from flows.servers.lock import run_lock
held = run_lock(Path(sys.argv[1]), "nightly")
held.__enter__()
child = subprocess.Popen([sys.executable, "-c", sys.argv[2]], stdout=subprocess.PIPE)
child.stdout.readline()
print(child.pid, flush=True)
def linger():
    child.wait()
    sys.stdin.read()
    os._exit(0)
threading.Thread(target=linger).start()
EXIT = {"x86_64": 60, "aarch64": 93}[platform.machine()]
ctypes.CDLL(None).syscall(EXIT, 0)  # of this thread alone
"""
SLEEPS = "print(1, flush=True); import time; time.sleep(600)"
STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); " + SLEEPS


@contextmanager
def a_run(state, code=SLEEPS, *how):
    """A real run in a separate process, and its child."""
    words = [sys.executable, "-c", RUN, state, code, *(how or ("inherits",))]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(words, cwd=ROOT, **pipes) as run:
        child = psutil.Process(int(run.stdout.readline()))
        try:
            yield run, child
        finally:
            run.kill()
            kill_all([child])


@contextmanager
def a_dying_run(state, code):
    """A run whose first thread has ended before another, as in a killed process for a moment; and its child."""
    words = [sys.executable, "-c", DYING, state, code]
    with subprocess.Popen(words, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as run:
        child = psutil.Process(int(run.stdout.readline()))
        leader = psutil.Process(run.pid)
        while leader.status() != psutil.STATUS_ZOMBIE:
            pass
        try:
            yield run, child
        finally:
            run.kill()
            kill_all([child])


def kill(run):
    """Sends SIGKILL, which prevents any cleanup."""
    run.kill()
    run.wait()


def test_second_run_is_refused(tmp_path):
    """A second run reports the holder of the lock, and the command to end it; the first continues."""
    with a_run(tmp_path) as (run, child):
        with (
            pytest.raises(LockHeldError, match=rf"nightly, process {run.pid}, since 20") as refused,
            run_lock(tmp_path, "x"),
        ):
            pass

        assert refused.value.owner.pid == run.pid
        assert refused.value.remedy.startswith(f"kill {run.pid} ")
        assert holder(tmp_path) == refused.value.owner
        assert (run.poll(), is_alive(child)) == (None, True)
        subprocess.run(refused.value.remedy, shell=True, check=True)  # noqa: S602 - as pasted
        run.wait(10)
        with run_lock(tmp_path, "again"):
            assert not is_alive(child)


@pytest.mark.parametrize("how", ["inherits", "does not"])
def test_killed_run(tmp_path, how):
    """Processes of a killed run are ended first, whether they inherited the lock or not; then the lock is taken."""
    with a_run(tmp_path, SLEEPS, how) as (run, child):
        kill(run)
        dead = holder(tmp_path)
        with run_lock(tmp_path, "again") as held:
            owner = holder(tmp_path)

        assert dead is None
        assert not is_alive(child)
        assert [entry.split()[0] for entry in held.ended] == [str(child.pid)]
        assert owner == held.owner


def test_dying_run_is_waited_for(tmp_path, monkeypatch):
    """A process is dead once its last thread is gone: until then it has the lock, and the patience does not count."""
    monkeypatch.setattr(module, "PATIENCE_S", 0.05)
    with a_dying_run(tmp_path, STUBBORN) as (run, child):
        threading.Timer(0.6, run.stdin.close).start()  # while the next run waits, half a second after the child
        with run_lock(tmp_path, "again", grace_s=0.1) as held:
            output = json.loads((tmp_path / "run.lock").read_text())

        assert [entry.split()[0] for entry in held.ended] == [str(child.pid)]
        assert output["pid"] == os.getpid()


def test_dying_run_that_does_not_get_there(tmp_path, monkeypatch):
    """It is named, since it is not dead; the printed command ends it."""
    monkeypatch.setattr(module, "DYING_S", 0.05)
    with a_dying_run(tmp_path, SLEEPS) as (run, _):
        with pytest.raises(LockHeldError, match=rf"leftover of a killed run.*process {run.pid}") as refused:
            run_lock(tmp_path, "x").__enter__()
        subprocess.run(refused.value.remedy, shell=True, check=True)  # noqa: S602 - as pasted
        run.wait(10)
        with run_lock(tmp_path, "again") as held:
            assert held.ended == ()


def test_patience_counts_from_the_end_of_what_was_left(tmp_path, monkeypatch):
    """Ending the servers of a dead run takes longer than the patience; the kernel's moment after it is added."""
    monkeypatch.setattr(module, "PATIENCE_S", 0.3)
    tried = []

    def slow_to_close(fd):
        tried.append(fd)
        return len(tried) > 3 and real(fd)

    real = module._try_lock
    monkeypatch.setattr(module, "_try_lock", slow_to_close)
    with a_run(tmp_path, STUBBORN) as (run, child):
        kill(run)
        with run_lock(tmp_path, "again", grace_s=0.5) as held:
            assert [entry.split()[0] for entry in held.ended] == [str(child.pid)]


def test_dead_run_is_never_named(tmp_path, monkeypatch):
    """A holder of the lock without the run's token is named with its pid instead; after its end the lock is free."""
    monkeypatch.setattr(module, "PATIENCE_S", 0.05)
    with a_run(tmp_path, SLEEPS, "unmarked") as (run, child):
        kill(run)
        with pytest.raises(LockHeldError, match=rf"process {child.pid} ") as refused:
            run_lock(tmp_path, "x").__enter__()
        subprocess.run(refused.value.remedy, shell=True, check=True)  # noqa: S602  # as pasted
        child.wait(10)
        with run_lock(tmp_path, "again") as held:
            assert held.ended == ()

    assert str(run.pid) not in f"{refused.value} {refused.value.remedy}".split()


def test_killed_while_it_ended_what_was_left(tmp_path):
    """A later run ends them: the run that was killed meanwhile has recorded the processes."""
    with a_run(tmp_path, SLEEPS, "does not") as (run, child):
        kill(run)
        dead = json.loads((tmp_path / "run.lock").read_text())
        second = dead | {"pid": 2**22 + 1, "token": "of the second", "clears": [dead["token"]]}
        (tmp_path / "run.lock").write_text(json.dumps(second))
        with run_lock(tmp_path, "third") as held:
            assert [entry.split()[0] for entry in held.ended] == [str(child.pid)]
            assert holder(tmp_path).clears == ()


def test_child_that_will_not_end(tmp_path):
    """A child that ignores SIGTERM is killed after the grace period."""
    with a_run(tmp_path, STUBBORN) as (run, child):
        kill(run)
        with run_lock(tmp_path, "again", grace_s=0.1):
            left = is_alive(child)

    assert not left


def test_released_at_the_end(tmp_path):
    """After the block the lock is free, though a child still has it; the child is not ended."""
    with a_run(tmp_path, SLEEPS, "inherits", "leaves") as (run, child):
        run.stdin.close()
        run.stdout.readline()
        run.wait()
        with run_lock(tmp_path, "again") as held:
            alive = is_alive(child)

        assert (held.ended, alive) == ((), True)
        assert (tmp_path / "run.lock").read_text() == ""


def test_released_by_an_error(tmp_path):
    """An error releases the lock and is propagated."""
    with pytest.raises(ZeroDivisionError), run_lock(tmp_path, "first"):
        print(1 // 0)
    with run_lock(tmp_path, "second") as held:
        output = json.loads((tmp_path / "run.lock").read_text())

    assert (output["command"], output["pid"], held.ended) == ("second", os.getpid(), ())
    assert module.TOKEN not in os.environ


def test_other_process_with_the_same_number(tmp_path):
    """A process with a dead owner's number is neither taken for it nor ended."""
    with a_run(tmp_path) as (run, other), run_lock(tmp_path / "here", "x"):
        owner = {"pid": other.pid, "pgid": os.getpgid(other.pid), "started": other.create_time() - 100.0}
        owner |= {"command": "nightly", "host": socket.gethostname(), "token": "long gone"}
        (tmp_path / "there").mkdir()
        (tmp_path / "there" / "run.lock").write_text(json.dumps(owner))
        dead = holder(tmp_path / "there")
        with run_lock(tmp_path / "there", "y") as held:
            alive = is_alive(other) and run.poll() is None

        assert (dead, held.ended, alive) == (None, (), True)


def test_run_on_another_machine(tmp_path):
    """On a shared disk the owner's machine is named; its processes cannot be queried, so it counts as alive."""
    with a_run(tmp_path) as (run, _):
        owner = json.loads((tmp_path / "run.lock").read_text()) | {"host": "cart-2"}
        (tmp_path / "run.lock").write_text(json.dumps(owner))
        with pytest.raises(LockHeldError, match="on cart-2") as refused, run_lock(tmp_path, "x"):
            pass

        assert refused.value.remedy.startswith(f"ssh cart-2 kill {run.pid}")


def test_owner_that_cannot_be_read(tmp_path, monkeypatch):
    """A lock with an unidentified holder is refused after a moment, and no process is harmed."""
    monkeypatch.setattr(module, "PATIENCE_S", 0.1)
    with a_run(tmp_path) as (run, child):
        (tmp_path / "run.lock").write_text("not json")
        with (
            pytest.raises(LockHeldError, match=rf"unidentified run.*process.*{run.pid} ") as refused,
            run_lock(tmp_path, "x"),
        ):
            pass

        assert refused.value.owner is None
        assert str(run.pid) in refused.value.remedy
        assert (run.poll(), is_alive(child)) == (None, True)


def test_settings_do_not_mind_the_token(tmp_path, monkeypatch):
    """The mark in the environment is not a setting."""
    monkeypatch.delenv("RUSHES_STATE", raising=False)
    with run_lock(tmp_path, "nightly"):
        assert Settings().state.name == ".state"
