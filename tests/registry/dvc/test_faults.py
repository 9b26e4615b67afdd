"""DVC's refusals, from real commands that stand in each other's way."""

import json
import os
import shutil
import subprocess
import sys
import time
from contextlib import contextmanager

import pytest

from common.settings import Settings
from flows.nightly.failures import stage_error
from registry.dvc import pipeline, versions
from registry.dvc.faults import classify, clear_stale_locks
from registry.dvc.pipeline import PipelineError, StageNode
from registry.dvc.versions import VersionError
from registry.subprocesses import dvc
from tests.support.repos import lay_source

TRAIN = StageNode("train@expression", "train", "expression", "expression", ("clean@faces",))
HOLDS_LOCK = "from dvc.repo import Repo\nwith Repo('.').lock:\n    print('held', flush=True); input()"
WAITS = """
import pathlib, time
pathlib.Path('begun').touch()
while not pathlib.Path('go').exists():
    time.sleep(0.02)
"""


@contextmanager
def lock_held(root):
    """Another DVC holds the lock of the repository."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", HOLDS_LOCK], cwd=root, **pipes) as other:
        other.stdout.readline()
        yield other


CLEAN = StageNode("clean@faces", "clean", "faces", "", ())
DIES = "import os, pathlib\nif pathlib.Path('full').exists():\n    os.kill(os.getpid(), {})\n"


def failure(root, node, tmp_path):
    """The fault of a stage that fails."""
    status = pipeline.reproduce(root, node, os.environ, tmp_path / "log")
    return stage_error(root, node, status, tmp_path / "log").fault


@pytest.mark.slow
@pytest.mark.parametrize("shell", ["/bin/bash", "/bin/sh", ""])
@pytest.mark.parametrize(("number", "words"), [(9, "resumes where it was"), (15, "finished steps are not repeated")])
def test_a_stage_that_was_killed_is_run_again(ran, tmp_path, monkeypatch, number, words, shell):
    """Once there is memory, the same command succeeds; the finished stages keep their outputs.

    Under the shell of a terminal, of cron and of a service without one.
    """
    monkeypatch.setenv("SHELL", shell)
    (ran / "steps/train.py").write_text(DIES.format(number))
    (ran / "full").touch()
    before = (ran / "build/clean/faces/result").stat().st_mtime_ns
    fault = failure(ran, TRAIN, tmp_path)
    (ran / "full").unlink()

    assert fault.remedy.startswith("run again")
    assert words in fault.remedy
    assert pipeline.reproduce(ran, TRAIN, os.environ, tmp_path / "log") == 0
    assert (ran / "build/clean/faces/result").stat().st_mtime_ns == before


@pytest.mark.slow
def test_data_that_a_stage_lacks_are_fetched_by_the_next_run(ran, tmp_path):
    """Its first task pulls them; a new source beside them stays."""
    (ran / "steps/clean.py").write_text("# changed\n")
    shutil.rmtree(ran / "datasets/faces")
    fault = failure(ran, CLEAN, tmp_path)
    lay_source(ran, "scenes/new", starter=False, text="new")
    versions.pull(ran, Settings())

    assert fault.remedy == "make nightly"
    assert pipeline.reproduce(ran, CLEAN, os.environ, tmp_path / "log") == 0
    assert (ran / "datasets/scenes/new/source.json").is_file()


def test_lock_of_another_command(ran, tmp_path):
    """Every access to DVC reports that the fault is another command's, whose, and that it is worth a retry."""
    with lock_held(ran) as other:
        with pytest.raises(PipelineError) as asked:
            pipeline.status(ran, TRAIN)
        with pytest.raises(VersionError) as versioned:
            versions.commit(ran, Settings(), starter=False)
        status = pipeline.reproduce(ran, TRAIN, os.environ, tmp_path / "log")
        ended = stage_error(ran, TRAIN, status, tmp_path / "log")
        subprocess.run(ended.fault.remedy.rpartition("end it: ")[2], shell=True, check=True)  # noqa: S602 - as pasted
        other.wait(10)
        assert versions.commit(ran, Settings(), starter=False)

    output = [str(asked.value), str(versioned.value), str(ended)]
    assert output == [f"another DVC command is running in this checkout: process {other.pid}, {spelt(other)}"] * 3
    assert (asked.value.transient, versioned.value.transient, ended.transient) == (True, True, True)
    assert f"kill {other.pid}" in ended.fault.remedy


