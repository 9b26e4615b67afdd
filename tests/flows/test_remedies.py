"""Every remedy that is a command is run, in a checkout with data at stake; it works, and nothing is lost."""

import errno
import json
import os
import shutil
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from common.settings import RemoteSettings, Settings
from flows.nightly.disk import DiskFullError
from registry.dvc import dataset, pipeline, versions
from registry.dvc.config import read_config
from registry.dvc.dataset import md5_of, object_path, read_version
from registry.git import snapshot
from registry.subprocesses import dvc
from steps.runtime.failures import describe
from tests.support.repos import copy_without_make, git, lay_source, repo_with_environment, silence

pytestmark = pytest.mark.slow

SHARD = "datasets/faces/studio/shard-000000.tar"
ALONE = Settings()


@pytest.fixture(scope="module")
def _template(tmp_path_factory):
    """Data of a tagged version, unreferenced data, and data without a commit."""
    with pytest.MonkeyPatch.context() as patch:
        silence(patch, tmp_path_factory.mktemp("home"))
        root = repo_with_environment(tmp_path_factory.mktemp("template") / "checkout")
        assert dvc(root, "repro").returncode == 0
        git(root, "add", "--all")
        git(root, "commit", "--quiet", "--message", "version 1")
        snapshot.tag(root, "expression/v1", snapshot.record(root, "v1").commit)
        for text in ("forgotten", "now"):
            lay_source(root, "faces/studio", starter=False, text=text)
            versions.commit(root, ALONE, starter=False)
        return root


@pytest.fixture
def root(monkeypatch, tmp_path_factory, _template, tmp_path):
    """The checkout; `make` does nothing there."""
    silence(monkeypatch, tmp_path_factory.mktemp("home"))
    return copy_without_make(monkeypatch, _template, tmp_path)


def objects(root, ref=None):
    """Path -> md5 of the data of a commit, or of the working copy's datasets.dvc."""
    text = git(root, "show", f"{ref}:datasets.dvc") if ref else (root / "datasets.dvc").read_text()
    md5 = next(line.split()[-1] for line in text.splitlines() if "md5: " in line)
    return dataset.listing_of(root / ".dvc/cache/files/md5", md5)


def intact(root, listing):
    """True if the cache has all of a version."""
    paths = {md5: object_path(root / ".dvc/cache/files/md5", md5) for md5 in listing.values()}
    return all(path.is_file() and md5_of(path) == md5 for md5, path in paths.items())


def run(remedy, root):
    """Runs it with every question confirmed; returns its exit status."""
    ours, theirs = os.openpty()
    os.write(ours, b"y\n")
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), theirs)
    with subprocess.Popen(["/bin/sh", "-c", remedy], cwd=root, **pipes) as person:
        os.close(theirs)
        with suppress(OSError):  # Linux raises this once the other side has closed
            while os.read(ours, 1024):
                pass
        os.close(ours)
    return person.returncode


def refusal(act):
    """The remedy of a failing operation."""
    with pytest.raises(Exception) as refused:  # noqa: PT011 - any error with a remedy
        act()
    return refused.value.remedy


def write(name, content):
    """Writes a file."""
    return lambda root: (root / name).write_bytes(content)


MARKS = b"<<<<<<< HEAD\na: 1\n=======\na: 2\n>>>>>>> other\n"
BROKEN = {
    "datasets.dvc, merge": (write("datasets.dvc", MARKS), read_version),
    "datasets.dvc, not UTF-8": (write("datasets.dvc", b"outs:\n- md5: \xff\n"), read_version),
    "dvc.lock, merge": (write("dvc.lock", MARKS), lambda root: pipeline.stages(root, ["expression"])),
    "params.yaml, merge": (write("params.yaml", MARKS), lambda root: pipeline.stages(root, ["expression"])),
    "params.yaml, not UTF-8": (write("params.yaml", b"a: \xff\n"), lambda root: pipeline.stages(root, ["expression"])),
    "dvc.yaml, merge": (write("dvc.yaml", MARKS), lambda root: pipeline.stages(root, ["expression"])),
    ".dvc/config, merge": (write(".dvc/config", MARKS), read_config),
    ".dvc/config.local, merge": (write(".dvc/config.local", MARKS), read_config),
}


