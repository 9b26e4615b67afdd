import json
import os
import socket
import subprocess
import sys
from contextlib import contextmanager

import psutil
import pytest

from flows import lock as module
from flows.lock import LockHeldError, holder, run_lock
from registry.command import is_alive
from registry.settings import Settings
from tests.support.repos import ROOT

# A run: takes the lock, starts a child, says both process ids, and lives until its standard input closes.
RUN = """
import subprocess, sys
from pathlib import Path
from flows.lock import run_lock
with run_lock(Path(sys.argv[1]), "nightly") as held:
    code = sys.argv[2]
    fds = (held.fd,) if sys.argv[3] == "inherits" else ()
    pipes = {"stdout": subprocess.PIPE, "stdin": subprocess.DEVNULL}
    child = subprocess.Popen([sys.executable, "-c", code], pass_fds=fds, **pipes)
    child.stdout.readline()
    print(child.pid, flush=True)
    sys.stdin.read()
    if sys.argv[4:] == ["leaves"]:
        print(child.pid, flush=True)
        raise SystemExit
    child.kill()
"""
SLEEPS = "print(1, flush=True); import time; time.sleep(600)"
STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); " + SLEEPS


@contextmanager
def a_run(state, code=SLEEPS, *how):
    """A real run in a process of its own, and its child."""
    words = [sys.executable, "-c", RUN, state, code, *(how or ("inherits",))]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(words, cwd=ROOT, **pipes) as run:
        child = psutil.Process(int(run.stdout.readline()))
        try:
            yield run, child
        finally:
            run.kill()
            if is_alive(child):
                child.kill()


def kill(run):
    """SIGKILL: it cannot tidy up."""
    run.kill()
    run.wait()


def test_second_run_is_refused(tmp_path):
    """A second run is told who holds the lock, and how to end that; the first goes on."""
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


@pytest.mark.parametrize("how", ["inherits", "does not"])
def test_killed_run(tmp_path, how):
    """What a killed run had started is ended first, whether it inherited the lock or not; then the lock is taken."""
    with a_run(tmp_path, SLEEPS, how) as (run, child):
        kill(run)
        dead = holder(tmp_path)
        with run_lock(tmp_path, "again") as held:
            owner = holder(tmp_path)

        assert dead is None
        assert not is_alive(child)
        assert [entry.split()[0] for entry in held.ended] == [str(child.pid)]
        assert owner == held.owner


def test_child_that_will_not_end(tmp_path):
    """A child that does not heed SIGTERM is killed after the time of grace."""
    with a_run(tmp_path, STUBBORN) as (run, child):
        kill(run)
        with run_lock(tmp_path, "again", grace_s=0.1):
            left = is_alive(child)

    assert not left


def test_released_at_the_end(tmp_path):
    """After the block the lock is free, though a child still has it; the child is left alone."""
    with a_run(tmp_path, SLEEPS, "inherits", "leaves") as (run, child):
        run.stdin.close()
        run.stdout.readline()
        run.wait()
        with run_lock(tmp_path, "again") as held:
            alive = is_alive(child)

        assert (held.ended, alive) == ((), True)
        assert (tmp_path / "run.lock").read_text() == ""


def test_released_by_an_error(tmp_path):
    """An error gives the lock back and goes on."""
    with pytest.raises(ZeroDivisionError), run_lock(tmp_path, "first"):
        print(1 // 0)
    with run_lock(tmp_path, "second") as held:
        said = json.loads((tmp_path / "run.lock").read_text())

    assert (said["command"], said["pid"], held.ended) == ("second", os.getpid(), ())
    assert module.TOKEN not in os.environ


def test_other_process_with_the_same_number(tmp_path):
    """A process that got a dead owner's number is neither taken for it nor ended."""
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
    """On a shared disk the owner's machine is named; nothing can be looked up there, so it counts as alive."""
    with a_run(tmp_path) as (run, _):
        owner = json.loads((tmp_path / "run.lock").read_text()) | {"host": "cart-2"}
        (tmp_path / "run.lock").write_text(json.dumps(owner))
        with pytest.raises(LockHeldError, match="on cart-2") as refused, run_lock(tmp_path, "x"):
            pass

        assert refused.value.remedy.startswith(f"ssh cart-2 kill {run.pid}")


def test_owner_that_cannot_be_read(tmp_path, monkeypatch):
    """A lock that is held by somebody who does not say is refused after a moment, and nobody is harmed."""
    monkeypatch.setattr(module, "PATIENCE_S", 0.1)
    with a_run(tmp_path) as (run, child):
        (tmp_path / "run.lock").write_text("not json")
        with pytest.raises(LockHeldError, match="another run") as refused, run_lock(tmp_path, "x"):
            pass

        assert refused.value.owner is None
        assert (run.poll(), is_alive(child)) == (None, True)


def test_settings_do_not_mind_the_token(tmp_path):
    """The mark in the environment is no setting."""
    with run_lock(tmp_path, "nightly"):
        assert Settings().state.name == ".state"
