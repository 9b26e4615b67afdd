"""`flows runs`, `compare` and `logs`: the history of runs."""

import json
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from flows.cli import stage_logs
from flows.cli.run_tables import compare_runs, print_comparison, print_runs
from flows.cli.stage_logs import NoSuchLogError, find_log, follow_log, known_logs, print_log
from flows.nightly import run_history
from flows.nightly.run_history import NoSuchRunError, PastRun, find_run, keep, past_runs
from flows.servers import local
from report.data.run import Failure, NightlyRun
from tests.support.repos import git

START = datetime(2026, 11, 27, 4, 15, tzinfo=UTC)
DECISION = {"version": 3, "promoted": True, "compressed": 0.9586, "objective": {"name": "macro_f1"}}


def a_run(hours=0, **nightly):
    """A run that started so many hours after the first."""
    return PastRun(nightly=NightlyRun(started=START + timedelta(hours=hours), families=["expression"], **nightly))


@pytest.fixture
def state(tmp_path):
    """Three nightly runs, of which the second failed, and a trial."""
    failure = Failure(family="expression", stage="train", message="out of memory")
    runs = [
        a_run(0, data_md5="aaa").model_copy(update={"decisions": {"expression": DECISION}}),
        a_run(24, failures=[failure]),
        a_run(25, mode="trial", overrides={"expression.train.epochs": 3}),
    ]
    for run in runs:
        keep(run, tmp_path)
    return tmp_path


def test_a_run_leaves_its_entry(world, capsys):
    """Params, outcome and folder of an ended run, as another process reads them; before it, it is advised."""
    world.break_stage("train@scene", "user", "out of memory")
    state = world.root / ".state"
    with pytest.raises(NoSuchRunError) as none:
        find_run(state, "last")
    before = print_runs(state, 9, []), local.last_run(state)
    world.nightly()
    past = find_run(state, "last")

    assert (none.value.remedy, before) == ("make nightly", (3, None))
    assert (print_runs(state, 9, []), local.last_run(state).failed) == (0, True)
    assert "has ended here yet: make nightly" in capsys.readouterr().out
    assert past.outcome == "failed"
    assert past.params["expression.train.epochs"] == 16
    assert past.nightly.failures[0].message == "out of memory"
    assert past.out.endswith("build/report")


def test_an_entry_of_an_earlier_version_is_read(state):
    """Its key for the outcome is `night`."""
    path = state / "runs" / f"{find_run(state, 'last').name}.json"
    path.write_text(path.read_text().replace('"nightly": {', '"night": {', 1))

    assert '"night": {' in path.read_text()
    assert find_run(state, "last-trial").nightly.overrides == {"expression.train.epochs": 3}


def test_params_of_an_earlier_version_are_compared_by_their_new_names(state):
    """A new name is not a difference; a new value is."""
    params = {"collections.films.shots.most": 12, "collections.scenes.looks.count": 6, "expression.train.epochs": 3}
    old, new = find_run(state, "20261127"), find_run(state, "last-nightly")
    keep(old.model_copy(update={"params": params}), state)
    today = {"collections.films.shots.max_frames": 12, "collections.scenes.style_clusters.count": 4}
    keep(new.model_copy(update={"params": today | {"expression.train.epochs": 3}}), state)

    found = compare_runs(state, find_run(state, old.name), find_run(state, new.name))
    assert found["params"] == {"collections.scenes.style_clusters.count": (6, 4)}


def test_an_interrupted_run_leaves_its_entry(world):
    """A stopped run is in the history, as failed."""
    world.breaks["train@expression"] = [KeyboardInterrupt()]
    with pytest.raises(KeyboardInterrupt):
        world.nightly()

    assert [run.outcome for run in past_runs(world.root / ".state")] == ["failed"]


def test_the_newest_are_kept(tmp_path, monkeypatch):
    """The history is bounded."""
    monkeypatch.setattr(run_history, "RUNS_KEPT", 2)
    for hours in range(4):
        keep(a_run(hours), tmp_path)

    assert [run.nightly.started.hour for run in past_runs(tmp_path)] == [7, 6]


@pytest.mark.parametrize(
    ("name", "hours"), [("last", 25), ("last-nightly", 24), ("last-trial", 25), ("20261127", 0), ("1128-041500", 24)]
)
def test_runs_go_by_short_names(state, name, hours):
    """A part of the name suffices if it is unique."""
    assert find_run(state, name).nightly.started == START + timedelta(hours=hours)


