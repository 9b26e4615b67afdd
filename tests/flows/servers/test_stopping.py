import os
import signal
import subprocess
import sys
import time

import pytest

from tests.support.processes import runs

# A session with a minimal server, stopped during its work.
SCRIPT = """
import sys, time
from pathlib import Path
from flows.servers import servers, stopping
from flows.servers.session import session
from common.settings import Settings

code = "import time; time.sleep(600)"
kind = servers.Kind("mlflow", "MLflow", "registry", "/", lambda *_: [sys.executable, "-c", code], lambda *_: {})
servers.MLFLOW = kind
root = Path(sys.argv[1])
with stopping.stoppable("make nightly"), session(root, Settings(), "nightly") as now:
    now.open([kind])
    (root / "pid").write_text(str(now.servers[0].pid))
    time.sleep(600)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_signal_ends_what_the_run_has_started(tmp_path, number):
    """Its servers end, the lock is free, and the command for another attempt is printed."""
    process = subprocess.Popen([sys.executable, "-c", SCRIPT, str(tmp_path)], stderr=subprocess.PIPE, text=True)
    pid = _wait_for(tmp_path / "pid")
    process.send_signal(number)
    output = process.communicate(timeout=30)[1]

    assert process.returncode == 128 + number
    assert not runs(pid)
    assert "again  make nightly" in output
    assert not (tmp_path / ".state" / "servers" / "mlflow.json").exists()


def test_killed_run_is_cleared_away_by_the_next(tmp_path):
    """SIGKILL leaves a server behind; the next run ends it first."""
    first = subprocess.Popen([sys.executable, "-c", SCRIPT, str(tmp_path)])
    left = _wait_for(tmp_path / "pid")
    first.kill()
    first.wait()
    assert runs(left)
    (tmp_path / "pid").unlink()
    second = subprocess.Popen([sys.executable, "-c", SCRIPT, str(tmp_path)], stderr=subprocess.DEVNULL)
    fresh = _wait_for(tmp_path / "pid")
    second.terminate()
    second.wait(timeout=30)

    assert fresh != left
    assert not runs(left)


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGINT, signal.SIGTERM, signal.SIGUSR1])
def test_signals_that_are_ignored_around_the_tests_arrive_in_them(number):
    """As under nohup, or in the background of a script: they are ignored and blocked in the tests' parent."""

    def disturb():
        signal.signal(number, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_BLOCK, {number})

    code = f"import tests.conftest, os; os.kill(os.getpid(), {int(number)})"
    done = subprocess.run([sys.executable, "-c", code], preexec_fn=disturb, capture_output=True, check=False)

    assert done.returncode == -number


def _wait_for(path):
    until = time.monotonic() + 60
    while not path.exists() or not path.read_text():
        assert time.monotonic() < until
        os.sched_yield()
    return int(path.read_text())
