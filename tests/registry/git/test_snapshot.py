import os
import shutil
import signal
import subprocess
import sys

import pytest

from registry.dvc.config import read_config
from registry.git import snapshot as module
from registry.git.snapshot import NoSuchTagError, RecordError, completed, lay_out, record, tag, tagged, worktree
from registry.subprocesses import dvc
from tests.support.repos import ROOT, code_repo, git, silence, versioned_repo


@pytest.fixture
def home(monkeypatch, tmp_path):
    """An empty home."""
    silence(monkeypatch, tmp_path / "home")
    (tmp_path / "home").mkdir()


@pytest.fixture
def repo(home, tmp_path):  # noqa: ARG001 - for its effect
    """A checkout with a graph of stages and no data."""
    return code_repo(tmp_path / "checkout")


@pytest.fixture
def versioned(home, tmp_path):  # noqa: ARG001 - for its effect
    """A checkout whose data has a version."""
    return versioned_repo(tmp_path / "checkout")


def untouched(root):
    """The state that a record must not change: HEAD, branches, index, status."""
    index = (root / ".git" / "index").read_bytes()
    return (root / ".git" / "HEAD").read_text(), git(root, "branch", "--verbose"), index, git(root, "status", "--short")


def changed(root):
    """A checkout with a file edited, one removed, one staged, one new and one that git ignores."""
    (root / "params.yaml").write_text("edited\n")
    (root / "steps" / "clean.py").unlink()
    (root / "staged.py").write_text("staged\n")
    git(root, "add", "staged.py")
    (root / "staged.py").write_text("staged, then edited\n")
    (root / "ново имя.py").write_text("new\n")
    (root / "datasets").mkdir()
    (root / "datasets" / "picture.png").write_text("ignored")


def test_is_completed_by_what_the_stages_made(repo):
    """dvc.lock of after the run joins the tree of before it; what was edited meanwhile does not."""
    kept = record(repo, "run")
    (repo / "dvc.lock").write_text("made\n")
    (repo / "params.yaml").write_text("edited while it ran\n")
    before = untouched(repo)

    whole = completed(repo, kept, "run")

    assert git(repo, "show", f"{whole.commit}:dvc.lock") == "made\n"
    assert git(repo, "show", f"{whole.commit}:params.yaml") == git(repo, "show", f"{kept.commit}:params.yaml")
    assert completed(repo, whole, "run") == whole
    assert untouched(repo) == before


def test_holds_the_exact_tree(repo):
    """The record has the files as they lie; branch, index and work tree stay as they are."""
    changed(repo)
    before = untouched(repo)
    kept = record(repo, "run")

    names = git(repo, "ls-tree", "-r", "-z", "--name-only", kept.commit).split("\0")
    assert untouched(repo) == before
    assert git(repo, "show", f"{kept.commit}:params.yaml") == "edited\n"
    assert git(repo, "show", f"{kept.commit}:staged.py") == "staged, then edited\n"
    assert "ново имя.py" in names
    assert not {"steps/clean.py", "datasets/picture.png"} & set(names)
    assert (kept.branch, kept.dirty) == ("main", True)


def test_needs_no_identity(repo, monkeypatch):
    """With no name configured, and no home at all, the record is the software's own."""
    monkeypatch.delenv("HOME")
    (repo / "params.yaml").write_text("edited\n")
    kept = record(repo, "run")

    assert git(repo, "show", "--no-patch", "--format=%an|%ce|%P|%s", kept.commit).strip() == (
        f"Rushes|rushes@localhost|{git(repo, 'rev-parse', 'HEAD').strip()}|run"
    )


def test_same_tree_same_commit(repo):
    """A run in which nothing changed records nothing new; a clean tree is HEAD itself."""
    clean = record(repo, "run")
    (repo / "new.py").write_text("1\n")
    first, second = record(repo, "run"), record(repo, "run")
    (repo / "new.py").write_text("2\n")

    assert (clean.commit, clean.dirty) == (git(repo, "rev-parse", "HEAD").strip(), False)
    assert first == second != record(repo, "run")


def test_own_outcome_is_not_a_change(repo):
    """A run writes dvc.lock: tracked or not, it is a part of the record and no uncommitted change; others are named."""
    (repo / "dvc.lock").write_text("schema: '2.0'\n")
    untracked = record(repo, "run")
    git(repo, "add", "dvc.lock")
    git(repo, "commit", "--quiet", "--message", "lock")
    (repo / "dvc.lock").write_text("schema: '2.1'\n")
    tracked = record(repo, "run")
    (repo / "params.yaml").write_text("edited\n")

    assert (untracked.dirty, tracked.dirty) == (False, False)
    assert git(repo, "show", f"{tracked.commit}:dvc.lock") == "schema: '2.1'\n"
    assert record(repo, "run").changed == ("params.yaml",)


def test_before_the_first_commit(repo):
    """A repository without a commit gets a record without a parent."""
    git(repo, "update-ref", "-d", "HEAD")
    kept = record(repo, "run")

    assert kept.dirty
    assert git(repo, "rev-list", kept.commit).split() == [kept.commit]
    assert git(repo, "show", f"{kept.commit}:steps/train.py") == "# train\n"