@pytest.mark.parametrize("name", BROKEN)
def test_file_that_cannot_be_read(root, name):
    """It is named; its remedy replaces it, keeps the content, and the same operation succeeds."""
    plant, act = BROKEN[name]
    file = name.partition(",")[0]
    tagged, current, written = objects(root, "expression/v1"), objects(root), plant(root)
    with pytest.raises(Exception, match=file.replace(".", r"\.")) as refused:
        act(root)

    assert run(refused.value.remedy, root) == 0
    act(root)
    assert (root / ".state/damaged" / file).stat().st_size == written
    assert intact(root, tagged)
    assert intact(root, current)


@pytest.mark.parametrize(
    "remedy",
    [
        DiskFullError(2, 1, Path()).remedy,
        describe("train", "expression", OSError(errno.ENOSPC, "No space left")).remedy,
    ],
    ids=["before a run", "in a stage"],
)
def test_full_disk(root, remedy):
    """The cache loses only unreferenced objects, and keeps the tagged version's data and those in use."""
    tagged, current = objects(root, "expression/v1"), objects(root)
    cache = root / ".dvc/cache/files/md5"
    before = {path.name for path in cache.glob("*/*")}

    assert run(remedy, root) == 0
    assert len({path.name for path in cache.glob("*/*")}) < len(before)
    assert intact(root, tagged)
    assert intact(root, current)


def test_damaged_object(root, tmp_path):
    """Only damaged objects are deleted, and the remote restores them."""
    (tmp_path / "remote").mkdir()
    settings = Settings(remote=RemoteSettings(url=str(tmp_path / "remote")))
    versions.commit(root, settings, starter=False)
    tagged, current = objects(root, "expression/v1"), objects(root)
    damaged = object_path(root / ".dvc/cache/files/md5", current["faces/studio/shard-000000.tar"])
    shutil.rmtree(root / "datasets")
    damaged.chmod(0o644)
    damaged.write_text("rot")
    damaged.chmod(0o444)
    remedy = refusal(lambda: versions.pull(root, settings))

    assert not (root / SHARD).exists()
    assert run(remedy, root) == 0
    versions.pull(root, settings)
    assert (intact(root, tagged), intact(root, current)) == (True, True)
    assert md5_of(root / SHARD) == current["faces/studio/shard-000000.tar"]


def test_edit_through_a_hard_link(root):
    """The edit becomes a version; the tagged one is untouched."""
    tagged, kept = objects(root, "expression/v1"), objects(root)["faces/studio/shard-000000.tar"]
    (root / SHARD).unlink()
    os.link(object_path(root / ".dvc/cache/files/md5", kept), root / SHARD)
    (root / SHARD).chmod(0o644)
    (root / SHARD).write_text("edited")
    remedy = refusal(lambda: versions.commit(root, ALONE, starter=False))

    assert run(remedy, root) == 0
    versions.commit(root, ALONE, starter=False)
    assert (root / SHARD).read_text() == "edited"
    assert intact(root, tagged)
    assert intact(root, objects(root))


def test_tag_that_is_taken(root):
    """The tag is renamed before it is deleted: its version can still be found."""
    before = git(root, "rev-parse", "expression/v1")
    (root / "params.yaml").write_text((root / "params.yaml").read_text() + "# other\n")
    other = snapshot.record(root, "other").commit
    remedy = refusal(lambda: snapshot.tag(root, "expression/v1", other))

    assert run(remedy, root) == 0
    snapshot.tag(root, "expression/v1", other)
    assert git(root, "rev-parse", "expression/v1.before") == before


