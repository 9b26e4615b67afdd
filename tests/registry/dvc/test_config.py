"""DVC's configuration, as others may write it: followed, or refused by name with a command that helps."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from registry.dvc.config import read_config
from registry.dvc.pipeline import PipelineError, stages
from registry.dvc.records import VersionError
from tests.support.repos import code_repo, silence

LOOP = "[core]\n    remote = x\n['remote \"x\"']\n    url = remote://{}/a\n"


@pytest.fixture
def root(monkeypatch, tmp_path_factory, tmp_path):
    """A checkout, with an interpreter where the commands expect it."""
    silence(monkeypatch, tmp_path_factory.mktemp("home"))
    (code_repo(tmp_path / "checkout") / ".venv").symlink_to(sys.prefix)
    return tmp_path / "checkout"


def refusal(root):
    """The error, which stages raise as well, instead of DVC's own."""
    with pytest.raises(VersionError) as refused:
        read_config(root)
    with pytest.raises(PipelineError) as same:
        stages(root, ["expression"])
    assert (str(same.value), same.value.remedy) == (str(refused.value), refused.value.remedy)
    return refused.value


def follow(root):
    """Runs the remedy as pasted; the configuration is then read, and was not read before."""
    refused = refusal(root)
    subprocess.run(["/bin/sh", "-c", refused.remedy], cwd=root, check=True, stdin=subprocess.DEVNULL)
    assert read_config(root).cache == root / ".dvc/cache/files/md5"
    return str(refused)


@pytest.mark.parametrize("name", [".dvc/config", ".dvc/config.local"])
@pytest.mark.parametrize(
    ("setting", "why"),
    [
        ("[cache]\n    dir = ../datasets/x\n", "its cache.dir is .*/datasets/x, which lies in datasets/"),
        ("[cache]\n    dir = ../build\n", "its cache.dir is .*/build, which lies in build/"),
        ("[cache]\n    dir = ../params.yaml/x\n", "its cache.dir is .*/x, where .*/params.yaml is not a folder"),
        ("[core]\n    remote = ghost\n", "its core.remote is 'ghost', and there is no remote 'ghost'"),
        (LOOP.format("x"), "its core.remote is 'x', and its address leads back to 'x'"),
        (LOOP.format("ghost"), "its core.remote is 'x', and there is no remote 'ghost'"),
    ],
)
def test_a_setting_that_cannot_be_used_is_taken_out(root, name, setting, why):
    """A cache among the data, or no folder; a default remote to which nothing would be pushed. Other settings stay."""
    (root / name).write_text(setting + "['remote \"other\"']\n    url = /other\n")

    assert re.fullmatch(f"{name} cannot be used: {why}", follow(root))
    assert "url = /other" in (root / name).read_text()


@pytest.mark.parametrize("name", [".dvc/config", ".dvc/config.local"])
@pytest.mark.parametrize(
    ("make", "why"),
    [
        (Path.mkdir, "it is a folder, not a file"),
        (os.mkfifo, "it is a pipe or a device, not a file"),
        (lambda path: path.symlink_to(path.name), "Too many levels of symbolic links"),
        (lambda path: path.write_bytes(b"\xff"), "it is not UTF-8: line 1"),
        (lambda path: path.write_bytes(b"#" * (2 << 20)), "it has more than 1,048,576 bytes"),
        (
            lambda path: path.write_text("[core]\n    analytics = perhaps\n"),
            "config file error: expected true or false",
        ),
        (
            lambda path: path.write_text("['remote \"x\"']\n    url = /x\n    nonsense = 1\n"),
            "config file error: extra keys",
        ),
    ],
)
def test_a_file_that_cannot_be_read_is_set_aside(root, name, make, why):
    """The one that is broken, not the other; none blocks."""
    (root / name).unlink(missing_ok=True)
    make(root / name)

    assert follow(root).startswith(f"{name} cannot be read: {why}")
    assert os.path.lexists(root / ".state/damaged" / name)


@pytest.mark.parametrize("make", [lambda _: None, Path.touch])
def test_a_checkout_without_its_folder_gets_it_back(root, make):
    """Missing, or a file."""
    (root / ".dvc").rename(root / "away")
    make(root / ".dvc")

    assert follow(root).endswith("and DVC needs it for versions")


def test_the_users_own_configuration_is_named(root, tmp_path, monkeypatch):
    """It lies in the home, whose path may have spaces, not in the checkout."""
    monkeypatch.setenv("HOME", str(tmp_path / "a home"))
    own = tmp_path / "a home/.config/dvc/config"
    own.parent.mkdir(parents=True)
    own.write_text("[core]\n    nonsense = 1\n")

    assert follow(root).startswith(f"{own} cannot be read: config file error")
    assert own.with_name("config.damaged").exists()


@pytest.mark.parametrize("name", [".dvc/config", ".dvc/config.local"])
def test_a_cache_elsewhere_is_used(root, tmp_path, name):
    """Relative to the file that names it, or absolute."""
    for text in ("../../cache", str(tmp_path / "cache")):
        (root / name).write_text(f"[cache]\n    dir = {text}\n")
        cache = read_config(root).cache

        assert Path(os.path.realpath(cache)) == tmp_path / "cache/files/md5"
