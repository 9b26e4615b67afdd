"""Commands that the registry prints are run in a checkout with something to lose: they help, and nothing is lost."""

from __future__ import annotations

import shlex
import shutil
import subprocess

import pytest

from common.settings import RemoteSettings, Settings, SettingsFileError, load_settings
from registry.dvc import remote_contents, verify, versions
from registry.dvc.config import read_config
from registry.dvc.dataset import read_version
from registry.dvc.records import VersionError
from registry.dvc.remote import push_version, set_remote
from registry.dvc.verify import DamagedError
from registry.git import snapshot
from registry.git.snapshot import RecordError
from registry.signing import KeyFileError, new_pair
from tests.support.repos import code_repo, copy_without_make, git, lay_source, repo_with_environment, silence

SHARD = "datasets/faces/studio/shard-000000.tar"
MARKS = b"<<<<<<< HEAD\na: 1\n=======\na: 2\n>>>>>>> other\n"


@pytest.fixture(scope="module")
def _template(tmp_path_factory):
    """Two sources in a version that is committed."""
    with pytest.MonkeyPatch.context() as patch:
        silence(patch, tmp_path_factory.mktemp("home"))
        # Without an end of line, as some editors leave it.
        root = repo_with_environment(tmp_path_factory.mktemp("template") / "checkout", "/.venv\n/spent")
        git(root, "add", "--all")
        git(root, "commit", "--quiet", "--message", "data")
        return root


@pytest.fixture
def root(monkeypatch, tmp_path_factory, _template, tmp_path):
    """The checkout; `make` does nothing there."""
    silence(monkeypatch, tmp_path_factory.mktemp("home"))
    return copy_without_make(monkeypatch, _template, tmp_path)


def run(remedy, root):
    """As pasted."""
    subprocess.run(["/bin/sh", "-c", remedy], cwd=root, check=True, stdin=subprocess.DEVNULL, capture_output=True)


def follow(kind, act, root):
    """Runs the remedy of a failure, and the failed operation again."""
    with pytest.raises(kind) as refused:
        act()
    run(refused.value.remedy, root)
    return act()


@pytest.mark.parametrize(
    "name", ["take [2].mov", "!a.mov", "#1 what?.mov", "back\\slash*.mov", "it's.mov", "day/1.mov"]
)
def test_a_large_file_is_ignored_whatever_its_name(root, monkeypatch, name):
    """It alone, once; what was ignored before stays so, though .gitignore had no end of line."""
    monkeypatch.setattr(snapshot, "LARGEST_BYTES", 1000)
    (root / "spent").write_text("a password")
    (root / name).parent.mkdir(exist_ok=True)
    (root / name).write_bytes(bytes(2000))
    kept = follow(RecordError, lambda: snapshot.record(root, "run"), root)
    files = git(root, "ls-tree", "-rz", "--name-only", kept.commit).split("\0")

    assert (root / name).stat().st_size == 2000
    assert not {name, "spent", ".venv"} & set(files)


@pytest.mark.parametrize("name", ["settings.toml", ".dvc/config.local"])
def test_an_unreadable_file_with_a_password_stays_out_of_git(root, monkeypatch, name):
    """Its copies are kept apart, and no record has one."""
    monkeypatch.chdir(root)

    def read():
        load_settings()
        return read_config(root)

    for text in (b"password = first\xff", b"password = second\xff"):
        (root / name).write_bytes(text)
        follow((SettingsFileError, VersionError), read, root)
        copies = [path for path in (root / ".state/damaged").rglob("*") if path.is_file()]
        assert text in [path.read_bytes() for path in copies]
    files = git(root, "ls-tree", "-r", "--name-only", snapshot.record(root, "run").commit)

    assert len(copies) == 2
    assert name not in files


def test_a_file_that_is_unreadable_twice_overwrites_no_copy(root):
    """Both broken merges are there; the committed version is read."""
    md5 = read_version(root).md5
    for text in (MARKS, MARKS + b"2"):
        (root / "datasets.dvc").write_bytes(text)
        assert follow(VersionError, lambda: read_version(root), root).md5 == md5

    assert sorted(path.stat().st_size for path in (root / ".state/damaged").iterdir()) == [len(MARKS), len(MARKS) + 1]


