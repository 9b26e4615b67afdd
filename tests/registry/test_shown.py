"""Commands of the registry that show a state or restore one thing: they name the fault, and it can be fixed."""

from __future__ import annotations

import json
import shutil
import subprocess

import pytest

from common.settings import Settings
from registry.dvc import pipeline, versions
from registry.dvc.dataset import read_version
from registry.dvc.faults import classify
from registry.dvc.pipeline import PipelineError
from registry.dvc.records import VersionError, check_records
from registry.dvc.remote import refused
from registry.dvc.remote_contents import object_path
from registry.git import snapshot
from registry.git.snapshot import RecordError
from registry.subprocesses import Result
from steps.runtime.failures import describe
from tests.support.repos import git, repo_with_environment, silence

SHARD = "datasets/faces/studio/shard-000000.tar"


@pytest.fixture(scope="module")
def _template(tmp_path_factory):
    """Two sources in a version that is committed."""
    with pytest.MonkeyPatch.context() as patch:
        silence(patch, tmp_path_factory.mktemp("home"))
        root = repo_with_environment(tmp_path_factory.mktemp("template") / "checkout")
        git(root, "add", "--all")
        git(root, "commit", "--quiet", "--message", "data")
        return root


@pytest.fixture
def root(monkeypatch, tmp_path_factory, _template, tmp_path):
    """The checkout."""
    silence(monkeypatch, tmp_path_factory.mktemp("home"))
    return shutil.copytree(_template, tmp_path / "a checkout", symlinks=True)


def shown(remedy, root):
    """Output of a command, as pasted."""
    words = ["/bin/sh", "-c", remedy]
    return subprocess.run(words, cwd=root, check=True, capture_output=True, text=True, stdin=subprocess.DEVNULL).stdout


def test_a_graph_that_dvc_refuses_is_in_the_difference(root):
    """With the line that does not belong there; without it the stages are read again."""
    before = (root / "dvc.yaml").read_text()
    (root / "dvc.yaml").write_text(
        before.replace("      cmd: python -m steps train", "      cmmd: python -m steps train")
    )
    with pytest.raises(PipelineError) as caught:
        pipeline.stages(root, ["expression"])
    output = shown(caught.value.remedy, root)
    wrong = [line[1:] for line in output.splitlines() if line.startswith("+ ")]
    (root / "dvc.yaml").write_text((root / "dvc.yaml").read_text().replace(wrong[0], wrong[0].replace("cmmd", "cmd")))

    assert len(wrong) == 1
    assert pipeline.stages(root, ["expression"])
    assert (root / "dvc.yaml").read_text() == before


def test_a_list_that_is_none_is_restored_from_the_history(root):
    """The log names the version before it; the data of both lie in the cache."""
    before = read_version(root).md5
    listing = json.dumps([{"relpath": "../outside", "md5": "0" * 32}])
    md5 = "1" * 32 + ".dir"
    path = object_path(root / ".dvc/cache/files/md5", md5)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(listing)
    (root / "datasets.dvc").write_text((root / "datasets.dvc").read_text().replace(before, md5))
    git(root, "commit", "--quiet", "--all", "--message", "another list")
    with pytest.raises(VersionError, match="leaves its folder") as caught:
        versions.pull(root, Settings())
    commits = [line.split()[1] for line in shown(caught.value.remedy, root).splitlines() if line.startswith("commit ")]
    git(root, "checkout", commits[1], "--", "datasets.dvc")
    versions.pull(root, Settings())

    assert read_version(root).md5 == before
    assert (root / SHARD).read_text() == "picture" * 100


@pytest.mark.parametrize(
    "error", ["Read-only file system: '{}'", "Permission denied: '{}'", "Permission denied: 'a/b'"]
)
def test_a_place_that_cannot_be_used_is_shown(root, error):
    """Its mount, or its owner and mode: of the nearest folder where the file itself does not exist."""
    fault = classify(root, error.format(root / "datasets/not there/x"))
    output = shown(fault.remedy, root)

    assert "TARGET" in output
    assert "drwx" in output
    assert (str(root / "datasets") in output) == ("{}" in error)


def test_a_stage_shows_the_same(root):
    """With the command of DVC's faults."""
    place = root / "datasets/not there/x"

    assert describe("train", "expression", PermissionError(13, "x", str(place))).remedy == classify(
        root, f"Permission denied: '{place}'").remedy  # fmt: skip


def test_a_link_in_the_data_is_replaced_by_its_files(root, tmp_path):
    """The link that the command finds; then the version is laid out, and what was linked to stays."""
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/mine.txt").write_text("mine")
    shutil.rmtree(root / "datasets/faces/studio")
    (root / "datasets/faces/studio").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(VersionError, match="through a link") as caught:
        versions.pull(root, Settings())
    [found] = shown(caught.value.remedy, root).splitlines()
    (root / found).unlink()
    shutil.copytree(tmp_path / "elsewhere", root / found)
    versions.pull(root, Settings())

    assert (root / SHARD).read_text() == "picture" * 100
    assert (tmp_path / "elsewhere/mine.txt").read_text() == "mine"


def test_a_folder_in_place_of_a_link(root, tmp_path):
    """The linked folder keeps what is in it."""
    (tmp_path / "big").mkdir()
    (tmp_path / "big/mine.txt").write_text("mine")
    (root / "build").symlink_to(tmp_path / "big")
    with pytest.raises(VersionError, match="is a link") as caught:
        check_records(root)
    shown(caught.value.remedy, root)

    check_records(root)
    assert (tmp_path / "big/mine.txt").read_text() == "mine"


@pytest.mark.parametrize("content", [b"rubbish" * 9, b"DIRC"])
def test_a_damaged_index_of_git_is_made_again(root, content):
    """The files stay as they are, and their changes are recorded."""
    (root / "new.py").write_text("1\n")
    (root / "params.yaml").write_text((root / "params.yaml").read_text() + "# edited\n")
    (root / ".git/index").write_bytes(content)
    with pytest.raises(RecordError) as caught:
        snapshot.record(root, "run")
    shown(caught.value.remedy, root)

    assert snapshot.record(root, "run").changed == ("new.py", "params.yaml")
    assert (root / ".git/index.damaged").read_bytes() == content


def test_a_damaged_object_of_git_is_named(root, tmp_path):
    """By the command; fetched again, or put back as here, the version is laid out."""
    oid = git(root, "rev-parse", "HEAD:params.yaml").strip()
    path = root / ".git/objects" / oid[:2] / oid[2:]
    right = path.read_bytes()
    path.chmod(0o644)
    path.write_bytes(b"rubbish")
    commit = git(root, "rev-parse", "HEAD").strip()
    with pytest.raises(RecordError) as caught:
        snapshot.lay_out(root, commit, tmp_path / "v1")
    done = subprocess.run(["/bin/sh", "-c", caught.value.remedy], cwd=root, capture_output=True, text=True, check=False)
    path.write_bytes(right)

    assert oid in done.stdout + done.stderr
    assert (snapshot.lay_out(root, commit, tmp_path / "v1") / "params.yaml").is_file()


def test_an_unknown_refusal_of_dvc_is_looked_into(root):
    """DVC describes itself and its repository."""
    error = refused(root, Result(1, "", "ERROR: something new"))

    assert "DVC version" in shown(error.remedy, root)