def spelt(process):
    """The beginning of its command, as a fault has it."""
    return " ".join(process.args)[:80]


def test_stage_that_another_command_writes(ran, tmp_path):
    """`dvc repro` by hand holds an entry in DVC's table; it is named, and afterwards the stage gets through."""
    (ran / "steps" / "clean.py").write_text(WAITS)
    (ran / "steps" / "train.py").write_text("# other\n")
    words = [sys.executable, "-m", "dvc", "repro", "--single-item", "clean@faces"]
    with subprocess.Popen(words, cwd=ran, stdout=subprocess.DEVNULL) as other:
        while not (ran / "begun").exists():
            time.sleep(0.02)
        status = pipeline.reproduce(ran, TRAIN, os.environ, tmp_path / "log")
        ended = stage_error(ran, TRAIN, status, tmp_path / "log")
        (ran / "go").touch()
    again = pipeline.reproduce(ran, TRAIN, os.environ, tmp_path / "log")

    assert (status, ended.fault.kind, again) == (255, "transient", 0)
    assert f"process {other.pid}" in str(ended)


@pytest.mark.parametrize(
    ("text", "kind", "message"),
    [
        ("ERROR: [Errno 28] No space left on device", "user", "the disk is full"),
        ("OSError: [Errno 30] Read-only file system: '/x/dvc.lock'", "user", "the disk is mounted read-only: /x"),
        ("failed to run: python -m steps train x, exited with -9", "user", "killed (SIGKILL)"),
        ("missing data 'source': datasets/faces", "user", "datasets/faces does not exist"),
        ("'./dvc.lock' is invalid (possible merge conflicts).", "user", "dvc.lock cannot be read"),
        ("failed to run: python -m steps train x, exited with 137", "user", "killed (SIGKILL)"),
        ("failed to run: python -m steps train x, exited with 143", "user", "ended by SIGTERM"),
        ("ERROR: something else, exited with -11", None, None),
        ("ERROR: something else, exited with 139", None, None),
        ("ERROR: something else, exited with 1", None, None),
        ("ERROR: something else, exited with 255", None, None),
    ],
)
def test_words(tmp_path, text, kind, message):
    """Known faults are named; others stay bugs for the caller."""
    fault = classify(tmp_path, text)

    assert (fault and fault.kind) == kind
    assert fault is None or message in fault.message


def rwlock(root, pid, age_s=0.0):
    """Writes DVC's table with one entry, some time ago."""
    path = root / ".dvc" / "tmp" / "rwlock"
    path.write_text(json.dumps({"write": {str(root / "build/clean/faces"): {"pid": pid, "cmd": "dvc repro"}}}))
    os.utime(path, (time.time() - age_s,) * 2)


@pytest.mark.parametrize("how", ["number used again", "zombie", "half written"])
def test_table_of_a_killed_command(ran, how):
    """Entries that a killed DVC has left in its table do not block others."""
    with subprocess.Popen([sys.executable, "-c", "input()" if how == "number used again" else ""], stdin=-1) as other:
        if how == "zombie":
            os.waitid(os.P_PID, other.pid, os.WEXITED | os.WNOWAIT)
        rwlock(ran, other.pid, age_s=60.0 if how == "number used again" else -60.0)
        if how == "half written":
            (ran / ".dvc/tmp/rwlock").write_text('{"write": {')
        before = dvc(ran, "repro", "--single-item", "clean@faces", "--force").returncode
        cleared = clear_stale_locks(ran)
        after = dvc(ran, "repro", "--single-item", "clean@faces", "--force").returncode
        other.communicate()

    assert (before, bool(cleared), after) == (255, True, 0)


def test_table_of_a_command_at_work(ran):
    """An entry of a process that was there when it was written stays."""
    rwlock(ran, os.getpid())

    assert clear_stale_locks(ran) == []
    assert dvc(ran, "repro", "--single-item", "clean@faces", "--force").returncode == 255
