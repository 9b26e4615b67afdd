import json
import os
import shutil

import pytest

from common.settings import RemoteSettings, Settings
from registry.dvc import dataset, versions
from registry.dvc.versions import VersionError
from tests.support.repos import git, lay_source

ALONE = Settings(remote=RemoteSettings(url=""))
SHARD = "datasets/faces/studio/shard-000000.tar"


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