def test_a_tag_that_is_taken_twice(root):
    """Every version can still be found under a tag of its own."""
    commits = []
    for number in range(3):
        (root / "new.py").write_text(f"{number}\n")
        commits.append(snapshot.record(root, "run").commit)
    snapshot.tag(root, "expression/v1", commits[0])
    for commit in commits[1:]:
        follow(RecordError, lambda commit=commit: snapshot.tag(root, "expression/v1", commit), root)
    tags = git(root, "for-each-ref", "--format=%(objectname)", "refs/tags").split()

    assert sorted(tags) == sorted(commits)


def test_a_place_that_is_occupied_twice(root, tmp_path):
    """Both obstacles are kept."""
    commit = git(root, "rev-parse", "HEAD").strip()
    for number in range(2):
        place = tmp_path / "it's v1"
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir()
        (place / "notes.txt").write_text(f"{number}")
        follow(RecordError, lambda: snapshot.lay_out(root, commit, tmp_path / "it's v1"), root)

    assert sorted(path.read_text() for path in tmp_path.rglob("notes.txt")) == ["0", "1"]


def test_edited_data_of_one_name_are_set_aside_side_by_side(root):
    """Two sources have a file of the same name; a second edit of one is kept too."""
    shards = [root / SHARD, root / SHARD.replace("studio", "day 2")]
    lay_source(root, "faces/day 2", starter=False, text="other")
    versions.commit(root, Settings(), starter=False)
    for text in ("first", "second"):
        for shard in shards:
            shard.chmod(0o644)
            shard.write_text(f"{text} edit of {shard.parent.name}")
        with pytest.raises(DamagedError) as damaged:
            verify.verify_data(root, "faces")
        run(damaged.value.remedy, root)
        versions.pull(root, Settings())
        verify.verify_data(root, "faces")

    kept = sorted(path.read_text() for path in (root / ".state/damaged").rglob("*") if path.is_file())
    assert kept == sorted(f"{text} edit of {name}" for text in ("first", "second") for name in ("studio", "day 2"))


@pytest.mark.parametrize("act", [versions.pull, push_version])
def test_a_version_that_was_deleted_comes_back(root, tmp_path, act):
    """From HEAD; the data are as before."""
    (tmp_path / "remote").mkdir()
    settings = Settings(remote=RemoteSettings(url=str(tmp_path / "remote")))
    before = (root / "datasets.dvc").read_text()
    (root / "datasets.dvc").unlink()
    follow(VersionError, lambda: act(root, settings), root)

    assert (root / "datasets.dvc").read_text() == before
    assert (root / SHARD).read_text() == "picture" * 100


def test_a_damaged_object_that_is_not_pushed_is_fetched_again(root, tmp_path):
    """The remote keeps the right content, which the cache gets back."""
    (tmp_path / "remote").mkdir()
    settings = Settings(remote=RemoteSettings(url=str(tmp_path / "remote")))
    versions.commit(root, settings, starter=False)
    cache, md5 = read_config(root).cache, read_version(root).md5
    kept = remote_contents.object_path(cache, remote_contents.listing_of(cache, md5)["faces/studio/shard-000000.tar"])
    (root / SHARD).unlink()
    kept.chmod(0o644)
    kept.write_text("rot")
    with pytest.raises(VersionError, match="is not pushed") as refused:
        push_version(root, settings)
    run(refused.value.remedy, root)
    versions.pull(root, settings)

    assert (root / SHARD).read_text() == kept.read_text() == "picture" * 100
    assert push_version(root, settings) == (md5, [])


def test_a_version_that_is_named_wrongly_is_in_the_history(root, tmp_path):
    """The command lists the md5 of each; one of them is accepted."""
    (tmp_path / "remote").mkdir()
    settings = Settings(remote=RemoteSettings(url=str(tmp_path / "remote")))
    with pytest.raises(VersionError, match="0 versions") as refused:
        push_version(root, settings, "abcdef123456")
    words = ["/bin/sh", "-c", refused.value.remedy]
    shown = subprocess.run(words, cwd=root, check=True, capture_output=True, text=True).stdout
    [md5] = [line.split()[-1] for line in shown.splitlines() if line.startswith("+- md5:")]

    assert push_version(root, settings, md5[:12])[0] == md5


def test_the_list_of_a_version_is_fetched(root, tmp_path):
    """From the remote; then the version can be pushed from here."""
    (tmp_path / "remote").mkdir()
    settings = Settings(remote=RemoteSettings(url=str(tmp_path / "remote")))
    md5 = versions.commit(root, settings, starter=False)
    shutil.rmtree(root / ".dvc/cache")

    assert follow(VersionError, lambda: push_version(root, settings), root) == (md5, [])


