import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from rushes import output_files
from rushes.errors import MisuseError, UserError
from rushes.output_files import check_out, open_alone, save


def test_an_output_that_cannot_be_written_is_refused_before_the_work(tmp_path):
    """A folder, a missing folder and an unknown ending each have their own message."""
    (tmp_path / "a.png").mkdir()
    for path, fault in (("a.png", "is a folder"), ("no/b.png", "does not exist"), ("c.gif", r"must end in \.png")):
        with pytest.raises(MisuseError, match=fault):
            check_out(tmp_path / path, (".png", ".jpg"))
    check_out(tmp_path / "d.PNG", (".png", ".jpg"))


def test_a_file_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    """The earlier file is kept when the disk is full, and no temporary file is left."""
    (tmp_path / "a.png").write_bytes(b"before")

    def full(_path, _other):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.replace", full)
    with pytest.raises(UserError, match="No space left"):
        save(tmp_path / "a.png", b"after")
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("a.png", b"before")]


def test_a_file_that_another_process_writes_is_refused(tmp_path):
    """Its content stays, and it can be opened once the other has ended, also by a kill; it is empty then."""
    path = tmp_path / "lines"
    code = (
        "import pathlib, sys; from rushes.output_files import open_alone\n"
        "file = open_alone(pathlib.Path(sys.argv[1])); file.write(b'first')\n"
        "print('open', flush=True); sys.stdin.read()"
    )
    words = [sys.executable, "-c", code, path]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout.readline() == b"open\n"
        with pytest.raises(UserError, match=r"lines is being written by another program.*: end it, or name another"):
            open_alone(path)
        with pytest.raises(UserError, match=r"/shown is being written"):
            open_alone(path, tmp_path / "shown")
        kept = path.read_bytes()
        other.kill()
    with open_alone(path) as file:
        file.write(b"2nd")

    assert (kept, path.read_bytes()) == (b"first", b"2nd")


def test_several_may_write_to_the_null_device():
    """As to a terminal or a pipe: only a regular file is locked and emptied."""
    with open_alone(Path(os.devnull)) as first, open_alone(Path(os.devnull)) as second:
        assert (first.write(b"a"), second.write(b"b")) == (1, 1)


def test_a_file_system_without_locks_is_written_all_the_same(tmp_path, monkeypatch):
    """As some network drives; a folder that is not there is an error."""

    def no_locks(_file, _how):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(output_files.fcntl, "flock", no_locks)
    (tmp_path / "lines").write_text("the take before")
    with open_alone(tmp_path / "lines") as file:
        file.write(b"now")

    assert (tmp_path / "lines").read_bytes() == b"now"
    with pytest.raises(FileNotFoundError):
        open_alone(tmp_path / "none" / "lines")
