"""The rules by which a version counts as pushed, on a remote that is a dict."""

import hashlib
import json
from pathlib import Path

import pytest

from registry.dvc import remote_contents
from registry.dvc.config import Config
from registry.dvc.dataset import object_path
from registry.dvc.records import VersionError
from registry.dvc.remote_contents import RemoteError, complete, find_version


def md5_of(content):
    """As DVC names an object."""
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


LIST = json.dumps([{"relpath": "faces/a.tar", "md5": md5_of(b"pictures")}]).encode()
FILE, VERSION = md5_of(b"pictures"), f"{md5_of(LIST)}.dir"


@pytest.fixture
def root(tmp_path, monkeypatch):
    """A checkout whose cache holds a version of one file."""
    for oid, content in {FILE: b"pictures", VERSION: LIST}.items():
        path = object_path(tmp_path / "cache", oid)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    monkeypatch.setattr(remote_contents, "read_config", lambda _: Config(tmp_path / "cache", "rushes", "s3://team"))
    return tmp_path


@pytest.fixture
def remote(monkeypatch):
    """Object -> content of a remote that holds all of the version."""
    held = {FILE: b"pictures", VERSION: LIST}

    def ask(_root, act, objects):
        if act == "send":
            held.update({oid: Path(path).read_bytes() for oid, path in objects.items()})
            return {}
        answers = {"sizes": (len, -1), "digests": (md5_of, "")}
        answer, nothing = answers[act]
        return {oid: answer(held[oid]) if oid in held else nothing for oid in objects}

    monkeypatch.setattr(remote_contents, "_ask", ask)
    return held


@pytest.mark.parametrize("plant", [{}, {FILE: b""}, {FILE: b"pict"}, {VERSION: LIST[:9]}, {FILE: b"p", VERSION: b""}])
def test_size_that_differs_is_sent_again(root, remote, plant):
    """A version counts as pushed when every object has the size that it has here."""
    remote.update(plant)

    assert len(complete(root, VERSION)) == len(plant)
    assert remote == {FILE: b"pictures", VERSION: LIST}


@pytest.mark.parametrize("oid", [FILE, VERSION])
def test_object_that_is_lost_is_sent_again(root, remote, oid):
    """That the list is there proves nothing of the files."""
    del remote[oid]

    assert len(complete(root, VERSION)) == 1
    assert remote == {FILE: b"pictures", VERSION: LIST}


def test_altered_content_needs_reading(root, remote):
    """The size alone does not reveal it; reading everything does."""
    remote[FILE] = b"Pictures"

    assert complete(root, VERSION) == []
    assert complete(root, VERSION, verify=True) == ["datasets/faces/a.tar"]
    assert remote[FILE] == b"pictures"


def test_damaged_cache_is_not_sent(root, remote):
    """Correct objects in the remote stay."""
    object_path(root / "cache", FILE).write_bytes(b"rot")
    with pytest.raises(VersionError, match="so it is not pushed"):
        complete(root, VERSION)

    assert remote[FILE] == b"pictures"


def test_remote_that_keeps_nothing(root, remote, monkeypatch):
    """Sent objects are checked again."""
    del remote[FILE]
    ask = remote_contents._ask
    monkeypatch.setattr(remote_contents, "_ask", lambda *words: {} if words[1] == "send" else ask(*words))
    with pytest.raises(VersionError, match="does not keep what it is sent"):
        complete(root, VERSION)


@pytest.mark.parametrize("digits", ["123abc", "*", "", VERSION[:5], "../../etc"])
def test_digits_that_name_no_version(root, digits):
    """They are refused; those of a version find it."""
    with pytest.raises(VersionError, match=r"has 0 versions of datasets/"):
        find_version(root, digits)

    assert find_version(root, VERSION[:6]) == find_version(root, VERSION) == VERSION


def test_silent_remote(root, monkeypatch):
    """One that does not answer in time is given up."""
    monkeypatch.setattr(remote_contents, "PATIENCE_S", 0.01)
    monkeypatch.setattr(remote_contents, "PATIENCE_PER_OBJECT_S", 0.0)
    with pytest.raises(RemoteError, match="did not answer within"):
        complete(root, VERSION)
