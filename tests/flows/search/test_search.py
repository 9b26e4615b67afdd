"""A search with planted trainings: killed, resumed, repeated, with trials that are pruned or fail."""

import math
import signal
import subprocess
import sys
from collections import Counter

import pytest
import yaml
from optuna.trial import TrialState

from flows.nightly import params
from flows.search import search as module
from flows.search.search import DefaultTrialError, kept_figure
from flows.search.study import KILLED, NUMBER
from models.family import Monitor
from report.search.page import FILES
from tests.support import search_process
from tests.support.dying import Killed
from tests.support.repos import ROOT, git
from tests.support.search_process import PATHS, outcome, planted_search

TRIALS = 12


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """A search that nobody disturbs: its state and its result."""
    search = planted_search(tmp_path_factory.mktemp("undisturbed"), TRIALS)
    search.run_trials()
    return search, search.conclude()


def trained(search):
    """Trainings so far, in order."""
    return (search.session.root / "trained.txt").read_text().split()


def kill(folder, trial, epoch):
    """Runs the search in a process that is killed in an epoch of a trial."""
    command = [sys.executable, "-m", "tests.support.search_process", str(folder), str(TRIALS), str(trial), str(epoch)]
    killed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr


def test_default_is_trial_0_and_is_trained_to_its_end(undisturbed):
    """So that the best can always be compared with it; the trials after it have ended in three ways."""
    _, result = undisturbed
    ends = Counter(trial.state for trial in result.trials)

    assert result.trials[0].params == {PATHS[0]: 0.1, PATHS[1]: 0.1, PATHS[2]: [32, 64, 128, 256]}
    assert result.trials[0].epochs == search_process.EPOCHS
    assert set(ends) == {"complete", "pruned", "failed"}
    assert [trial.reason for trial in result.trials if trial.state == "failed"] == ["the loss became NaN in epoch 2"]
    assert all(trial.epochs < search_process.EPOCHS for trial in result.trials if trial.state == "pruned")


def test_the_better_one_comes_out_as_a_patch(undisturbed, tmp_path):
    """`git apply` gives params.yaml with the values of the best trial, and all its comments; nothing was applied."""
    search, result = undisturbed
    (tmp_path / "params.yaml").write_bytes((ROOT / "params.yaml").read_bytes())
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "apply", str(search.out / FILES.patch))
    now = (tmp_path / "params.yaml").read_text()
    before, after = (params.flatten(yaml.safe_load(text)) for text in ((ROOT / "params.yaml").read_text(), now))
    best = result.best.params

    assert result.is_better
    assert after == before | {path: value for path, value in best.items() if value != result.default[path]}
    assert set((ROOT / "params.yaml").read_text().splitlines()) <= set(now.splitlines())


def test_trainings_of_the_comparison_have_new_seeds(undisturbed):
    """Three of each, and none of them is a trial; MLflow's runs have all been closed."""
    search, result = undisturbed
    compared = [name for name in trained(search) if name.startswith("seed")]

    assert len(compared) == 6
    assert {name.split("-")[1] for name in compared} == {"1", "2", "3"}
    assert len(result.comparison.best) == len(result.comparison.default) == 3
    assert [closed.split()[0] for closed in search.runs.closed] == [*search.runs.opened, "search"]
    assert not search.folder.exists()


def test_repeated_search_trains_nothing_again(undisturbed):
    """It is over; with one more trial it goes on."""
    first, result = undisturbed
    before = trained(first)
    again = planted_search(first.session.root, TRIALS)
    again.run_trials()

    assert again.conclude() == result
    assert trained(again) == before

    more = planted_search(first.session.root, TRIALS + 1)
    more.run_trials()
    assert trained(more) == [*before, f"trial-{TRIALS}"]


@pytest.mark.slow
def test_killed_search_ends_as_if_it_had_not_been_killed(undisturbed, tmp_path):
    """SIGKILL within a trial: it is failed, tried once more, and counts once; all others are the same."""
    trial = 6
    kill(tmp_path, trial, epoch=1)
    search = planted_search(tmp_path, TRIALS)
    search.run_trials()
    wanted, attempts = outcome(undisturbed[0])

    rows, found = outcome(search)
    assert rows == wanted[:TRIALS]
    assert Counter(found) == Counter(attempts[:TRIALS]) + Counter([trial])
    killed = [one for one in search.study.study.get_trials() if one.user_attrs.get(KILLED)]
    assert [(one.user_attrs[NUMBER], one.state) for one in killed] == [(trial, TrialState.FAIL)]


