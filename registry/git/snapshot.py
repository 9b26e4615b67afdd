"""Records: the exact tree that ran, stored as a commit; branch, index and work tree are not changed.

A record is made through a temporary index, with its author in the environment, so it needs no git identity and leaves
nothing staged. Its dates are those of HEAD: the same tree on the same HEAD is the same commit, on any machine. A ref
under refs/rushes/records/ protects it from `git gc`.
"""

from __future__ import annotations

import re
import shlex
import shutil
import socket
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from common.commands import unused
from registry.dvc.config import read_config
from registry.dvc.faults import restore
from registry.dvc.records import VersionError
from registry.subprocesses import dvc, git
from rushes.errors import NOTHING_FITS, UserError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from registry.subprocesses import Result

NAME, EMAIL = "Rushes", "rushes@localhost"
OWNED = "rushes"  # first word of the lock reason of our worktrees
OUTCOME = "dvc.lock"  # part of every record, tracked in git or not
LARGEST_BYTES = 50 * 2**20  # a film beside the code would stay in .git for good


class RecordError(UserError):
    """Raised if git cannot store a record here; `remedy` is a command or an action that fixes it."""


class NoSuchTagError(RecordError):
    """Raised if there is no such tag here."""

    default_exit_status = NOTHING_FITS


@dataclass(frozen=True)
class Record:
    """A commit of the exact tree that ran."""

    commit: str  # 40 hex digits
    branch: str  # "" if HEAD is detached
    dirty: bool  # files other than dvc.lock, which every run writes, differ from HEAD
    changed: tuple[str, ...] = ()  # those files


def record(root: Path, message: str) -> Record:
    """Writes the tree as a commit: tracked files in their current state, and untracked ones that git does not ignore.

    Args:
        root: The checkout, or a linked worktree of it.
        message: The first line of the commit. Without a time in it, the same tree gives the same commit.

    Raises:
        RecordError: There is no git or no repository, it cannot be written, or there is a large untracked file.
    """
    _check_repository(root)
    _check_sizes(root)
    head = _try(root, "rev-parse", "--verify", "--quiet", "HEAD^{commit}")
    tree = _write_tree(root)
    same = bool(head) and tree == _out(root, "rev-parse", f"{head}^{{tree}}")
    commit = head if same else _commit(root, tree, head, message)
    _out(root, "update-ref", f"refs/rushes/records/{commit}", commit)
    changed = _changed(root, head, tree) if head and not same else ()
    branch = _try(root, "symbolic-ref", "--quiet", "--short", "HEAD")
    return Record(commit, branch, dirty=not head or bool(changed), changed=changed)


def _changed(root: Path, head: str, tree: str) -> tuple[str, ...]:
    """Files that a person has changed since HEAD. DVC writes dvc.lock in every run, and forbids git to ignore it."""
    names = _out(root, "diff-tree", "-r", "--name-only", "--no-renames", "-z", head, tree).split("\0")
    return tuple(name for name in names if name and name != OUTCOME)


def completed(root: Path, kept: Record, message: str) -> Record:
    """The record with one file updated: dvc.lock, which the stages write as they run.

    Everything else is as it was when the run began, whatever has been edited since.

    Raises:
        RecordError: It cannot be written.
    """
    if not (root / OUTCOME).is_file():
        return kept
    with tempfile.TemporaryDirectory(prefix="rushes-record-") as folder:
        env = {"GIT_INDEX_FILE": str(Path(folder) / "index")}
        _out(root, "read-tree", kept.commit, env=env)
        _out(root, "add", "--force", "--", OUTCOME, env=env)
        tree = _out(root, "write-tree", env=env)
    if tree == _out(root, "rev-parse", f"{kept.commit}^{{tree}}"):
        return kept
    commit = _commit(root, tree, kept.commit, message)
    _out(root, "update-ref", f"refs/rushes/records/{commit}", commit)
    return replace(kept, commit=commit)


def tag(root: Path, name: str, commit: str, *, move: bool = False) -> None:
    """Tags a commit, for instance `expression/v3`; does nothing if the tag exists already.

    Args:
        root: The checkout.
        name: The tag.
        commit: The commit.
        move: Move a tag of another commit (a registry that was set up again counts from 1).

    Raises:
        RecordError: The tag is on another commit, or git refuses it.
    """
    there = _try(root, "rev-parse", "--verify", "--quiet", f"refs/tags/{name}^{{commit}}")
    if there == commit:
        return
    if there and not move:
        problem = f"the tag {name} exists already and is on {there[:12]}, not {commit[:12]}"
        raise RecordError(problem, f"git tag {_unused_tag(root, f'{name}.before')} {there} && git tag -d {name}")
    _out(root, "check-ref-format", f"refs/tags/{name}")
    _out(root, "update-ref", f"refs/tags/{name}", f"{commit}^{{commit}}")


