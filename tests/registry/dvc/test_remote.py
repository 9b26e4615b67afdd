"""A remote that lost or damaged its content: refused by name, and repaired where the data still are."""

import os
import shutil
import signal
import subprocess
import sys
from itertools import count

import pytest

from common.settings import RemoteSettings, Settings
from registry.dvc import versions
from registry.dvc.config import read_config
from registry.dvc.dataset import listing_of, md5_of, object_path, read_version
from registry.dvc.remote import push_version, set_remote
from registry.dvc.versions import VersionError
from registry.subprocesses import dvc_command, dvc_environment
from tests.support.repos import ROOT, git, silence, versioned_repo

pytestmark = pytest.mark.slow

SHARD = "datasets/faces/studio/shard-000000.tar"
CODE = ("flows", "registry", "steps")


@pytest.fixture(scope="module")
def _template(tmp_path_factory):
    """A folder with a checkout, its remote, which holds the version, and another checkout without any data."""
    with pytest.MonkeyPatch.context() as patch:
        silence(patch, tmp_path_factory.mktemp("home"))
        base = tmp_path_factory.mktemp("template")
        here = versioned_repo(base / "here")
        for name in CODE:  # so that the printed commands run there
            shutil.copytree(ROOT / name, here / name, dirs_exist_ok=True)
        (here / ".venv").symlink_to(sys.prefix)
        (base / "remote").mkdir()
        git(base, "clone", "--quiet", str(here), str(base / "other"))
        shutil.copyfile(here / "datasets.dvc", base / "other" / "datasets.dvc")
        versions.commit(here, to(base / "remote"), starter=False)
        return base


@pytest.fixture
def base(monkeypatch, tmp_path_factory, _template, tmp_path):
    """A copy of it, with the remote in the environment as a person has it."""
    silence(monkeypatch, tmp_path_factory.mktemp("home"))
    monkeypatch.setenv("RUSHES_REMOTE__URL", str(tmp_path / "team" / "remote"))
    return shutil.copytree(_template, tmp_path / "team", symlinks=True)


@pytest.fixture
def settings(base):
    """Settings whose remote is the folder."""
    return to(base / "remote")


def to(folder):
    """Settings with a folder as the remote."""
    return Settings(remote=RemoteSettings(url=str(folder)))


def kept(base, name=""):
    """Path in the remote of a file of datasets/, or of the list of all."""
    cache, md5 = read_config(base / "here").cache, read_version(base / "here").md5
    oid = listing_of(cache, md5)[name.removeprefix("datasets/")] if name else md5
    return object_path(base / "remote" / "files" / "md5", oid)


