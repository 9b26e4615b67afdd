import shutil
from pathlib import Path

import pytest
import yaml
from dvc.repo import Repo

from registry.dvc.stage_key import resolve, stage_key
from tests.support.repos import GRAPH, PARAMS, ROOT

SHIPPED = {name: (ROOT / name).read_text(encoding="utf-8") for name in ("dvc.yaml", "params.yaml")}


@pytest.fixture
def tree(tmp_path):
    """A tree with a graph, params and what `train@expression` depends on; no git, no DVC."""
    (tmp_path / "dvc.yaml").write_text(GRAPH)
    (tmp_path / "params.yaml").write_text(PARAMS)
    for name in ("build/clean/faces/train.npy", "build/clean/faces/deep/set.json", "steps/train.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    return tmp_path


def test_same_content_same_key(tree, tmp_path_factory):
    """A copy of the tree elsewhere, with other times, has the same key."""
    other = tmp_path_factory.mktemp("other") / "tree"
    shutil.copytree(tree, other, copy_function=shutil.copyfile)

    assert stage_key(tree, "train", "expression") == stage_key(other, "train", "expression")


def test_from_inside_the_tree_it_is_the_same_key(tree, monkeypatch):
    """A step runs in the root and uses `Path()`."""
    before = stage_key(tree, "train", "expression")
    monkeypatch.chdir(tree)

    assert stage_key(Path(), "train", "expression") == before


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("build/clean/faces/train.npy", "other data"),
        ("build/clean/faces/deep/more.json", "a file more"),
        ("steps/train.py", "other code"),
        ("params.yaml", PARAMS.replace("epochs: 3", "epochs: 4")),
        ("dvc.yaml", GRAPH.replace("steps train", "steps train ")),
    ],
)
def test_change_that_counts(tree, name, text):
    """Data, code, a param and the command change the key."""
    before = stage_key(tree, "train", "expression")
    (tree / name).write_text(text)

    assert stage_key(tree, "train", "expression") != before


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("build/clean/faces/__pycache__/x.pyc", "compiled"),
        ("build/clean/faces/.DS_Store", "a Mac was here"),
        ("steps/evaluate.py", "another stage's code"),
        ("params.yaml", PARAMS.replace("epochs: 5", "epochs: 6")),
    ],
)
def test_change_that_does_not_count(tree, name, text):
    """Caches, another stage's code and another family's params leave the key as it is."""
    before = stage_key(tree, "train", "expression")
    (tree / name).parent.mkdir(exist_ok=True)
    (tree / name).write_text(text)

    assert stage_key(tree, "train", "expression") == before


def test_moved_file_counts(tree):
    """The same bytes under another name are another set."""
    before = stage_key(tree, "train", "expression")
    (tree / "build/clean/faces/train.npy").rename(tree / "build/clean/faces/test.npy")

    assert stage_key(tree, "train", "expression") != before


def test_missing_dep(tree):
    """A dep that is not there is named."""
    shutil.rmtree(tree / "build")
    with pytest.raises(FileNotFoundError, match="run the stage before it"):
        stage_key(tree, "train", "expression")


@pytest.mark.parametrize(("stage", "item"), [("trian", "expression"), ("train", "expresion")])
def test_unknown(tree, stage, item):
    """For a mistyped stage or item the existing ones are listed."""
    with pytest.raises(KeyError, match="it has"):
        stage_key(tree, stage, item)


def test_list_of_items():
    """Over a list, DVC knows `item` alone; a variable that is the whole value keeps its type."""
    graph = {"stages": {"draw": {"foreach": ["a", "b"], "do": {"cmd": "draw ${item} ${n}", "deps": "${paths}"}}}}

    assert resolve(graph, {"n": 3, "paths": ["x", "y"]}, "draw", "b") == {"cmd": "draw b 3", "deps": ["x", "y"]}


@pytest.mark.parametrize(
    "texts", [(GRAPH, PARAMS), (SHIPPED["dvc.yaml"], SHIPPED["params.yaml"])], ids=["small", "shipped"]
)
def test_reads_the_graph_as_dvc_does(tmp_path, monkeypatch, texts):
    """Each stage resolves to the command, deps and params that DVC finds; the shipped graph, too."""
    (tmp_path / "dvc.yaml").write_text(texts[0])
    (tmp_path / "params.yaml").write_text(texts[1])
    monkeypatch.chdir(tmp_path)  # DVC names stages as seen from here
    monkeypatch.setenv("DVC_SITE_CACHE_DIR", str(tmp_path / "site"))
    with Repo.init(str(tmp_path), no_scm=True) as repo:
        found = {stage.addressing: (stage.cmd, _deps(stage), _params(stage)) for stage in repo.index.stages}
    graph, params = (yaml.safe_load(text) for text in texts)
    ours = {name: resolve(graph, params, *name.split("@")) for name in found}

    assert found
    assert found == {
        name: (one["cmd"], sorted(one.get("deps", [])), sorted(one.get("params", []))) for name, one in ours.items()
    }


def _deps(stage):
    return sorted(str(dep) for dep in stage.deps if not getattr(dep, "params", None))


def _params(stage):
    return sorted(name for dep in stage.deps for name in getattr(dep, "params", None) or [])