def _unused_tag(root: Path, name: str) -> str:
    """The name, or the first of `name.2`, `name.3`, ... that is not a tag."""
    taken = set(_try(root, "tag", "--list", f"{name}*").split())
    names = (name if number == 1 else f"{name}.{number}" for number in count(1))
    return next(one for one in names if one not in taken)


@contextmanager
def worktree(root: Path, commit: str, path: Path) -> Iterator[Path]:
    """A temporary linked worktree of a commit, with the checkout's DVC cache and remote.

    Worktrees that killed runs have left are removed first, wherever they are. The checkout is not changed, except for
    .git/worktrees.

    Args:
        root: The checkout.
        commit: The commit to check out, for instance a record.
        path: Path of the worktree; in a folder that git ignores, such as .state/.

    Raises:
        RecordError: The commit does not exist, or `path` is occupied.
    """
    path = path.absolute()
    _remove_left(root)
    _check_free(path)
    _out(root, "worktree", "add", "--quiet", "--detach", "--lock", "--reason", _owner(), str(path), commit)
    try:
        _share_cache(root, path)
        yield path
    finally:
        _remove(root, path)


def lay_out(root: Path, commit: str, path: Path) -> Path:
    """A permanent linked worktree of a commit, with the checkout's DVC cache and remote.

    Args:
        root: The checkout.
        commit: The commit to check out.
        path: Path of the worktree; an empty folder or none.

    Raises:
        RecordError: `path` is occupied, or git refuses it.
    """
    path = path.absolute()
    _check_free(path)
    git(root, "worktree", "prune")  # entries of manually removed folders
    _out(root, "worktree", "add", "--quiet", "--detach", str(path), commit)
    try:
        _share_cache(root, path)
    except (RecordError, VersionError):  # the next attempt must not find its place occupied by this one
        _remove(root, path)
        raise
    return path


def tagged(root: Path, name: str) -> str:
    """The commit of a tag.

    Raises:
        NoSuchTagError: There is none here; the message lists those of the family.
    """
    _check_repository(root)
    commit = _try(root, "rev-parse", "--verify", "--quiet", f"refs/tags/{name}^{{commit}}")
    if not commit:
        there = _try(root, "tag", "--list", f"{name.partition('/')[0]}/v*", "--sort=-version:refname").split()
        message = f"there is no tag {name} in this checkout; there are: {', '.join(there[:10]) or 'none of its family'}"
        raise NoSuchTagError(message, "git fetch --tags   # brings those of the machine that registered it")
    return commit


def _check_free(path: Path) -> None:
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        message = f"{path} is occupied: by a worktree of an active run, or by other files"
        raise RecordError(message, f"mv {shlex.quote(str(path))} {shlex.quote(unused(f'{path}.away', path.parent))}")


def _check_repository(root: Path) -> None:
    if shutil.which("git") is None:
        message = "git is not installed, but is needed to trace a run back to its code and data"
        raise RecordError(message, "apt-get install git")
    found = git(root, "rev-parse", "--git-dir")
    if found.returncode and "not a git repository" in _reason(found.stderr):
        message = f"{root} is not a git repository, so runs cannot be recorded (a downloaded archive has no .git)"
        raise RecordError(message, f"git -C {shlex.quote(str(root))} init")
    _checked(found.returncode, found.stderr, "rev-parse")


def _check_sizes(root: Path) -> None:
    """Refuses a large untracked file before it is added to .git, where it would stay."""
    listed = git(root, "ls-files", "--others", "--exclude-standard", "-z").stdout
    for name in filter(None, listed.split(b"\0")):
        path = root / name.decode("utf-8", "surrogateescape")
        size = 0 if path.is_symlink() or not path.is_file() else path.stat().st_size
        if size > LARGEST_BYTES:
            named = path.relative_to(root).as_posix()
            message = f"{named} ({size / 2**20:.0f} MB) is untracked and not ignored, and would go into the record"
            raise RecordError(message, _ignore(named))


def _ignore(name: str) -> str:
    """Command that makes git ignore exactly one file, whatever its name and the last line of .gitignore are."""
    pattern = "/" + re.sub(r"([\\*?\[ ])", r"\\\1", name)
    return f"printf '\\n%s\\n' {shlex.quote(pattern)} >> .gitignore"


def _write_tree(root: Path) -> str:
    """Writes a tree of the current files, through an index of our own."""
    index = root / _out(root, "rev-parse", "--git-path", "index")
    with tempfile.TemporaryDirectory(prefix="rushes-record-") as folder:
        ours = Path(folder) / "index"
        if index.is_file():  # has git's knowledge of unchanged files, which are then not read again
            shutil.copyfile(index, ours)
        env = {"GIT_INDEX_FILE": str(ours)}
        _look_at_all(root, env)
        _out(root, "add", "--all", env=env)
        return _out(root, "write-tree", env=env)