def cut(path):
    """Half of it is lost."""
    path.chmod(0o644)
    os.truncate(path, path.stat().st_size // 2)


def alter(path):
    """One byte is another."""
    path.chmod(0o644)
    content = bytearray(path.read_bytes())
    content[7] ^= 1
    path.write_bytes(content)


def is_whole(base):
    """True if every object of the remote matches its name."""
    paths = [path for path in (base / "remote" / "files" / "md5").rglob("*") if path.is_file()]
    return len(paths) == 4 and all(
        md5_of(path) == (path.parent.name + path.name).removesuffix(".dir") for path in paths
    )


def run(remedy, root):
    """As a person types it."""
    return subprocess.run(["/bin/sh", "-c", remedy], cwd=root, check=False, stdin=subprocess.DEVNULL).returncode


FAULTS = {"lost": lambda path: path.unlink(), "cut off": cut, "altered": alter}


@pytest.mark.parametrize(("name", "fault"), [(SHARD, "lost"), (SHARD, "altered"), ("", "cut off")])
def test_damage_is_named_and_repaired(base, settings, name, fault):
    """The other machine names the file, the remote and a command; run where the data are, it helps."""
    FAULTS[fault](kept(base, name))
    with pytest.raises(VersionError) as refused:
        versions.pull(base / "other", settings)

    assert (name or read_version(base / "other").md5[:12]) in str(refused.value)
    assert str(base / "remote") in str(refused.value)
    assert run(refused.value.remedy, base / "here") == 0
    assert is_whole(base)
    versions.pull(base / "other", settings)
    assert md5_of(base / "other" / SHARD) == md5_of(base / "here" / SHARD)


@pytest.mark.parametrize(("name", "fault"), [(SHARD, "lost"), (SHARD, "cut off"), ("", "cut off")])
def test_next_push_sends_it_again(base, settings, name, fault):
    """The same version again is pushed only when the remote has all of it; lost files are reported."""
    output = []
    FAULTS[fault](kept(base, name))
    versions.commit(base / "here", settings, starter=False, log=output.append)
    versions.commit(base / "here", settings, starter=False, log=output.append)

    assert is_whole(base)
    assert [name in words for words in output] == [True]


def test_killed_push(base, settings):
    """Another machine is refused, naming the version; the next push completes it."""
    here, other = base / "here", base / "other"
    for number in range(300):
        (here / "datasets" / "faces" / "studio" / f"{number}.txt").write_text(f"{number}")
    versions.commit(here, Settings(remote=RemoteSettings(url="")), starter=False)
    set_remote(here, settings, read_config(here))
    remote, env = base / "remote" / "files" / "md5", dvc_environment(os.environ)
    with subprocess.Popen(dvc_command("push"), cwd=here, env=env, stderr=subprocess.DEVNULL) as push:
        next(number for number in count() if len(list(remote.glob("*/*"))) > 20 or push.poll() is not None)
        push.send_signal(signal.SIGKILL)
    shutil.copyfile(here / "datasets.dvc", other / "datasets.dvc")
    with pytest.raises(VersionError, match=f"lacks this version, {read_version(here).md5[:12]}: it was not pushed"):
        versions.pull(other, settings)

    versions.commit(here, settings, starter=False)
    versions.pull(other, settings)
    assert (other / "datasets/faces/studio/299.txt").read_text() == "299"


def test_file_that_only_another_machine_has(base, settings):
    """Neither the remote nor this machine has it: the printed command, run where it still is, helps."""
    here, other = base / "here", base / "other"
    versions.pull(other, settings)
    for name in CODE:
        shutil.copytree(ROOT / name, other / name, dirs_exist_ok=True)
    (other / ".venv").symlink_to(sys.prefix)
    kept(base, SHARD).unlink()
    (here / SHARD).unlink()
    cache = read_config(here).cache
    object_path(cache, listing_of(cache, read_version(here).md5)[SHARD.removeprefix("datasets/")]).unlink()
    with pytest.raises(VersionError, match="not in DVC's cache here either") as refused:
        push_version(here, settings)

    assert run(refused.value.remedy, other) == 0
    assert is_whole(base)
    versions.pull(here, settings)
    assert md5_of(here / SHARD) == md5_of(other / SHARD)


def test_damaged_cache_is_not_sent(base, settings):
    """Damaged local content does not replace correct content; from datasets/ the right content is sent."""
    md5 = read_version(base / "here").md5
    cache = read_config(base / "here").cache
    cut(object_path(cache, listing_of(cache, md5)["faces/studio/shard-000000.tar"]))
    (base / "here" / SHARD).unlink()
    with pytest.raises(VersionError, match=r"cache is damaged.*so it is not pushed"):
        push_version(base / "here", settings)

    assert is_whole(base)
    shutil.copyfile(kept(base, SHARD), base / "here" / SHARD)
    kept(base, SHARD).unlink()
    assert push_version(base / "here", settings) == (md5, [SHARD])
    assert is_whole(base)


def test_file_that_is_nowhere(base, settings):
    """It is named; nothing is sent."""
    cache = read_config(base / "here").cache
    oid = listing_of(cache, read_version(base / "here").md5)["faces/studio/shard-000000.tar"]
    for path in (object_path(cache, oid), base / "here" / SHARD, kept(base, SHARD)):
        path.unlink()
    with pytest.raises(VersionError, match=f"the remote lacks {SHARD}, and it is not in DVC's cache here"):
        push_version(base / "here", settings, read_version(base / "here").md5[:8])
