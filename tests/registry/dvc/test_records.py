"""Records of DVC that somebody else has written: none leads out of its folder, and none is a bug."""

import hashlib
import json
import os
import shutil

import pytest

from common.settings import RemoteSettings, Settings
from registry.dvc import pipeline, remote, verify, versions
from registry.dvc.dataset import object_path
from registry.dvc.pipeline import StageNode
from registry.dvc.records import VersionError, check_records, parse_listing
from rushes.errors import UserError
from tests.support.repos import ROOT, code_repo, silence

ZERO = "a0" * 16
LOCK = f"""\
schema: '2.0'
stages:
  train@expression:
    cmd: python -m steps train expression
    deps:
    - {{path: steps/train.py, hash: md5, md5: {ZERO}, size: 8}}
    outs:
    - {{path: build/expression/train, hash: md5, md5: {ZERO}.dir, size: 5, nfiles: 1}}
"""
DATA = f"outs:\n- {{md5: {ZERO}.dir, size: 10, nfiles: 2, hash: md5, path: datasets}}\n"
OUT, DEP = "path: build/expression/train", "path: steps/train.py"
EVALUATE = StageNode("evaluate@expression", "evaluate", "expression", "expression", ("train@expression",))


@pytest.fixture(scope="module")
def _template(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        silence(patch, tmp_path_factory.mktemp("home"))
        root = code_repo(tmp_path_factory.mktemp("template") / "checkout")
        (root / "dvc.lock").write_text(LOCK)
        (root / "datasets.dvc").write_text(DATA)
        return root


@pytest.fixture
def root(monkeypatch, tmp_path_factory, _template, tmp_path):
    """A checkout beside a file of its user."""
    silence(monkeypatch, tmp_path_factory.mktemp("home"))
    (tmp_path / "mine").write_text("mine")
    return shutil.copytree(_template, tmp_path / "checkout")


def edit(name, old, new):
    """Replaces a text in a file; `{mine}` stands for the path of the user's file."""

    def plant(root):
        text = (root / name).read_text()
        assert old in text
        (root / name).write_text(text.replace(old, new.replace("{mine}", str(root.parent / "mine")), 1))

    return plant


def lock(old, new):
    """The same in dvc.lock."""
    return edit("dvc.lock", old, new)


def data(old, new):
    """The same in datasets.dvc."""
    return edit("datasets.dvc", old, new)


def graph(out):
    """Another out of the stage train in dvc.yaml."""
    return edit("dvc.yaml", "- build/${key}/train\n  evaluate", f"- {out}\n  evaluate")


def whole(name, content):
    """Other content of a file."""
    return lambda root: (root / name).write_bytes(content)


def link(name, to):
    """A link in place of a file or folder."""

    def plant(root):
        shutil.rmtree(root / name, ignore_errors=True)
        (root / name).unlink(missing_ok=True)
        (root / name).symlink_to(root.parent / to)

    return plant


PLANTED = {
    **{f"lock: out {path}": lock(OUT, f"path: '{path}'") for path in (
        "../mine", "{mine}", "/dev/zero", "build/../../mine", ".git", "settings.toml", "build", "build/./x", "", "C:/x",
        "build\\..\\..\\x")},
    "lock: out without a path": lock(OUT, "desc: x"),
    "lock: out with files": lock(OUT, f"files: [], {OUT}"),
    "lock: dep outside": lock(DEP, "path: /dev/zero"),
    **{f"lock: md5 {md5}": lock(f"md5: {ZERO}.dir", f"md5: {md5}") for md5 in (
        "5", "xx{mine}", "../../x", "''", ZERO[1:], f"{ZERO}.DIR", "[a]")},
    **{f"lock: size {size}": lock("size: 5", f"size: {size}") for size in (-1, 10**30, "x", 1.5)},
    "lock: number of files": lock("nfiles: 1", f"nfiles: {10**12}"),
    **{f"lock: {text[:20]!r}": whole("dvc.lock", text) for text in (
        b"[1]", b"hello", b"stages: [1]", b"stages: {a: null}", b"stages: {a: {outs: x}}", b"<<<<<<< HEAD\na: 1\n",
        b"a: 1\na: 2\n", b"\xff", b"a: &a [*a]", b"!!python/none x", b"[" * 5000)},
    "lock: a link": link("dvc.lock", "mine"),
    **{f"graph: out {out}": graph(out) for out in (
        "../${key}", "/x/${key}", ".git/hooks", "settings.toml", "${key}/train", "build/${key}/../../x", "datasets/x",
        "../x: {cache: false}")},
    "graph: another folder": graph("build/x\n      wdir: .."),
    "graph: dep outside": edit("dvc.yaml", "- steps/train.py", "- /dev/zero"),
    "params: name of a collection": edit("params.yaml", "faces: {size", "../../faces: {size"),
    "params: collections a list": edit("params.yaml", "collections: {", "collections: [a]\nx: {"),
    "params: merge": whole("params.yaml", b"<<<<<<< HEAD\n"),
    "build a link": link("build", ""),
    "datasets a link": link("datasets", ""),
    **{f"data: md5 {md5}": data(f"md5: {ZERO}.dir", f"md5: {md5}") for md5 in ("5", "null", "xx{mine}", "../x", "[]")},
    "data: size": data("size: 10", "size: x"),
    "data: number of files": data("nfiles: 2", f"nfiles: {10**12}"),
    **{f"data: path {path}": data("path: datasets", f"path: {path}") for path in (".git", "../x", "/x", "[a]")},
    "data: two outs": data("outs:\n", f"outs:\n- {{path: steps, md5: {ZERO}.dir}}\n"),
    "data: a command": data("outs:", "cmd: touch here\nouts:"),
    "data: another folder": data("outs:", "wdir: ..\nouts:"),
    "data: empty": whole("datasets.dvc", b""),
    "data: no outs": whole("datasets.dvc", b"outs: 5"),
}  # fmt: skip


@pytest.mark.parametrize("name", PLANTED)
def test_planted_record_is_refused(root, name):
    """A user's error that names the file, with a remedy; the user's file stays, and no stage and no DVC starts."""
    PLANTED[name](root)

    with pytest.raises(VersionError) as refused:
        check_records(root)
    assert refused.value.kind == "user"
    assert refused.value.remedy
    assert "\n" not in str(refused.value)
    assert str(root.parent / "mine") not in refused.value.remedy
    assert (root.parent / "mine").read_text() == "mine"


@pytest.mark.parametrize("name", ["lock: out ../mine", "graph: out ../${key}", "data: md5 xx{mine}"])
def test_no_way_leads_around_the_check(root, name, monkeypatch, tmp_path):
    """Whatever would call DVC is refused before."""
    PLANTED[name](root)
    (tmp_path / "remote").mkdir()
    (root / ".dvc/tmp").mkdir()
    (root / "datasets/faces").mkdir(parents=True)
    (root / "datasets/faces/a.tar").write_text("picture")
    settings = Settings(remote=RemoteSettings(url=str(tmp_path / "remote")))
    for module in (pipeline, versions, remote):
        monkeypatch.setattr(module, "dvc", lambda *_, **__: pytest.fail("DVC was called"))
    monkeypatch.setattr(pipeline, "follow", lambda *_, **__: pytest.fail("DVC was called"))
    for act in (
        lambda: pipeline.stages(root, ["expression"]),
        lambda: pipeline.status(root, EVALUATE),
        lambda: pipeline.reproduce(root, EVALUATE, os.environ, tmp_path / "log"),
        lambda: versions.pull(root, settings),
        lambda: versions.commit(root, settings, starter=False),
        lambda: versions.restore(root, settings, (root / "datasets.dvc").read_text()),
        lambda: remote.push_version(root, settings),
    ):
        with pytest.raises(UserError) as refused:
            act()
        assert refused.value.remedy
    assert versions.state(root, settings).problem
    assert (root.parent / "mine").read_text() == "mine"


@pytest.mark.parametrize("name", ["dvc.lock", "datasets.dvc", "params.yaml", "dvc.yaml"])
@pytest.mark.parametrize("plant", [os.mkfifo, os.mkdir])
def test_pipe_or_folder_in_place_of_a_record(root, name, plant):
    """Nothing waits for it, and the remedy moves it away."""
    (root / name).unlink()
    plant(root / name)

    with pytest.raises(VersionError, match=f"{name} cannot be read: it is a") as refused:
        check_records(root)
    assert refused.value.remedy.startswith(f"mkdir -p .state/damaged && mv {name} .state/damaged/{name}")


def put(root, content, suffix=""):
    """Puts an object into the cache; returns its md5."""
    md5 = hashlib.md5(content, usedforsecurity=False).hexdigest() + suffix
    path = object_path(root / ".dvc/cache/files/md5", md5)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return md5


def listing(root, *names):
    """A list of files in the cache."""
    entries = [{"relpath": name, "md5": put(root, b"planted")} for name in names]
    return put(root, json.dumps(entries).encode(), ".dir")


@pytest.mark.parametrize(
    "name", ["../settings.toml", "../../here", "../.git/hooks/x", "faces/../../x", "/here", "", "a\\..\\b", 5]
)  # fmt: skip
@pytest.mark.parametrize("is_empty", [True, False])
def test_list_that_leaves_its_folder(root, name, is_empty, tmp_path):
    """A version's list, or a stage's, that names a file elsewhere: nothing is written."""
    md5 = listing(root, "faces/a.tar", name)
    (root / "datasets.dvc").write_text(DATA.replace(f"{ZERO}.dir", md5))
    (root / "dvc.lock").write_text(LOCK.replace(f"{ZERO}.dir", md5))
    if not is_empty:
        (root / "datasets").mkdir()
        (root / "datasets/b.tar").write_text("picture")
    before = {path for path in tmp_path.rglob("*") if ".dvc/" not in str(path)}

    with pytest.raises(VersionError, match="leaves its folder"):
        versions.pull(root, Settings())
    with pytest.raises(VersionError, match="leaves its folder"):
        verify.check_lists(root, pipeline.lock_stages(root), "train@expression")
    assert "leaves its folder" in versions.state(root, Settings()).problem
    assert {path for path in tmp_path.rglob("*") if ".dvc/" not in str(path)} == before


def test_link_in_datasets_is_not_written_through(root, tmp_path):
    """A folder of datasets/ that is a link elsewhere receives nothing."""
    (tmp_path / "elsewhere").mkdir()
    (root / "datasets").mkdir()
    (root / "datasets/b.tar").write_text("picture")
    (root / "datasets/faces").symlink_to(tmp_path / "elsewhere")
    (root / "datasets.dvc").write_text(DATA.replace(f"{ZERO}.dir", listing(root, "faces/a.tar")))

    with pytest.raises(VersionError, match=r"leads out of datasets/ through a link"):
        versions.pull(root, Settings())
    assert not list((tmp_path / "elsewhere").iterdir())


def test_list_with_other_md5s():
    """A path in place of an md5 is refused; text that is not a list gives None."""
    with pytest.raises(VersionError, match="not 32 hex digits"):
        parse_listing(json.dumps([{"relpath": "a", "md5": "xx/etc/passwd"}]))

    assert [parse_listing(text) for text in ("5", "[5]", "{", "[" * 100_000, '[{"relpath": "a"}]')] == [None] * 5


def test_records_of_the_project_are_accepted(root):
    """Those of the small checkout, and those that are shipped."""
    check_records(root)
    check_records(ROOT)
