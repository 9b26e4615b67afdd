"""The version of the data in a remote: pushed, pulled, and what a remote that is absent or down is refused with."""

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
from registry.dvc import versions
from registry.dvc.config import read_config
from registry.dvc.dataset import read_version
from registry.dvc.remote import set_remote
from registry.dvc.versions import VersionError
from tests.support.repos import ROOT, git

ALONE = Settings(remote=RemoteSettings(url=""))
WHEEL = "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
SHARD = "datasets/faces/studio/shard-000000.tar"


def test_remote_without_version_gets_no_starter(repo, remote):
    """A team that lost datasets.dvc must not wake up to rendered faces."""
    state = versions.state(repo, remote)

    assert not state.wants_starter
    assert "no datasets.dvc" in state.problem
    assert "flows ingest faces PATH" in state.remedy  # no commit has one


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
    for folder in ("datasets", ".dvc/cache"):
        shutil.rmtree(versioned / folder)
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