def _look_at_all(root: Path, env: Mapping[str, str]) -> None:
    """Reverts `git update-index --assume-unchanged`: the record must contain the actual files."""
    listed = git(root, "ls-files", "-v", "-z", env=env).stdout.split(b"\0")
    assumed = [entry[2:] for entry in listed if entry[:1].islower()]
    if assumed:
        _out(root, "update-index", "--no-assume-unchanged", "-z", "--stdin", env=env, feed=b"\0".join(assumed))


def _commit(root: Path, tree: str, head: str, message: str) -> str:
    date = (
        _out(root, "show", "--no-show-signature", "--no-patch", "--format=%cI", head)
        if head
        else "1970-01-01T00:00:00Z"
    )
    author = (("NAME", NAME), ("EMAIL", EMAIL), ("DATE", date))
    env = {f"GIT_{who}_{what}": value for who in ("AUTHOR", "COMMITTER") for what, value in author}
    parents = ["-p", head] if head else []
    return _out(root, "commit-tree", tree, *parents, "-m", message, env=env)


def _share_cache(root: Path, path: Path) -> None:
    """Gives a worktree the checkout's cache, and its remote with the credentials in config.local."""
    if not (path / ".dvc").is_dir():
        return
    local = root / ".dvc" / "config.local"
    if local.is_file():
        shutil.copy2(local, path / ".dvc" / "config.local")
    where = dvc(root, "cache", "dir")
    done = where if where.returncode else dvc(path, "cache", "dir", "--local", where.text.strip())
    done = done if done.returncode else _share_remote(root, path) or done
    if done.returncode:
        message = f"the worktree at {path} cannot share DVC's cache and remote: {done.reason}"
        raise RecordError(message, restore(root, ".dvc/config"))


def _share_remote(root: Path, path: Path) -> Result | None:
    """Copies the remote's absolute url: one relative to the checkout's .dvc/ would resolve against the worktree's."""
    ours, theirs = read_config(root), read_config(path)
    if not ours.remote or (ours.remote, ours.url) == (theirs.remote, theirs.url):
        return None
    return dvc(path, "remote", "modify", "--local", ours.remote, "url", ours.url)


def _owner() -> str:
    """Owner of a worktree in its lock reason: pid and start time, since the pid may be reused."""
    process = psutil.Process()
    return f"{OWNED} {socket.gethostname()} {process.pid} {process.create_time():.2f}"


def _remove_left(root: Path) -> None:
    """Removes our worktrees whose process is gone, complete or not."""
    git(root, "worktree", "prune")
    path = Path()
    for line in _try(root, "worktree", "list", "--porcelain").splitlines():
        word, _, rest = line.partition(" ")
        path = Path(rest) if word == "worktree" else path
        if word == "locked" and rest.startswith(OWNED) and _is_gone(rest):
            _remove(root, path)


def _is_gone(owner: str) -> bool:
    *_, host, pid, started = owner.split(" ")
    if host != socket.gethostname():
        return False
    try:
        return f"{psutil.Process(int(pid)).create_time():.2f}" != started
    except psutil.NoSuchProcess:
        return True


def _remove(root: Path, path: Path) -> None:
    git(root, "worktree", "remove", "--force", "--force", str(path))  # twice: it is locked
    shutil.rmtree(path, ignore_errors=True)
    git(root, "worktree", "unlock", str(path))
    git(root, "worktree", "prune")


def _out(root: Path, *words: str, env: Mapping[str, str] | None = None, feed: bytes = b"") -> str:
    done = git(root, *words, env=env, feed=feed)
    _checked(done.returncode, done.stderr, words[0])
    return done.stdout.decode("utf-8", "surrogateescape").strip()


def _try(root: Path, *words: str) -> str:
    """Output of git; empty if it fails."""
    return git(root, *words).stdout.decode("utf-8", "surrogateescape").strip()


def _checked(returncode: int, stderr: bytes, verb: str) -> None:
    if not returncode:
        return
    reason = _reason(stderr)
    remedy = "git fsck"  # names what is damaged
    if "insufficient permission" in reason or "Permission denied" in reason:
        remedy = 'sudo chown -R "$(id -u)" .git'
    elif "index file" in reason:  # it is made again from HEAD; the files stay
        remedy = 'index="$(git rev-parse --git-path index)" && mv "$index" "$index.damaged" && git reset'
    message = f"git {verb} failed: {reason}"
    raise RecordError(message, remedy)


def _reason(stderr: bytes) -> str:
    lines = [
        line for line in stderr.decode("utf-8", "replace").splitlines() if not line.startswith(("hint:", "warning:"))
    ]
    return "; ".join(lines) or "it gave no reason"
