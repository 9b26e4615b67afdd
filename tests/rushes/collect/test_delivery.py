import csv
import os
import subprocess
import sys
from pathlib import Path

import pytest

from rushes.collect import delivery
from rushes.collect.delivery import Delivery, deliver_abandoned
from tests.support.collected import ANNA
from tests.support.full_disk import disk_of


def rows(folder):
    """Rows of a folder's table."""
    return list(csv.DictReader((folder / "samples.csv").open(encoding="utf-8", newline="")))


def test_a_folder_appears_when_it_is_complete(tmp_path):
    """Until then an inbox sees nothing. No name has the performer's."""
    growing = Delivery(tmp_path, ANNA)
    assert not list(tmp_path.iterdir())
    growing.add(b"one", ".jpg")
    growing.add(b"two", ".jpg")
    assert [path.name[0] for path in tmp_path.iterdir()] == ["."]
    growing.close()

    [folder] = tmp_path.iterdir()
    assert folder == growing.folder
    assert {path.read_bytes() for path in folder.glob("*.jpg")} == {b"one", b"two"}
    table = rows(folder)
    assert [row.pop("path") for row in table] == sorted(path.name for path in folder.glob("*.jpg"))
    assert (
        table
        == [{"label": "unlabelled", "performer": "Anna Quill", "use": "training, report", "until": "2030-01-31"}] * 2
    )
    assert not [path for path in tmp_path.rglob("*") if "quill" in path.name.casefold()]


def test_a_capture_without_a_picture_leaves_nothing(tmp_path):
    """Nor does one whose disk was full from the start."""
    Delivery(tmp_path, ANNA).close()
    growing = Delivery(tmp_path, ANNA)
    with disk_of(10), pytest.raises(OSError, match="too large"):
        growing.add(b"one", ".jpg")
    growing.close()

    assert not list(tmp_path.iterdir())


def test_a_full_disk_leaves_no_picture_without_its_consent(tmp_path):
    """Nor a row without its picture; when there is room again, it goes on."""
    growing = Delivery(tmp_path, ANNA)
    growing.add(b"one", ".jpg")
    with disk_of(2000), pytest.raises(OSError, match="too large"):
        growing.add(bytes(3000), ".jpg")
    assert len(rows(growing.hidden)) == 1
    growing.add(b"three", ".jpg")
    growing.close()

    assert {row["path"] for row in rows(growing.folder)} == {path.name for path in growing.folder.glob("*.jpg")}
    assert {path.name for path in growing.folder.iterdir() if path.name.startswith(".")} == set()


CHILD = """
import sys
from pathlib import Path
from rushes.collect.delivery import Delivery
from tests.support.collected import ANNA
growing = Delivery(Path(sys.argv[1]), ANNA)
growing.add(b"one", ".jpg")
(growing.hidden / ".two.jpg.7.part").write_bytes(b"half")
print("ready", flush=True)
sys.stdin.read()
"""


def test_a_killed_capture_is_delivered_by_the_next_one(tmp_path):
    """A real process: while it lives its folder stays hidden, after a kill it appears whole."""
    process = subprocess.Popen(
        [sys.executable, "-c", CHILD, tmp_path],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[3],
    )
    try:
        assert process.stdout.readline() == b"ready\n"
        assert deliver_abandoned(tmp_path) == []
    finally:
        process.kill()
        process.communicate()
    [folder] = deliver_abandoned(tmp_path)

    assert [row["path"] for row in rows(folder)] == [path.name for path in folder.iterdir() if path.suffix == ".jpg"]
    assert len(list(folder.iterdir())) == 2
    assert list(tmp_path.iterdir()) == [folder]


def test_a_folder_that_another_capture_has_delivered_is_not_gone_on_with(tmp_path):
    """As after a day without a picture, where folders cannot be locked: each table lists the pictures beside it."""
    growing = Delivery(tmp_path, ANNA)
    growing.add(b"one", ".jpg")
    growing.hidden.rename(growing.folder)
    growing.add(b"two", ".jpg")
    growing.close()
    last = Delivery(tmp_path, ANNA)
    last.add(b"three", ".jpg")
    last.hidden.rename(last.folder)
    last.close()

    folders = list(tmp_path.iterdir())
    found = [[(folder / row["path"]).read_bytes() for row in rows(folder)] for folder in folders]
    assert sorted(found) == [[b"one"], [b"three"], [b"two"]]


def test_where_folders_cannot_be_locked_a_day_decides(tmp_path, monkeypatch):
    """As on Windows: a folder that nobody has changed since yesterday is delivered."""
    monkeypatch.setattr(delivery, "fcntl", None)
    growing = Delivery(tmp_path, ANNA)
    growing.add(b"one", ".jpg")
    assert deliver_abandoned(tmp_path) == []
    os.utime(growing.hidden, (1.0, 1.0))

    assert deliver_abandoned(tmp_path) == [growing.folder]
