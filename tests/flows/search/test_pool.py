"""Trainings side by side, as processes of a planted stage; what cannot work is refused, and files are shared."""

from contextlib import closing
from types import SimpleNamespace

import pytest
import yaml

from common.settings import TrainingSettings
from flows.search import parallel
from flows.search.pool import Pool
from flows.search.request import SearchRequest
from flows.search.training import Job, TrialTree
from flows.search.trees import share
from models.family import Monitor
from rushes.errors import MisuseError
from tests.support.processes import runs
from tests.support.repos import ROOT
from tests.support.search_process import PlantedRuns

# Ends as soon as two have begun; one that is alone for too long fails.
STAGE = """
import os, sys, time
from pathlib import Path

trial = Path(os.environ["_RUSHES_TRIAL"])
trial.parent.mkdir(parents=True, exist_ok=True)
draft = trial.parent / f"{trial.name}.draft"
draft.write_text(str(os.getpid()))
draft.rename(draft.with_suffix(".pid"))  # so that a test never reads an empty one
until = time.monotonic() + 30
while len(list(trial.parent.glob("*.pid"))) < 2 and time.monotonic() < until:
    time.sleep(0.01)
if time.monotonic() > until:
    sys.exit(1)
if trial.name.startswith("long"):
    time.sleep(600)
out = Path("build/expression/train")
out.mkdir(parents=True)
(out / "history.csv").write_text("epoch,val/macro_f1\\n0,0.5\\n")
"""
LOCAL = {"engine": "local"}


@pytest.fixture
def pool(tmp_path):
    """Two trees with the planted stage."""
    values = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    trees = [TrialTree(tmp_path / name, "expression", values, ()) for name in ("1", "2")]
    for tree in trees:
        (tree.tree / "steps").mkdir(parents=True)
        (tree.tree / "steps" / "__init__.py").touch()
        (tree.tree / "steps" / "__main__.py").write_text(STAGE)
    return Pool(trees, PlantedRuns(), Monitor("val/macro_f1", "max"), tmp_path / "trials", tmp_path / "logs", 0.01)


def jobs(*names):
    """A function that returns one job after the other, then None."""
    found = iter([Job(name, name, {}) for name in names])
    return lambda: next(found, None)


def pids(pool):
    """Processes of the trainings that have begun, by name."""
    return {path.stem: int(path.read_text()) for path in pool.folder.glob("*.pid")}


def test_as_many_at_once_as_there_are_trees(pool):
    """The first two wait for each other; the third takes a free tree. Each has its folder, its log and its run."""
    trained = [(job.name, result.state) for job, result in pool.run(jobs("a", "b", "c"))]

    assert sorted(trained[:2]) == [("a", "complete"), ("b", "complete")]
    assert trained[2:] == [("c", "complete")]
    assert len(set(pids(pool).values())) == 3
    assert {path.name for path in pool.logs.iterdir()} == {"a.log", "b.log", "c.log"}
    assert sorted(pool.runs.closed) == ["a complete", "b complete", "c complete"]


@pytest.mark.parametrize("end", [KeyboardInterrupt, SystemExit])
def test_end_of_the_search_ends_all_trainings(pool, monkeypatch, end):
    """Whatever ends it while two are in progress: nothing is left running."""

    def look(_seconds):
        if len(pids(pool)) == 2:
            raise end

    monkeypatch.setattr("flows.search.pool.time", SimpleNamespace(sleep=look))
    with pytest.raises(end), closing(pool.run(jobs("long-1", "long-2", "never"))) as trainings:
        next(trainings)

    assert set(pids(pool)) == {"long-1", "long-2"}
    assert not any(runs(pid) for pid in pids(pool).values())


def test_trees_share_files_and_not_copies(tmp_path):
    """The packed set of the first tree takes no space in the others; it may lack settings."""
    packed = tmp_path / "1/build/expression/set/train.npy"
    packed.parent.mkdir(parents=True)
    packed.write_bytes(b"pictures")
    (tmp_path / "1/dvc.lock").write_text("schema: '2.0'")
    (tmp_path / "2").mkdir()
    share(tmp_path / "1", tmp_path / "2")

    assert (tmp_path / "2/build/expression/set/train.npy").samefile(packed)
    assert (tmp_path / "2/dvc.lock").read_text() == "schema: '2.0'"
    assert not (tmp_path / "2/dvc.lock").samefile(tmp_path / "1/dvc.lock")


def plan(count):
    """A plan of so many trainings at once."""
    return SimpleNamespace(request=SearchRequest("expression", 20, parallel=count))


@pytest.mark.parametrize(
    ("count", "training", "reason", "remedy"),
    [
        (5, LOCAL, "has 4 cores, too few for 5 processes", "--parallel 4, or set training.threads"),
        (2, LOCAL | {"devices": 3}, "too few for 6 processes", "leave out --parallel"),
        (2, {"engine": "ray"}, "a Ray cluster of its own", "ray start --head, and set training.address"),
        (1, {"engine": "torchrun", "num_nodes": 2}, "nobody would start", "set training.engine"),
        (5, {"engine": "torchrun"}, "has 4 cores", "--parallel 4, or set training.threads"),
        (2, {"engine": "torchrun", "address": "10.0.0.5:1"}, "cannot meet at one", 'training.address = ""'),
    ],
)
def test_what_cannot_work_is_refused(monkeypatch, count, training, reason, remedy):
    """With the values that would do; these are then accepted."""
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setattr(parallel, "cores", lambda: 4)
    with pytest.raises(MisuseError) as caught:
        parallel.check_engine(plan(count), TrainingSettings(**training))

    assert reason in str(caught.value)
    assert remedy in caught.value.remedy
    followed = {"threads": 1} | ({"num_nodes": 1, "address": ""} if training["engine"] == "torchrun" else LOCAL)
    parallel.check_engine(plan(count), TrainingSettings(**training | followed))


@pytest.mark.parametrize(
    ("training", "gpus", "threads", "visible"),
    [
        ({}, 0, ["2", "2", "2"], [None, None, None]),
        ({"threads": 1}, 0, [None, None, None], [None, None, None]),
        ({"accelerator": "cpu"}, 4, ["2", "2", "2"], [None, None, None]),
        ({}, 2, ["2", "2", "2"], ["0", "1", "0"]),
        ({"devices": 2}, 4, ["1", "1", "1"], ["0,1", "2,3", "0,1"]),
        ({"engine": "ray"}, 4, [None, None, None], [None, None, None]),
    ],
)
def test_shares_of_this_machine(monkeypatch, training, gpus, threads, visible):
    """Of eight cores and its GPUs; a Ray cluster gives each training what it asks for."""
    monkeypatch.setattr(parallel, "cores", lambda: 8)
    monkeypatch.setattr(parallel.torch.cuda, "is_available", lambda: gpus > 0)
    monkeypatch.setattr(parallel.torch.cuda, "device_count", lambda: gpus)
    monkeypatch.delenv(parallel.GPUS, raising=False)
    found = parallel.environments(TrainingSettings(**training), 3)

    assert [one.get("RUSHES_TRAINING__THREADS") for one in found] == threads
    assert [one.get(parallel.GPUS) for one in found] == visible
    assert parallel.environments(TrainingSettings(**training), 1) == [{}]
