import json
import os
import shlex
import shutil
import subprocess
import sys
import zipfile
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import ClassVar

import pytest

from common.settings import RemoteSettings, Settings
from flows.servers.servers import free_port
from registry.dvc import dataset, versions
from registry.dvc.config import read_config
from registry.dvc.dataset import read_version
from registry.dvc.remote import set_remote
from registry.dvc.versions import VersionError
from tests.support.repos import ROOT, code_repo, git, lay_source, silence, versioned_repo

ALONE = Settings(remote=RemoteSettings(url=""))
WHEEL = "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
SHARD = "datasets/faces/studio/shard-000000.tar"


@pytest.fixture(scope="module")
def _template(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        silence(patch, tmp_path_factory.mktemp("home"))
        return versioned_repo(tmp_path_factory.mktemp("template") / "checkout")


@pytest.fixture
def home(monkeypatch, tmp_path_factory):
    """An empty home."""
    silence(monkeypatch, tmp_path_factory.mktemp("home"))


@pytest.fixture
def repo(home, tmp_path):  # noqa: ARG001 - for its effect
    """A checkout without data."""
    return code_repo(tmp_path / "checkout")


@pytest.fixture
def versioned(home, _template, tmp_path):  # noqa: ARG001 - for its effect
    """A checkout whose data has a version, all of it there and in the cache."""
    return shutil.copytree(_template, tmp_path / "checkout")


@pytest.fixture
def remote(tmp_path):
    """Settings whose remote is a folder, empty as yet."""
    (tmp_path / "remote").mkdir()
    return Settings(remote=RemoteSettings(url=str(tmp_path / "remote")))


def lose(root, *folders):
    """Takes folders away, protected files and all."""
    for folder in folders:
        shutil.rmtree(root / folder)


def mark_starter(root):
    """Marks the version as the starter's."""
    with (root / "datasets.dvc").open("a") as file:
        file.write("meta:\n  starter: true\n")


def test_fresh_machine_needs_the_starter(repo):
    """No version, no data, no remote: the starter may be fetched; a half-fetched one is fetched again."""
    bare = versions.state(repo, ALONE)
    lay_source(repo, "faces/starter", starter=True)
    half = versions.state(repo, ALONE)

    assert bare.wants_starter
    assert half.wants_starter
    assert (bare.md5, bare.problem) == ("", "")


def test_remote_without_version_gets_no_starter(repo, remote):
    """A team that lost datasets.dvc must not wake up to rendered faces."""
    state = versions.state(repo, remote)

    assert not state.wants_starter
    assert "no datasets.dvc" in state.problem
    assert "flows ingest faces PATH" in state.remedy  # no commit has one


def test_real_data_without_version_is_data(repo):
    """Ingested data without a version are accepted as they are."""
    lay_source(repo, "faces/starter", starter=True)
    lay_source(repo, "faces/studio", starter=False)
    state = versions.state(repo, ALONE)

    assert (state.present, state.wants_starter, versions.only_starter(repo)) == (True, False, False)


def test_shipped_starter_is_wanted(versioned):
    """A starter version whose data lies nowhere here is fetched as packages, where no remote is configured."""
    mark_starter(versioned)
    lose(versioned, "datasets", ".dvc/cache")
    state = versions.state(versioned, ALONE)

    assert (state.wants_starter, state.problem) == (True, "")


def test_real_data_in_a_starters_place_is_not_undone(versioned):
    """A run killed between the first real ingest, which takes the starter away, and its version goes on."""
    mark_starter(versioned)
    lose(versioned, "datasets/scenes")
    state = versions.state(versioned, ALONE)

    assert (state.present, state.starter, state.wants_starter) == (True, False, False)


def test_missing_data_stops_the_run(versioned):
    """Real data that lies neither here nor in the cache is a problem, never a reason for a starter."""
    lose(versioned, "datasets", ".dvc/cache")
    state = versions.state(versioned, ALONE)
    with pytest.raises(VersionError, match="no remote is configured"):
        versions.pull(versioned, ALONE)

    assert (state.present, state.wants_starter) == (False, False)
    assert "no remote is configured" in state.problem
    assert state.remedy.startswith("export RUSHES_REMOTE__URL=")


def test_missing_data_comes_back_from_the_cache(versioned):
    """Files in the cache are not a problem; later edits and additions stay."""
    lose(versioned, "datasets/scenes")
    (versioned / SHARD).write_text("edited")
    (versioned / "datasets" / "faces" / "new.csv").write_text("added")
    before = versions.state(versioned, ALONE)
    versions.pull(versioned, ALONE)

    assert (before.present, before.missing, before.problem) == (False, 2, "")
    assert versions.state(versioned, ALONE).present
    assert (versioned / SHARD).read_text() == "edited"
    assert (versioned / "datasets" / "faces" / "new.csv").read_text() == "added"


def test_damaged_cache_is_not_laid_out(versioned):
    """A cache object that does not match its name is found before it becomes data."""
    listing = dataset.listing_of(versioned / ".dvc/cache/files/md5", versions.state(versioned, ALONE).md5)
    kept = dataset.object_path(versioned / ".dvc/cache/files/md5", listing["faces/studio/shard-000000.tar"])
    kept.chmod(0o644)
    kept.write_text("rot")
    kept.chmod(0o444)
    (versioned / SHARD).unlink()
    with pytest.raises(VersionError, match="cache is damaged"):
        versions.pull(versioned, ALONE)

    assert not (versioned / SHARD).exists()


def test_unfinished_merge(versioned):
    """Conflict marks in datasets.dvc are named."""
    (versioned / "datasets.dvc").write_text("<<<<<<< HEAD\nouts:\n=======\n")
    state = versions.state(versioned, ALONE)

    assert "cannot be read" in state.problem
    assert "git checkout" not in state.remedy  # no commit has one


def test_commit_marks_the_starter(repo):
    """The version is marked as the starter's, and git sees a new datasets.dvc and nothing else."""
    lay_source(repo, "faces/starter", starter=True)
    md5 = versions.commit(repo, ALONE, starter=True)
    state = versions.state(repo, ALONE)

    assert git(repo, "status", "--short") == "?? datasets.dvc\n"
    assert "starter: true" in (repo / "datasets.dvc").read_text()
    assert (state.present, state.starter, state.md5) == (True, True, md5)


def test_commit_of_the_same_changes_nothing(versioned):
    """The same content again leaves datasets.dvc as it is, what people wrote into it included."""
    with (versioned / "datasets.dvc").open("a") as file:
        file.write("meta:\n  note: shot in May\n")
    before = (versioned / "datasets.dvc").read_bytes()
    versions.commit(versioned, ALONE, starter=False)

    assert (versioned / "datasets.dvc").read_bytes() == before


def test_commit_of_real_data_takes_the_mark_away(versioned):
    """The first real data makes the version real; a note beside the mark stays."""
    with (versioned / "datasets.dvc").open("a") as file:
        file.write("meta:\n  starter: true\n  note: kept\n")
    before = versions.state(versioned, ALONE).md5
    lay_source(versioned, "faces/second", starter=False, text="more")
    after = versions.commit(versioned, ALONE, starter=False)

    assert before != after
    assert "starter" not in (versioned / "datasets.dvc").read_text()
    assert "note: kept" in (versioned / "datasets.dvc").read_text()


def test_commit_of_nothing(repo):
    """An empty datasets/ is not a version."""
    (repo / "datasets" / "faces").mkdir(parents=True)
    with pytest.raises(VersionError, match="has no files"):
        versions.commit(repo, ALONE, starter=False)

    assert not (repo / "datasets.dvc").exists()


def test_edit_through_a_hard_link(versioned):
    """A file edited in place together with the cache's copy stops the run, and the version before stays named."""
    cache = versioned / ".dvc/cache/files/md5"
    md5 = dataset.listing_of(cache, versions.state(versioned, ALONE).md5)["faces/studio/shard-000000.tar"]
    (versioned / SHARD).unlink()
    os.link(dataset.object_path(cache, md5), versioned / SHARD)
    (versioned / SHARD).chmod(0o644)
    (versioned / SHARD).write_text("edited")
    (versioned / SHARD).chmod(0o444)
    before = (versioned / "datasets.dvc").read_bytes()
    with pytest.raises(VersionError, match="edited in place"):
        versions.commit(versioned, ALONE, starter=False)

    assert (versioned / "datasets.dvc").read_bytes() == before


def test_edit_of_a_copy(versioned):
    """A file edited by hand is a new version like any other."""
    (versioned / SHARD).write_text("edited")
    before = versions.state(versioned, ALONE).md5

    assert versions.commit(versioned, ALONE, starter=False) != before


@pytest.mark.slow
def test_remote_feeds_another_machine(versioned, remote, tmp_path):
    """A version pushed by one checkout is pulled by another; the tracked config is unchanged, and git sees nothing."""
    versions.commit(versioned, remote, starter=False)
    other = tmp_path / "other"
    git(tmp_path, "clone", "--quiet", str(versioned), str(other))
    shutil.copyfile(versioned / "datasets.dvc", other / "datasets.dvc")
    before = versions.state(other, remote)
    versions.pull(other, remote)

    assert (before.present, before.problem, before.wants_starter) == (False, "", False)
    assert (other / SHARD).read_bytes() == (versioned / SHARD).read_bytes()
    assert git(other, "status", "--short") == "?? datasets.dvc\n"


@pytest.mark.slow
def test_remote_that_lacks_the_version(versioned, remote):
    """DVC calls an empty remote a success of sorts; here it is an error, and one not worth a retry."""
    lose(versioned, "datasets", ".dvc/cache")
    with pytest.raises(VersionError, match="lacks this version") as refused:
        versions.pull(versioned, remote)

    assert not refused.value.transient


def test_remote_on_a_disk_that_is_not_in(versioned, tmp_path):
    """A folder that is not there is not made: it may be a mount point."""
    away = Settings(remote=RemoteSettings(url=str(tmp_path / "not mounted")))
    with pytest.raises(VersionError, match="Is its disk mounted") as refused:
        versions.commit(versioned, away, starter=False)

    assert refused.value.remedy.startswith("mkdir -p '")
    assert not (tmp_path / "not mounted").exists()


@pytest.mark.slow
def test_remote_that_dvc_lacks_a_package_for(versioned, tmp_path, monkeypatch):
    """The printed command installs it, and DVC then loads it; trying again would not have brought it."""
    bucket = Settings(remote=RemoteSettings(url="s3://bucket/data"))
    with pytest.raises(VersionError, match="through the package dvc-s3") as refused:
        versions.commit(versioned, bucket, starter=False)

    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    monkeypatch.setenv("PIP_TARGET", str(tmp_path / "installed"))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "installed"))
    about = {"METADATA": "Metadata-Version: 2.1\nName: dvc-s3\nVersion: 3.3.0\n", "RECORD": "", "WHEEL": WHEEL}
    with zipfile.ZipFile(tmp_path / "dvc_s3-3.3.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("dvc_s3.py", "raise RuntimeError('dvc-s3 is there')")
        for name, text in about.items():
            wheel.writestr(f"dvc_s3-3.3.0.dist-info/{name}", text)
    subprocess.run(["/bin/sh", "-c", refused.value.remedy], cwd=ROOT, check=True, capture_output=True)
    with pytest.raises(VersionError, match="dvc-s3 is there"):
        versions.commit(versioned, bucket, starter=False)

    assert not refused.value.transient


@pytest.mark.slow
def test_remote_that_is_down(versioned):
    """A server that does not answer is worth a retry; the version is there by then."""
    down = Settings(remote=RemoteSettings(url="http://127.0.0.1:9/data"))
    with pytest.raises(VersionError, match="cannot be pushed") as refused:
        versions.commit(versioned, down, starter=False)

    assert refused.value.transient
    assert versions.state(versioned, down).present


class Stored(BaseHTTPRequestHandler):
    """A remote over HTTP, in memory."""

    files: ClassVar[dict[str, bytes]] = {}

    def do_GET(self):  # noqa: D102 - as the base names it
        content = self.files.get(self.path)
        self.answer(404 if content is None else 200, content or b"")

    def do_HEAD(self):  # noqa: D102 - as above
        self.do_GET()

    def do_POST(self):  # noqa: D102 - as above; the content comes in chunks
        parts = []
        while size := int(self.rfile.readline(), 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        self.files[self.path] = b"".join(parts)
        self.answer(200, b"")

    def answer(self, status, content):
        """Sends a response; to HEAD without the content."""
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def log_message(self, *_):  # noqa: D102 - as above
        pass


@contextmanager
def serving(port):
    """The remote answers."""
    with ThreadingHTTPServer(("127.0.0.1", port), Stored) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield
        server.shutdown()


@pytest.mark.slow
def test_a_remote_that_answers_again_is_used_by_the_printed_commands(versioned):
    """The version is pushed, and fetched where it is lost; nothing else changes."""
    port = free_port()
    away = Settings(remote=RemoteSettings(url=f"http://127.0.0.1:{port}/data"))
    before = read_version(versioned)
    (versioned / ".venv").symlink_to(sys.prefix)

    def follow(act):
        with pytest.raises(VersionError) as refused:
            act()
        with serving(port):
            subprocess.run(["/bin/sh", "-c", refused.value.remedy], cwd=versioned, check=True, capture_output=True)
            act()
        return shlex.split(refused.value.remedy)[-3]

    pushed = follow(lambda: versions.commit(versioned, away, starter=False))
    shutil.rmtree(versioned / ".dvc/cache")
    shutil.rmtree(versioned / "datasets")
    fetched = follow(lambda: versions.pull(versioned, away))

    assert (pushed, fetched) == ("push", "fetch")
    assert read_version(versioned) == before
    assert (versioned / SHARD).read_text() == "picture" * 100


def test_remote_taken_out_of_the_settings(versioned, remote):
    """Settings without a remote take ours out of DVC's local config again; what a person put there stays."""
    (versioned / ".dvc" / "config.local").write_text("['remote \"mine\"']\n    url = /mine\n")
    set_remote(versioned, remote, read_config(versioned))
    with_remote = (versioned / ".dvc" / "config.local").read_text()
    set_remote(versioned, ALONE, read_config(versioned))
    without = (versioned / ".dvc" / "config.local").read_text()

    assert remote.remote.url in with_remote
    assert remote.remote.url not in without
    assert 'remote "mine"' in without
    assert versions.state(versioned, ALONE).remote == ""


def test_no_repository(versioned):
    """Without .git there is no version, and the error has the reason."""
    lose(versioned, ".git")
    state = versions.state(versioned, ALONE)

    assert "git repository" in state.problem
    assert state.remedy == "git init"


def test_killed_copy_is_not_data(versioned):
    """A file that a killed pull has left incomplete is part of no version."""
    before = versions.state(versioned, ALONE).md5
    (versioned / "datasets" / "faces" / ".shard-000001.tar.tmp").write_text("half")

    assert versions.commit(versioned, ALONE, starter=False) == before
    assert json.loads((versioned / "datasets/faces/studio/source.json").read_text()) == {"starter": False}
