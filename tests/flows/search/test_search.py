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
from flows.search.pool import kept_figure
from flows.search.search import COMPARED, DefaultTrialError, covered_s
from flows.search.study import BEGAN, KILLED, NUMBER, SECONDS
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
    return (search.root / "trained.txt").read_text().split()


def kill(folder, trial, epoch, parallel=1):
    """Runs the search in a process that is killed in an epoch of a trial."""
    words = map(str, (folder, TRIALS, parallel, trial, epoch))
    command = [sys.executable, "-m", "tests.support.search_process", *words]
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
    assert [closed.split()[0] for closed in search.pool.runs.closed] == [*search.pool.runs.opened, "search"]
    assert not search.pool.folder.exists()


def test_repeated_search_trains_nothing_again(undisturbed):
    """It is over; with one more trial it goes on."""
    first, result = undisturbed
    before = trained(first)
    again = planted_search(first.root, TRIALS)
    again.run_trials()

    assert again.conclude() == result
    assert trained(again) == before

    more = planted_search(first.root, TRIALS + 1)
    more.run_trials()
    assert trained(more) == [*before, f"trial-{TRIALS}"]


def spans(search):
    """Begin and end of each attempt, as the study has recorded them."""
    return {
        trial.user_attrs[NUMBER]: (trial.user_attrs[BEGAN], trial.user_attrs[BEGAN] + trial.user_attrs[SECONDS])
        for trial in search.study.study.get_trials()
    }


def at_once(found):
    """The most spans that have a moment in common."""
    return max(sum(began <= moment < end for began, end in found) for moment, _ in found)


def test_two_trials_at_once(undisturbed, tmp_path):
    """The records overlap; each trial counts once, the default ends by itself, and the comparison overlaps, too."""
    search = planted_search(tmp_path, TRIALS, parallel=2)
    search.run_trials()
    result = search.conclude()
    compared = search.study.study.user_attrs[COMPARED].values()

    assert at_once(spans(search).values()) == 2
    assert at_once(spans(undisturbed[0]).values()) == 1
    assert at_once([(began, began + seconds) for _, began, seconds in compared]) == 2
    assert sorted(trained(search)[:TRIALS]) == sorted(f"trial-{number}" for number in range(TRIALS))
    assert [trial.number for trial in result.trials] == list(range(TRIALS))
    assert result.trials[0] == undisturbed[1].trials[0]
    assert len(compared) == 6
    assert result.seconds < 0.7 * sum(trial.seconds for trial in result.trials) + 6 * search_process.EPOCHS / 2
    assert "--parallel 2" in result.command


@pytest.mark.slow
def test_killed_with_two_in_progress(tmp_path):
    """SIGKILL of the search: both are failed, tried once more, and count once; no other trial is trained again."""
    kill(tmp_path, trial=3, epoch=1, parallel=2)
    search = planted_search(tmp_path, TRIALS, parallel=2)
    open_trials = {trial.user_attrs[NUMBER] for trial in search.study.study.get_trials(states=[TrialState.RUNNING])}
    search.run_trials()
    attempts = Counter(trial.user_attrs[NUMBER] for trial in search.study.study.get_trials())

    assert 3 in open_trials
    assert len(open_trials) == 2
    assert attempts == Counter(range(TRIALS)) + Counter(open_trials)
    assert Counter(trained(search)) == Counter(f"trial-{number}" for number in attempts.elements())
    assert [trial.number for trial in search._trials()] == list(range(TRIALS))


def test_default_that_fails_ends_the_others(tmp_path, monkeypatch):
    """The attempt in progress counts for nothing: the next search tries it again, as often as it takes."""
    monkeypatch.setattr(search_process.PlantedTree, "failing", frozenset({"trial-0"}))
    search = planted_search(tmp_path, 4, parallel=2)
    for _ in range(3):
        with pytest.raises(DefaultTrialError):
            search.run_trials()
    monkeypatch.undo()
    search.run_trials()

    assert [(trial.number, trial.attempts) for trial in search._trials()] == [(0, 4), (1, 4), (2, 1), (3, 1)]
    assert "failed" not in {trial.state for trial in search._trials()}


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
    poll, ends = search_process.PlantedTraining.poll, [end, end]

    def dies(self):
        if self.job.name == "trial-1" and ends:
            raise ends.pop()
        return poll(self)

    monkeypatch.setattr(search_process.PlantedTraining, "poll", dies)
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
    assert str(search.pool.logs / "trial-0.log") in caught.value.remedy
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
    """A training takes 9 s, and the comparison six of them, or three times two: twice as many at once do more."""
    numbers = []
    for parallel in (1, 2):
        search = planted_search(tmp_path / str(parallel), 40, hours=90 / 3600, parallel=parallel)
        search.run_trials()
        numbers.append(len(search._trials()))
        search.conclude()
        assert f"{numbers[-1]} of 40 trials done: 0.025 h leave no time for another" in capsys.readouterr().err
        assert search._spent_s() <= 90

    assert 2 < numbers[0] < numbers[1] - 2 < 38


def test_hours_before_any_trial_is_complete(tmp_path, monkeypatch):
    """The default is still trained when others have failed: its pace shows that no other trial has time to start."""
    monkeypatch.setattr(search_process.PlantedTree, "failing", frozenset(f"trial-{number}" for number in range(1, 40)))
    search = planted_search(tmp_path, 40, hours=30 / 3600, parallel=2)
    search.run_trials()

    assert [trial.state for trial in search._trials()] == ["complete", "failed"]


@pytest.mark.parametrize(
    ("spans", "covered"),
    [
        ([], 0.0),
        ([(5.0, 3.0), (0.0, 4.0)], 7.0),
        ([(0.0, 10.0), (2.0, 3.0), (8.0, 4.0)], 12.0),
        ([(0.0, 1.0), (0.0, 1.0), (1.0, 1.0)], 2.0),
    ],
)
def test_time_in_which_several_are_in_progress_counts_once(spans, covered):
    """Gaps, such as the hours after a kill, do not count."""
    assert covered_s(spans) == covered


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
    before = result.importance
    monkeypatch.setattr(module, "FEWEST_TRIALS", 4)
    importance = search.conclude().importance

    assert before == {}
    assert set(importance) == set(PATHS)
    assert sum(importance.values()) == pytest.approx(1.0)