@pytest.mark.parametrize(("name", "word"), [("2026", "matches 3 runs"), ("1999", "the newest: 20261128-051500")])
def test_unclear_names_are_refused(state, name, word):
    """The error lists the existing runs."""
    with pytest.raises(NoSuchRunError, match=word) as caught:
        find_run(state, name)
    assert caught.value.exit_status == 3


def test_runs_are_listed(state, capsys):
    """Newest first, with outcome, change and score; JSON has a line per run."""
    assert print_runs(state, 20, []) == 0
    rows = [line for line in capsys.readouterr().out.splitlines() if "2026" in line]
    assert all(word in row for row, word in zip(rows, ("epochs=3", "out of memory", "F1 0.9586"), strict=True))

    assert print_runs(state, 2, [], as_json=True) == 0
    assert [json.loads(line)["nightly"]["mode"] for line in capsys.readouterr().out.splitlines()] == [
        "trial",
        "nightly",
    ]
    assert print_runs(state, 20, ["scene"]) == 3


def test_a_family_with_a_typing_error_is_recognised(tmp_path, capsys):
    """It is not mistaken for a family without runs."""
    assert print_runs(tmp_path, 20, ["expresion"]) == 3
    assert capsys.readouterr().out == "no run of expresion has ended here yet. Did you mean 'expression'?\n"
    print_runs(tmp_path, 20, ["script"])
    assert capsys.readouterr().out == "no run of script has ended here yet: make nightly\n"


def test_runs_are_compared(tmp_path, capsys):
    """Only differing data, code, params, versions and metrics are listed."""
    git(tmp_path, "init", "--quiet")
    records = []
    for text in ("one", "two"):
        (tmp_path / "network.py").write_text(text)
        git(tmp_path, "add", "--all")
        git(tmp_path, "commit", "--quiet", "--message", text)
        records.append(git(tmp_path, "rev-parse", "HEAD").strip())
    for hours, record in enumerate(records):
        run = a_run(hours, record=record, data_md5=f"data{hours}")
        more = {"params": {"a.b": hours, "a.c": 1}, "metrics": {"expression": {"macro_f1": 0.5 + hours / 4}}}
        keep(run.model_copy(update=more), tmp_path)
    differences = compare_runs(tmp_path, *reversed(past_runs(tmp_path)))

    assert list(differences["code"]) == ["network.py"]
    assert differences["params"] == {"a.b": (0, 1)}
    assert differences["metrics"] == {"expression macro_f1": (0.5, 0.75)}
    assert print_comparison(tmp_path, tmp_path, "0415", "last") == 0
    assert "do not subtract" in capsys.readouterr().out


@pytest.fixture
def logs(tmp_path):
    """Logs of two stages, of a trial's stage and of a server."""
    trial = a_run(25, mode="trial")
    keep(trial, tmp_path / "state")
    for name in ("build/expression/train.log", "build/clean/faces.log", f"build/trials/{trial.name}/script/train.log"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text("epoch 1\repoch 2\nhttp://ada:hunter2-x@m.example\n")
    (tmp_path / "state/logs").mkdir()
    (tmp_path / "state/logs/mlflow.log").write_text("ready\n")
    return tmp_path


def test_logs_have_names(logs):
    """Those of stages as in DVC, of a trial in its own folder, and of servers."""
    state = logs / "state"

    assert [log.name for log in known_logs(logs, state)] == ["clean@faces", "train@expression", "mlflow"]
    assert [log.name for log in known_logs(logs, state, "last-trial")] == ["train@script", "mlflow"]
    assert find_log(known_logs(logs, state), "train").name == "train@expression"
    with pytest.raises(NoSuchLogError, match="train@expression"):
        find_log(known_logs(logs, state), "compress")


def test_logs_are_printed_without_secrets(logs, capsys):
    """Only the last state of a progress bar is printed, and a password is hidden."""
    print_log(find_log(known_logs(logs, logs / "state"), "train"))

    assert capsys.readouterr().out.splitlines()[:2] == ["epoch 2", "http://***@m.example"]


def test_a_log_is_followed_to_the_end_of_the_run(logs, monkeypatch, capsys):
    """New lines are printed while the run continues, including its last ones."""
    log = find_log(known_logs(logs, logs / "state"), "train")
    log.path.write_text("one\n")
    holders = iter([SimpleNamespace(), SimpleNamespace(), None, None])
    monkeypatch.setattr(stage_logs.lock, "holder", lambda _state: next(holders))

    def wait(_seconds):
        with log.path.open("a") as file:
            file.write("two\n")

    assert follow_log(log, logs / "state", wait=wait) == 0
    assert capsys.readouterr().out == "one\ntwo\n"