@pytest.mark.parametrize("end", [Killed, KeyboardInterrupt])
def test_trial_that_was_killed_twice_has_failed(undisturbed, tmp_path, monkeypatch, end):
    """It is not tried for ever; only a person may stop the search as often as wanted."""
    search = planted_search(tmp_path, 3)
    train, ends = search_process.PlantedTree.train, [end, end]

    def dies(self, changes, state, *args, **kwargs):
        if state.name == "trial-1" and ends:
            raise ends.pop()
        return train(self, changes, state, *args, **kwargs)

    monkeypatch.setattr(search_process.PlantedTree, "train", dies)
    for _ in range(2):
        with pytest.raises(end):
            search.run_trials()
    search.run_trials()

    trial, wanted = search._trials()[1], undisturbed[1].trials[1]
    if end is Killed:
        assert (trial.state, trial.reason, trial.attempts) == ("failed", "its process was killed", 2)
    else:
        assert trial == wanted.model_copy(update={"attempts": 3})
    assert len(search._trials()) == 3


def test_default_that_cannot_be_trained_ends_the_search(tmp_path, monkeypatch):
    """There is nothing to compare with; the reason and the log are named. The next search trains it again."""
    monkeypatch.setattr(search_process.PlantedTree, "failing", frozenset({"trial-0"}))
    search = planted_search(tmp_path, 3)

    with pytest.raises(DefaultTrialError, match="became NaN") as caught:
        search.run_trials()
    assert str(search._log("trial-0")) in caught.value.remedy
    assert trained(search) == ["trial-0"]

    monkeypatch.undo()
    search.run_trials()
    first = search._trials()[0]
    assert (first.state, first.attempts) == ("complete", 2)


def test_default_is_never_pruned(tmp_path, monkeypatch):
    """Not even with a figure for which Hyperband ends any other trial."""
    monkeypatch.setattr(search_process, "figure", lambda _changes, epoch: math.nan if epoch in (1, 5) else 0.1 * epoch)
    search = planted_search(tmp_path, 2)
    search.run_trials()

    assert [trial.state for trial in search._trials()] == ["complete", "pruned"]
    assert search._trials()[0].epochs == search_process.EPOCHS


def test_hours_leave_time_for_the_comparison(tmp_path, capsys):
    """A training takes 9 s here, and the comparison six of them: within 90 s there are four trials."""
    search = planted_search(tmp_path, 20, hours=90 / 3600)
    search.run_trials()
    done = len(search._trials())
    search.conclude()

    assert 2 < done < 20
    assert f"is spent after {done} of 20 trials" in capsys.readouterr().err
    assert search._spent_s() <= 90


def test_comparison_that_fails_is_stated(tmp_path, monkeypatch):
    """Planted: the best trial diverges with a new seed. Nothing is claimed."""
    search = planted_search(tmp_path, TRIALS)
    search.run_trials()
    best = search._result().best.number
    monkeypatch.setattr(search_process.PlantedTree, "failing", frozenset({f"seed-2-trial-{best}"}))
    result = search.conclude()

    assert not result.is_better
    assert "was not compared" in result.verdict()
    assert f"trial {best}, seed 2: the loss became NaN" in result.comparison.failed


def test_nothing_better_leaves_no_patch(tmp_path, monkeypatch):
    """The default is the best of all: an earlier patch goes, too."""
    monkeypatch.setattr(search_process, "figure", lambda changes, epoch: epoch + (changes[PATHS[0]] == 0.1))
    search = planted_search(tmp_path, 3)
    search.run_trials()
    search.out.mkdir(parents=True, exist_ok=True)
    (search.out / FILES.patch).write_text("of an earlier search")
    result = search.conclude()

    assert (result.is_better, result.patch, result.comparison) == (False, "", None)
    assert not (search.out / FILES.patch).exists()


@pytest.mark.parametrize(("mode", "figure"), [("max", 3.0), ("min", 1.0), ("last", 2.0)])
def test_figure_of_the_kept_weights(mode, figure):
    """That of the best epoch, or of the last one for a family that keeps it."""
    assert kept_figure([{"f": 1.0}, {"f": 3.0}, {"f": 2.0}], Monitor("f", mode)) == figure


def test_importance_needs_enough_trials(undisturbed, monkeypatch):
    """Shares of all params; with few complete trials, as here, there are none."""
    search, result = undisturbed

    monkeypatch.setattr(module, "FEWEST_TRIALS", 4)
    importance = search._result().importance

    assert set(importance) == set(PATHS)
    assert sum(importance.values()) == pytest.approx(1.0)
    assert result.importance == {}