def test_detached(repo):
    """If no branch is checked out, the record has none."""
    git(repo, "checkout", "--quiet", "--detach")

    assert record(repo, "run").branch == ""


def test_repository_of_another_user(repo, monkeypatch):
    """Git refuses a tree that belongs to somebody else; the record is made all the same."""
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    (repo / "new.py").write_text("1\n")
    with pytest.raises(subprocess.CalledProcessError):
        git(repo, "status")

    assert record(repo, "run").dirty


def test_no_repository(tmp_path):
    """For a downloaded archive the error states what is missing."""
    with pytest.raises(RecordError, match="not a git repository") as refused:
        record(tmp_path, "run")

    assert refused.value.remedy == f"git -C {tmp_path} init"


def test_no_git(repo, monkeypatch):
    """A machine without git gets an error."""
    monkeypatch.setenv("PATH", "")
    with pytest.raises(RecordError, match="git is not installed"):
        record(repo, "run")


def test_outlives_garbage_collection(repo):
    """A ref keeps the record."""
    (repo / "new.py").write_text("1\n")
    kept = record(repo, "run")
    git(repo, "gc", "--quiet", "--prune=now")

    assert git(repo, "cat-file", "-t", kept.commit).strip() == "commit"


def test_sees_files_that_git_ignores_by_flag(repo):
    """A file marked as unchanged that has changed goes into the record, and stays marked."""
    git(repo, "update-index", "--assume-unchanged", "params.yaml")
    (repo / "params.yaml").write_text("edited\n")
    kept = record(repo, "run")

    assert git(repo, "show", f"{kept.commit}:params.yaml") == "edited\n"
    assert "h params.yaml" in git(repo, "ls-files", "-v")


def test_large_file_is_refused(repo, monkeypatch):
    """A film left beside the code does not get into .git; the remedy names it, quoted."""
    monkeypatch.setattr(module, "LARGEST_BYTES", 1000)
    (repo / "a film.mov").write_bytes(bytes(2000))
    with pytest.raises(RecordError, match=r"a film\.mov") as refused:
        record(repo, "run")
    subprocess.run(refused.value.remedy, shell=True, cwd=repo, check=True)  # noqa: S602 - what a person would paste

    assert record(repo, "run").commit


def test_tag(repo):
    """A tag is set once; on another commit it is refused, or moved where that is asked for."""
    first = record(repo, "run").commit
    (repo / "new.py").write_text("1\n")
    second = record(repo, "run").commit
    tag(repo, "expression/v1", first)
    tag(repo, "expression/v1", first)
    with pytest.raises(RecordError, match="exists already") as refused:
        tag(repo, "expression/v1", second)
    tag(repo, "expression/v1", second, move=True)

    assert refused.value.remedy.endswith("&& git tag -d expression/v1")
    assert git(repo, "rev-parse", "expression/v1").strip() == second


def test_tag_with_a_bad_name(repo):
    """Names that git would not accept are refused."""
    with pytest.raises(RecordError, match="check-ref-format"):
        tag(repo, "expression..v1", record(repo, "run").commit)


def test_worktree(versioned):
    """A worktree holds the record and shares the cache; the checkout does not change, and nothing stays behind."""
    (versioned / "params.yaml").write_text("edited\n")
    kept = record(versioned, "run")
    (versioned / "params.yaml").write_text("edited again\n")
    before = untouched(versioned)
    with worktree(versioned, kept.commit, versioned / ".state" / "tree") as tree:
        text, pulled = (tree / "params.yaml").read_text(), dvc(tree, "checkout", "datasets.dvc").returncode
        shard = (tree / "datasets" / "faces" / "studio" / "shard-000000.tar").read_bytes()
        inside = untouched(versioned), git(tree, "status", "--short")

    assert (text, pulled) == ("edited\n", 0)
    assert shard == (versioned / "datasets" / "faces" / "studio" / "shard-000000.tar").read_bytes()
    assert inside == (before, "")
    assert untouched(versioned) == before
    assert not tree.exists()
    assert len(git(versioned, "worktree", "list").splitlines()) == 1


def test_laid_out_tree_stays_with_its_data(versioned, tmp_path):
    """The commit that a tag names, beside the checkout; taken away and laid out again, also where a hand removed it."""
    tag(versioned, "expression/v1", record(versioned, "run").commit)
    commit, path = tagged(versioned, "expression/v1"), tmp_path / "v1"
    tree = lay_out(versioned, commit, path)

    assert dvc(tree, "checkout", "datasets.dvc").returncode == 0
    assert (tree / "datasets/faces/studio/shard-000000.tar").is_file()
    with pytest.raises(RecordError, match="is occupied"):
        lay_out(versioned, commit, path)
    shutil.rmtree(path)
    assert lay_out(versioned, commit, path) == path