def test_a_folder_without_git_becomes_a_repository(tmp_path, monkeypatch):
    """A downloaded archive: after `git init` runs are recorded, and the data are versioned."""
    silence(monkeypatch, tmp_path / "home")
    root = code_repo(tmp_path / "an archive")
    shutil.rmtree(root / ".git")
    lay_source(root, "faces/studio", starter=False)
    follow(VersionError, lambda: versions.commit(root, Settings(), starter=False), root)
    shutil.rmtree(root / ".git")

    assert follow(RecordError, lambda: snapshot.record(root, "run"), root).dirty
    assert read_version(root).files == 2


def test_a_remote_from_the_environment(root, tmp_path, monkeypatch):
    """With a real URL in place of URL, the data come from there."""
    (tmp_path / "remote").mkdir()
    versions.commit(root, Settings(remote=RemoteSettings(url=str(tmp_path / "remote"))), starter=False)
    set_remote(root, Settings(), read_config(root))
    shutil.rmtree(root / ".dvc/cache")
    shutil.rmtree(root / "datasets")
    with pytest.raises(VersionError, match="no remote is configured") as refused:
        versions.pull(root, Settings())
    name, _, url = refused.value.remedy.partition("   #")[0].removeprefix("export ").partition("=")
    assert (name, url, versions.state(root, Settings()).remedy) == ("RUSHES_REMOTE__URL", "URL", refused.value.remedy)
    monkeypatch.chdir(root)
    monkeypatch.setenv(name, str(tmp_path / "remote"))
    versions.pull(root, load_settings())

    assert (root / SHARD).read_text() == "picture" * 100


def test_tags_of_another_machine_are_fetched(root, tmp_path):
    """From the remote of git."""
    git(root, "clone", "--quiet", "--bare", str(root), str(tmp_path / "team.git"))
    git(tmp_path / "team.git", "tag", "expression/v7", "main")
    git(root, "remote", "add", "origin", str(tmp_path / "team.git"))

    assert follow(RecordError, lambda: snapshot.tagged(root, "expression/v7"), root)


def test_keys_go_where_git_does_not_record_them(root):
    """The printed place; where a key exists, the other name, and the first key stays."""
    with (root / ".gitignore").open("a") as file:
        file.write("\n/keys/\n")
    with pytest.raises(KeyFileError) as refused:
        new_pair(root / "studio.pem", root)
    first = root / refused.value.remedy.split()[-1]
    new_pair(first, root)
    before = first.read_bytes()
    with pytest.raises(KeyFileError, match="exists already") as taken:
        new_pair(first, root)
    new_pair(root / taken.value.remedy.split()[-1], root)

    assert first.read_bytes() == before
    assert {path.stem for path in (root / "keys").glob("*.pem")} == {"studio", "studio-2"}


def test_the_first_data_are_ingested(root):
    """Into the collection of the command; also where a remote is configured and no commit has a version."""
    shutil.rmtree(root / "datasets")
    with pytest.raises(VersionError, match="nothing to version") as refused:
        versions.commit(root, Settings(), starter=False)
    git(root, "rm", "--quiet", "--cached", "datasets.dvc")
    git(root, "commit", "--quiet", "--message", "no data")
    (root / "datasets.dvc").unlink()
    remote = Settings(remote=RemoteSettings(url=str(root)))
    words = shlex.split(refused.value.remedy)
    assert versions.state(root, remote).remedy.startswith(refused.value.remedy)
    lay_source(root, f"{words[words.index('ingest') + 1]}/first", starter=False)

    assert versions.state(root, remote).present
    assert versions.commit(root, Settings(), starter=False)
    assert words[-1] == "PATH"


def test_a_worktree_without_a_cache_is_made_again(root, tmp_path):
    """Once DVC's configuration is restored: the failed attempt leaves nothing in its place."""
    (root / ".dvc/config").write_bytes(MARKS)
    commit = git(root, "rev-parse", "HEAD").strip()
    place = follow(RecordError, lambda: snapshot.lay_out(root, commit, tmp_path / "v1"), root)

    assert read_config(place).cache == read_config(root).cache
    assert (root / ".state/damaged/.dvc/config").read_bytes() == MARKS
