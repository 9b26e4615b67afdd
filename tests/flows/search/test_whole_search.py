"""A whole search on a tiny copy of the project: real servers, real trainings, killed in the middle and continued."""

import signal
import sqlite3
import time
from contextlib import closing
from itertools import product

import pytest
import yaml

from flows.servers.lock import run_lock
from report.search.result import SearchResult
from tests.support.processes import runs
from tests.support.project import LABELS, make_project, write_faces
from tests.support.repos import git
from tests.support.serving import end, left_behind

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

# By its seed, the first trial after the default is trained to its end, and the second one draws a batch of 48.
SEARCH = ("search", "expression", "--trials", "3", "--seeds", "2", "--seed", "3", "--only-ranges")
RANGES = ("--range", "train.learning_rate=0.02..0.1,log", "--range", "train.batch_size=32|48")
NESTED = """
    select runs.name, runs.status, tags.value from runs
    join tags on tags.run_uuid = runs.run_uuid and tags.key = 'mlflow.parentRunId' order by runs.name
"""
# Values of each nested run of a search, with its figures of the epochs as its process has logged them.
EPOCHS = """
    select runs.name, {values} from runs
    join tags on tags.run_uuid = runs.run_uuid and tags.key = 'mlflow.parentRunId'
    join tags as search on search.run_uuid = tags.value and search.key = 'rushes.search' and search.value = '{study}'
    join metrics on metrics.run_uuid = runs.run_uuid and metrics.key = 'val/macro_f1' group by runs.name
"""
TRIALS = ("trial 0", "trial 1", "trial 2")
DEADLINE_S = 300


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """The copy, with data and a network that hardly learns."""
    folder = tmp_path_factory.mktemp("searched")
    project = make_project(folder)
    project.set_train(learning_rate=1e-6)
    write_faces(folder / "day-1", (f"{label}/actor-{actor}" for label, actor in product(LABELS, range(12))), 0, 3)
    taken = project.flows("ingest", "faces", str(folder / "day-1"), "--layout", "{label}/{performer}/*")
    assert taken.returncode == 0, taken.stderr
    git(project.root, "add", "--all")
    git(project.root, "commit", "--quiet", "--message", "data and params")
    yield project
    end(project)


def kill_within_trials(project, command, *numbers):
    """Starts the search, and kills its process and no other while these trials are trained."""
    process = project.start(*command)
    until = time.monotonic() + DEADLINE_S
    while not all(list(project.root.glob(f".state/search/*/trial-{number}/epochs.json")) for number in numbers):
        assert process.poll() is None
        assert time.monotonic() < until
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert runs(process.pid) is False


def mlflow_rows(project, question):
    """Rows of MLflow's database, whose server has ended with the search."""
    with closing(sqlite3.connect(project.root / ".state/mlflow/mlflow.db")) as database:
        return database.execute(question).fetchall()


def test_killed_and_continued(project):
    """The same command ends the search: the killed trial is tried once more, the crash of another is recorded."""
    kill_within_trials(project, (*SEARCH, *RANGES), 1)
    output = project.flows(*SEARCH, *RANGES)
    [data] = project.root.glob("build/search/expression-*/search.json")
    result = SearchResult.model_validate_json(data.read_text())

    assert output.returncode == (0 if result.is_better else 3), output.stderr
    assert "trial 1 was interrupted; it is tried again" in output.stderr
    assert "1 of 3 trials done" in output.stderr
    assert result.verdict() in output.stdout
    assert [(trial.state, trial.attempts) for trial in result.trials] == [
        ("complete", 1),
        ("complete", 2),
        ("failed", 1),
    ]
    assert "does not divide" in result.trials[2].reason
    assert result.best.number == 1
    assert len(result.comparison.best) == len(result.comparison.default) == 2
    assert not left_behind(project)


def test_checkout_is_as_it_was_until_the_patch_is_applied(project):
    """Git sees no change and no worktree; `git apply` writes the params of the best trial."""
    [patch] = project.root.glob("build/search/expression-*/search.patch")
    best = SearchResult.model_validate_json(patch.with_name("search.json").read_text()).best
    changed, trees = project.changes(), git(project.root, "worktree", "list").splitlines()
    git(project.root, "apply", str(patch))
    train = yaml.safe_load((project.root / "params.yaml").read_text())["expression"]["train"]

    assert (changed, len(trees)) == (set(), 1)
    assert project.changes() == {" M params.yaml"}
    assert train["learning_rate"] == best.params["expression.train.learning_rate"]
    git(project.root, "checkout", "params.yaml")


def test_runs_in_mlflow(project):
    """One run, with a nested one for each training; a retried trial has one run, and none is left RUNNING."""
    names = [
        "default, seed 1",
        "default, seed 2",
        "trial 0",
        "trial 1",
        "trial 1, seed 1",
        "trial 1, seed 2",
        "trial 2",
    ]
    nested = mlflow_rows(project, NESTED)
    points = mlflow_rows(
        project,
        "select count(*) from metrics join runs using (run_uuid) where runs.name = 'trial 1' and key = 'val/macro_f1'",
    )

    assert [name for name, _, _ in nested] == names
    assert [status for name, status, _ in nested if name != "trial 2"] == ["FINISHED"] * 6
    assert len({parent for _, _, parent in nested}) == 1
    assert points == [(40,)]
    assert mlflow_rows(project, "select name from runs where status = 'RUNNING'") == []


def test_another_run_holds_the_lock(project):
    """Exit status 4; what is not valid is refused before the lock is taken."""
    with run_lock(project.root / ".state", "a nightly run"):
        held = project.flows(*SEARCH, *RANGES)
        refused = project.flows("search", "expression", "--range", "train.dropout=0..2")

    assert (held.returncode, refused.returncode) == (4, 2)
    assert "less than 1" in refused.stderr
    assert not left_behind(project)


def test_two_trials_at_once(project):
    """Killed with two in progress, and continued: each counts once, and two are trained at a time."""
    command = ("search", "expression", "--trials", "3", "--seeds", "2", "--parallel", "2", "--only-ranges")
    command += ("--range", "train.dropout=0.0..0.2", "--set", "train.epochs=24")
    kill_within_trials(project, command, 0, 1)
    output = project.flows(*command)
    [data] = [path for path in project.root.glob("build/search/*/search.json") if "--parallel" in path.read_text()]
    result = SearchResult.model_validate_json(data.read_text())
    epochs = dict(mlflow_rows(project, EPOCHS.format(values="count(*)", study=data.parent.name)))
    spans = mlflow_rows(project, EPOCHS.format(values="runs.start_time, runs.end_time", study=data.parent.name))
    (_, *first), (_, *second), (_, *third) = [row for row in spans if row[0] in TRIALS]  # start and end

    assert output.returncode == (0 if result.is_better else 3), output.stderr
    assert "trial 0 was interrupted; it is tried again\ntrial 1 was interrupted; it is tried again" in output.stderr
    assert [(trial.number, trial.attempts) for trial in result.trials] == [(0, 2), (1, 2), (2, 1)]
    assert [epochs[f"trial {trial.number}"] for trial in result.trials] == [trial.epochs for trial in result.trials]
    assert result.trials[0].epochs == 24
    assert max(first[0], second[0]) < min(first[1], second[1]) <= third[0]
    assert mlflow_rows(project, "select name from runs where status = 'RUNNING'") == []
    assert not left_behind(project)
    assert len(git(project.root, "worktree", "list").splitlines()) == 1