def test_unknown_tag_is_reported_with_the_existing_ones(repo):
    """Exit status 3, the newest first; another family's are none of ours."""
    head = git(repo, "rev-parse", "HEAD").strip()
    for name in ("expression/v9", "expression/v10", "scene/v1"):
        tag(repo, name, head)

    with pytest.raises(NoSuchTagError, match=r"there are: expression/v10, expression/v9$") as caught:
        tagged(repo, "expression/v11")
    assert caught.value.exit_status == 3


@pytest.fixture
def quick(monkeypatch):
    """Worktrees without DVC, for what is git's alone."""
    monkeypatch.setattr(module, "_share_cache", lambda *_: None)


def test_worktree_shares_a_remote_beside_the_checkout(versioned, tmp_path):
    """A path in .dvc/config relative to the checkout means the same folder in the worktree; the checkout stays."""
    (tmp_path / "team").mkdir()
    assert dvc(versioned, "remote", "add", "--default", "team", "../team").returncode == 0
    git(versioned, "commit", "--quiet", "--all", "--message", "a remote")
    before = untouched(versioned)
    with worktree(versioned, "HEAD", versioned / ".state" / "tree") as tree:
        found = read_config(tree)

    assert (found.remote, found.url) == ("team", str(tmp_path / "team"))
    assert untouched(versioned) == before


@pytest.mark.usefixtures("quick")
def test_worktree_goes_when_the_run_fails(repo):
    """An error inside takes the worktree away and goes on."""
    path = repo / ".state" / "tree"
    with pytest.raises(ZeroDivisionError), worktree(repo, "HEAD", path):
        print((path / "left behind").write_text("new") // 0)

    assert not path.exists()


@pytest.mark.usefixtures("quick")
def test_worktree_of_a_killed_run_goes(repo):
    """The worktree of a killed run is removed by the next one, wherever it is; that of a live run stays."""
    code = (
        "import sys; from pathlib import Path; import registry.git.snapshot as r; r._share_cache = lambda *_: None\n"
        "with r.worktree(Path(sys.argv[1]), 'HEAD', Path(sys.argv[2])): print('in', flush=True); sys.stdin.read()"
    )
    old, new = repo / ".state" / "old", repo / ".state" / "new"
    with subprocess.Popen(
        [sys.executable, "-c", code, repo, old], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT
    ) as run:
        run.stdout.readline()
        with worktree(repo, "HEAD", new):
            beside_a_live_one = old.exists()
        os.kill(run.pid, signal.SIGKILL)
    with worktree(repo, "HEAD", new):
        left = old.exists()

    assert (beside_a_live_one, left) == (True, False)


@pytest.mark.usefixtures("quick")
def test_worktree_whose_making_is_killed_goes(repo):
    """Git and the run are killed while git lays out the files: the next worktree is made, and nothing is left."""
    code = (
        "import sys; from pathlib import Path; import registry.git.snapshot as r\n"
        "with r.worktree(Path(sys.argv[1]), 'HEAD', Path(sys.argv[2])): print('in')"
    )
    (repo / ".git" / "info" / "attributes").write_text("params.yaml filter=die\n")
    git(repo, "config", "filter.die.smudge", "kill -9 0")  # the whole group, in the middle of the checkout
    half, trials = repo / ".state" / "trials" / "half", repo / ".state" / "trials"
    words = [sys.executable, "-c", code, str(repo), str(half)]
    killed = subprocess.run(words, cwd=ROOT, check=False, capture_output=True, start_new_session=True)

    assert (killed.returncode, killed.stdout, half.exists()) == (-9, b"", True)
    assert "half" in git(repo, "worktree", "list")
    git(repo, "config", "filter.die.smudge", "cat")
    with worktree(repo, "HEAD", trials / "new") as tree:
        assert (tree / "params.yaml").read_bytes() == (repo / "params.yaml").read_bytes()
        assert [path.name for path in trials.iterdir()] == ["new"]
    assert not list((repo / ".git").glob("worktrees/*"))


def test_worktree_takes_nothing_away(repo):
    """A folder that is not a worktree of ours stays as it is."""
    path = repo / ".state" / "notes"
    path.mkdir(parents=True)
    (path / "note").write_text("mine")
    with pytest.raises(RecordError, match="is occupied"), worktree(repo, "HEAD", path):
        pass

    assert (path / "note").read_text() == "mine"


@pytest.mark.usefixtures("quick")
def test_worktree_runs_no_hook(repo):
    """A hook of the checkout has no effect."""
    hook = repo / ".git" / "hooks" / "post-checkout"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\ntouch hooked\nexit 1\n")
    hook.chmod(0o755)
    with worktree(repo, "HEAD", repo / ".state" / "tree") as tree:
        names = {path.name for path in tree.iterdir()}

    assert "params.yaml" in names
    assert "hooked" not in names


def test_worktree_of_nothing(repo):
    """A commit that is not there is git's error, and no folder stays."""
    with pytest.raises(RecordError, match="worktree failed"), worktree(repo, "0" * 40, repo / ".state" / "tree"):
        pass

    assert not (repo / ".state" / "tree").exists()