def test_large_file_beside_the_code(root):
    """It is then ignored, and stays in place."""
    with (root / "film.mov").open("wb") as film:
        film.truncate(snapshot.LARGEST_BYTES + 1)
    remedy = refusal(lambda: snapshot.record(root, "x"))

    assert run(remedy, root) == 0
    snapshot.record(root, "x")
    assert (root / "film.mov").exists()


def test_worktree_in_the_way(root, tmp_path):
    """The obstacle is moved, with all its content."""
    (tmp_path / "v 1").mkdir()
    (tmp_path / "v 1" / "notes.txt").write_text("mine")
    commit = git(root, "rev-parse", "expression/v1").strip()
    remedy = refusal(lambda: snapshot.lay_out(root, commit, tmp_path / "v 1"))

    assert run(remedy, root) == 0
    snapshot.lay_out(root, commit, tmp_path / "v 1")
    assert (tmp_path / "v 1.away" / "notes.txt").read_text() == "mine"


def test_version_that_is_not_there(root):
    """datasets.dvc deleted by hand is restored from git."""
    (root / "datasets.dvc").unlink()
    remedy = refusal(lambda: versions.pull(root, ALONE))

    assert run(remedy, root) == 0
    versions.pull(root, ALONE)
    assert intact(root, objects(root))


def test_folder_of_a_new_remote(root, tmp_path):
    """It is created, and the data are pushed."""
    settings = Settings(remote=RemoteSettings(url=str(tmp_path / "new one")))
    remedy = refusal(lambda: versions.commit(root, settings, starter=False))

    assert run(remedy, root) == 0
    versions.commit(root, settings, starter=False)
    assert any((tmp_path / "new one").rglob("*"))


# On a file system of a few MB: a version is made, a second does not fit; the output of `python` is its account.
SMALL_DISK = """
import json, os, subprocess, sys
from pathlib import Path
subprocess.run(["mount", "-t", "tmpfs", "-o", "size=9m", "none", sys.argv[1]], check=True)
sys.path[:0] = [sys.argv[2]]
from registry.dvc import versions
from common.settings import Settings
from tests.flows.test_remedies import intact, objects, run
from tests.support.repos import code_repo, git
root = code_repo(Path(sys.argv[1]) / "checkout")
(root / ".venv").symlink_to(sys.prefix)
def lay(byte):
    (root / "datasets/faces/studio").mkdir(parents=True, exist_ok=True)
    (root / "datasets/faces/studio/shard.tar").write_bytes(byte * 2_000_000)
    return versions.commit(root, Settings(), starter=False)
lay(b"1")
git(root, "add", "datasets.dvc")
git(root, "commit", "--quiet", "--message", "1")
git(root, "tag", "expression/v1")
lay(b"2")
git(root, "checkout", "HEAD", "--", "datasets.dvc")  # that was a mistake
report = {}
try:
    for byte in (b"3", b"4", b"5", b"6"):
        lay(byte)
except versions.VersionError as error:
    report = {"message": str(error), "remedy": error.remedy}
    report["status"] = run(error.remedy, root)
    lay(b"7")
    report["intact"] = [intact(root, objects(root, "expression/v1")), intact(root, objects(root))]
print(json.dumps(report))
"""


def test_small_disk_that_fills(tmp_path, monkeypatch):
    """On a separate file system: it is named, its remedy makes room, and the tagged version is still there."""
    silence(monkeypatch, tmp_path)
    (tmp_path / "disk").mkdir()
    own = ["unshare", "--mount"] if os.geteuid() == 0 else ["unshare", "--mount", "--user", "--map-root-user"]
    words = [*own, sys.executable, "-c", SMALL_DISK, tmp_path / "disk", Path(__file__).parents[2]]
    done = subprocess.run(words, check=True, capture_output=True, text=True)
    output = json.loads(done.stdout.splitlines()[-1])

    assert output["message"].startswith("the disk is full")
    assert (output["status"], output["intact"]) == (0, [True, True])
