"""The remedies of files and disks that may not be read or written are followed: all is ingested then."""

from __future__ import annotations

import codecs
import json
import os
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path

import pytest

from curation.errors import DataError
from curation.ingest import ingest
from tests.curation.planted import PLANTED, plant, state

NOBODY = 65534


@contextmanager
def as_nobody(folder):
    """Acts without the rights of root, whom no mode of a file stops; the folder is given to that user."""
    if os.geteuid():
        yield
        return
    for path in (folder, *folder.rglob("*")):
        os.chown(path, NOBODY, NOBODY)
    for encoding in ("utf-8-sig", "utf-16", "utf-32"):
        codecs.lookup(encoding)  # imported from files that may lie in root's home
    os.setresuid(NOBODY, NOBODY, 0)
    try:
        yield
    finally:
        os.setresuid(0, 0, 0)


CLOSED = {
    "picture": ("faces", "set/happy/00.jpg", ""),
    "folder": ("faces", "set/happy", ""),
    "table": ("faces", "set/samples.csv", "path,label\nhappy/00.jpg,happy\nsad/00.jpg,sad\n"),
    "captions": ("faces", "set/captions.csv", "file,caption\nhappy/00.jpg,a\n"),
    "script": ("scripts", "set/script 0.fountain", ""),
    "datasets": ("faces", "checkout/datasets/faces", ""),
}


@pytest.fixture
def shared():
    """A folder that every user may enter."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.mark.parametrize("fault", CLOSED)
def test_what_this_user_may_not_read_is_allowed(shared, fault):
    """All is ingested then, and an earlier source is as it was."""
    collection, name, text = CLOSED[fault]
    params, plant_it = PLANTED[collection]
    root, closed = shared / "checkout", shared / name
    root.mkdir()
    ingest(plant_it(shared / "earlier", first=30) if collection == "scripts" else plant(shared / "earlier", seed=700),
           root, collection, params)  # fmt: skip
    plant_it(shared / "set")
    if text:
        closed.write_text(text)
    before = state(root / "datasets" / collection / "earlier")
    with as_nobody(shared):
        closed.chmod(0o500 if fault == "datasets" else 0)
        try:
            remedies = ingest(shared / "set", root, collection, params).remedies.values()
        except DataError as error:
            remedies = [error.remedy]
        closed.chmod(0o700)
        again = ingest(shared / "set", root, collection, params)

    assert [remedy.partition(",")[0] for remedy in remedies] == ["allow this user to read it"]
    assert (again.refused, again.problem) == ({}, "")
    assert again.added + again.already == {"scripts": 6, "table": 2}.get(fault if text else collection, 12)
    assert state(root / "datasets" / collection / "earlier") == before


# On a file system of its own, of 4 MB; the output of `python` is its account.
DISK = """
import json, shutil, subprocess, sys
from pathlib import Path
from types import SimpleNamespace
disk = Path(sys.argv[1])
subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "none", disk], check=True)
sys.path[:0] = [sys.argv[2]]
from curation.errors import DataError
from curation.ingest import ingest
from tests.curation.planted import PARAMS, picture, plant, state
root, large, measured = disk / "checkout", disk.parent / "large", shutil.disk_usage
root.mkdir()
ingest(plant(disk.parent / "small"), root, "faces", PARAMS)
before = state(root / "datasets/faces/small")
for number in range(16):
    picture(large / ("happy", "sad")[number % 2] / f"{number}.png", number, 200)
def refused(act):
    try:
        act()
        result = ingest(large, root, "faces", PARAMS)
        return result.remedy or result.added
    except DataError as error:
        return error.remedy
def mount(how):
    subprocess.run(["mount", "-o", f"remount,{how}", disk], check=True)
def fill(free):
    (disk / "filler").write_bytes(bytes(measured(disk).free - free))
def believe():
    shutil.disk_usage = lambda _: SimpleNamespace(free=10**9)
    fill(200_000)
report = [refused(lambda: fill(100_000)), (disk / "filler").unlink(), refused(believe), (disk / "filler").unlink(),
          refused(lambda: mount("ro")), mount("rw"), refused(lambda: None)]
print(json.dumps([[one for one in report if one], before == state(root / "datasets/faces/small")]))
"""


def test_a_disk_that_is_full_or_read_only(tmp_path):
    """With room, and written to again, all is ingested; what was there is as before."""
    (tmp_path / "disk").mkdir()
    own = ["unshare", "--mount"] if os.geteuid() == 0 else ["unshare", "--mount", "--user", "--map-root-user"]
    words = [*own, sys.executable, "-c", DISK, tmp_path / "disk", Path(__file__).parents[2]]
    done = subprocess.run(words, check=True, capture_output=True, text=True)
    [room, free, remount, added], is_kept = json.loads(done.stdout.splitlines()[-1])

    assert room.startswith("make room on the disk")
    assert free.startswith("free space on that disk, then run again")
    assert remount.startswith("its disk is mounted read-only: remount it writable")
    assert (added, is_kept) == (16, True)
