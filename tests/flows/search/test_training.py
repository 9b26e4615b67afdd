"""One training as a process: its epochs, its end, and its failures. A planted stage replaces the real one."""

import json
import signal
import time

import pytest
import yaml

from flows.search import training as module
from flows.search.training import Job, TrialTree
from tests.support.processes import runs
from tests.support.repos import ROOT
from tests.support.s3 import ROOT as S3
from tests.support.s3 import s3_server
from training import storage

STAGE = """
import json, os, signal, sys, time
from pathlib import Path
import yaml

epochs, path = int(os.environ.get("PLANTED_EPOCHS", "3")), Path(os.environ["_RUSHES_TRIAL"], "epochs.json")
train = yaml.safe_load(Path("params.yaml").read_text())["expression"]["train"]
print("training with", train["dropout"], os.environ["_RUSHES_TRIAL"], os.environ["_RUSHES_MLFLOW_RUN"], flush=True)
Path("pid").write_text(str(os.getpid()))
path.parent.mkdir(parents=True, exist_ok=True)
rows = [{"epoch": epoch, "val/macro_f1": 0.1 * epoch} for epoch in range(epochs)]
for count in range(1, epochs + 1):
    part = path.with_suffix(".part")
    part.write_text(json.dumps(rows[:count]))
    part.replace(path)
end = os.environ.get("PLANTED_END", "")
if end == "hang":
    time.sleep(600)
if end == "die":
    os.kill(os.getpid(), signal.SIGSEGV)
if end:
    folder = Path("build/failures")
    folder.mkdir(parents=True, exist_ok=True)
    fault = {"stage": "train", "item": "expression", "kind": "user", "message": end, "remedy": ""}
    (folder / "train@expression.json").write_text(json.dumps(fault))
    sys.exit(1)
out = Path("build/expression/train")
out.mkdir(parents=True)
lines = ["epoch,val/macro_f1"] + [f"{row['epoch']},{row['val/macro_f1']!r}" for row in rows]
(out / "history.csv").write_text("\\n".join(lines))
"""
CHANGES = {"expression.train.dropout": 0.25}


@pytest.fixture
def tree(tmp_path):
    """A tree with the planted stage, as `python -m steps` finds it."""
    (tmp_path / "tree" / "steps").mkdir(parents=True)
    (tmp_path / "tree" / "steps" / "__init__.py").touch()
    (tmp_path / "tree" / "steps" / "__main__.py").write_text(STAGE)
    values = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    return TrialTree(tmp_path / "tree", "expression", values, ())


def start(tree, stop=lambda _row, _seconds: False):
    """The same, in progress."""
    folder = tree.tree.parent
    return tree.start(Job("trial", "trial", CHANGES, stop), folder / "state", folder / "logs" / "trial.log", "run-7")


def train(tree, stop=lambda _row, _seconds: False):
    """One training with another dropout."""
    training = start(tree, stop)
    while (trained := training.poll()) is None:
        time.sleep(0.01)
    return trained


def test_complete(tree):
    """All epochs in order, exactly as the history has them; the process had the params, the state and the run."""
    seen = []
    trained = train(tree, lambda row, _seconds: seen.append(row))
    log = (tree.tree.parent / "logs" / "trial.log").read_text()

    assert (trained.state, trained.reason) == ("complete", "")
    assert trained.rows == seen == [{"epoch": float(epoch), "val/macro_f1": 0.1 * epoch} for epoch in range(3)]
    assert f"training with 0.25 {tree.tree.parent / 'state'} run-7" in log


@pytest.mark.parametrize("end", ["hang", ""])
def test_pruned(tree, monkeypatch, end):
    """It ends at the epoch that decides, whether its process still runs or was faster than the search."""
    monkeypatch.setenv("PLANTED_END", end)
    trained = train(tree, lambda row, _seconds: row["epoch"] == 1)

    assert (trained.state, [row["epoch"] for row in trained.rows]) == ("pruned", [0, 1])
    assert not runs(int((tree.tree / "pid").read_text()))


@pytest.mark.parametrize(
    ("end", "reason"),
    [
        ("die", f"ended with signal {signal.SIGSEGV.value} and no record"),
        ("the loss became NaN", "the loss became NaN"),
    ],
)
def test_failed(tree, monkeypatch, end, reason):
    """The reason is the stage's own record, or the signal that ended it; the epochs so far are kept."""
    monkeypatch.setenv("PLANTED_END", end)
    trained = train(tree)

    assert trained.state == "failed"
    assert reason in trained.reason
    assert len(trained.rows) == 3


def test_a_record_of_an_earlier_failure_is_not_taken(tree, monkeypatch):
    """Two trainings one after the other: the second dies without a record."""
    monkeypatch.setenv("PLANTED_END", "out of memory")
    train(tree)
    monkeypatch.setenv("PLANTED_END", "die")

    assert "out of memory" not in train(tree).reason


def test_epochs_of_a_killed_training_count(tree):
    """A training that continues after a kill reports its earlier epochs first: they are in the file already."""
    state = tree.tree.parent / "state"
    state.mkdir()
    (state / "epochs.json").write_text(json.dumps([{"epoch": 0, "val/macro_f1": 0.0}]))
    seen = []
    train(tree, lambda row, _seconds: seen.append(row["epoch"]))

    assert seen == [0, 1, 2]


def test_epochs_on_s3(tree, monkeypatch):
    """A training on nodes that share a bucket alone is ended by what is there; a service that is away ends nothing."""
    monkeypatch.setenv("PLANTED_END", "hang")
    monkeypatch.setattr(module, "S3_POLL_S", 0.0)
    with s3_server():
        folder = storage.place_of(f"{S3}/trial")
        job = Job("trial", "trial", CHANGES, lambda row, _seconds: row["epoch"] == 1)
        training = tree.start(job, folder, tree.tree.parent / "logs" / "trial.log", "run-7")
        nothing = training.poll()
        storage.replace(folder / "epochs.json", json.dumps([{"epoch": epoch} for epoch in range(3)]).encode())
        with monkeypatch.context() as patch:
            patch.setattr(storage, "read", raise_away)
            away = training.poll()
        trained = training.poll()

    assert (nothing, away) == (None, None)
    assert (trained.state, len(trained.rows)) == ("pruned", 2)
    assert not runs(training.pid)


def raise_away(path):
    """Replaces a read from a service that does not answer."""
    message = f"{path} cannot be used"
    raise storage.StorageError(message, "", kind="transient")
