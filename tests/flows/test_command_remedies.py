"""Commands and params that the command line prints are given back to it: they are accepted, and what failed works."""

from __future__ import annotations

import re
import shlex
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from common.commands import python
from common.settings import Settings
from flows.cli.candidates import NoSearchResultError, run_candidates
from flows.cli.stage_logs import NoSuchLogError, find_log, known_logs
from flows.nightly import data_tasks, params
from flows.nightly.params import ParamsError, choose, flatten, lay, parse, read_params
from flows.nightly.run_history import NoSuchRunError, PastRun, find_run, keep, past_runs
from models.families import NAMES
from report.data.run import NightlyRun
from steps.runtime.failures import describe
from tests.support.repos import git

ROOT = Path(__file__).parents[2]
VALUES = read_params(ROOT)
START = datetime(2026, 11, 27, 4, 15, tzinfo=UTC)


def command(remedy):
    """The words after `python -m flows`."""
    words = shlex.split(remedy.removeprefix("for example: ").partition("   #")[0])
    assert words[:3] == [python(), "-m", "flows"]
    return words[3:]


def refused(kind, act):
    """The remedy of a failure."""
    with pytest.raises(kind) as caught:
        act()
    return caught.value.remedy


@pytest.mark.parametrize(
    "text", ["expression.train.epocs=3", "EXPRESSION.train.epochs=3", "expression.train=3", "expression.train.epochs"]
)
def test_a_path_from_the_remedy_can_be_set(text):
    """The first that it lists; the value is kept."""
    remedy = refused(ParamsError, lambda: parse(VALUES, [text]))
    path = remedy.removeprefix("for example: --set ").rpartition(": ")[2].split(", ")[0].partition("=")[0]
    value = flatten(VALUES).get(path, 3)

    assert flatten(lay(VALUES, parse(VALUES, [f"{path}={value}"])))[path] == value


def test_a_family_from_the_remedy_can_be_chosen():
    """The option and its value."""
    option, name = shlex.split(refused(ParamsError, lambda: choose(VALUES, ["expresion"])).rpartition(": ")[2])

    assert (option, choose(VALUES, [name])) == ("--families", [name])


@pytest.mark.parametrize(
    ("families", "wrong"), [({"expresion": "faces"}, "expresion"), ({"expression": "face"}, "face")]
)
def test_a_name_in_params_yaml_is_corrected(families, wrong):
    """To the first name that is proposed."""
    remedy = refused(ParamsError, lambda: params.check({**VALUES, "families": families}))
    right = remedy.partition(": ")[2].split(", ")[0]
    corrected = {key.replace(wrong, right): right if value == wrong else value for key, value in families.items()}

    params.check({**VALUES, "families": corrected})


def test_a_family_is_named_where_there_is_none():
    """In the file that the remedy names."""
    remedy = refused(ParamsError, lambda: choose({**VALUES, "families": {}}, ["expression"]))

    assert remedy == "name one in params.yaml"
    assert choose({**VALUES, "families": {"expression": "faces"}}, ["expression"]) == ["expression"]


@pytest.mark.parametrize("wrong", [{"epochs": "three"}, {"epocs": 3}])
def test_params_that_are_corrected_are_accepted(wrong):
    """A value of another type, and an unknown key."""
    broken = lay(VALUES, {})
    broken["expression"]["train"] |= wrong
    remedy = refused(ParamsError, lambda: params.check(broken))
    broken["expression"]["train"] = VALUES["expression"]["train"]

    assert remedy == "nothing was started: correct the params and run again"
    params.check(broken)


@pytest.mark.parametrize("family", NAMES)
@pytest.mark.parametrize("stage", ["train", "compress"])
def test_out_of_memory_names_a_param_that_can_be_lowered(stage, family):
    """It is the family's own, and no other changes; a stage that trains nothing has none."""
    path = re.search(r"lower (\S+) in params.yaml", describe(stage, family, MemoryError()).remedy)[1]
    lowered = flatten(lay(VALUES, parse(VALUES, [f"{path}=2"])))

    assert lowered == flatten(VALUES) | {path: 2}
    assert path.startswith(f"{family}.train.")
    assert "params.yaml" not in describe("clean", "faces", MemoryError()).remedy


def test_a_collection_from_the_remedy_exists():
    """In the example of the command."""
    remedy = refused(ParamsError, lambda: data_tasks.load_collection(ROOT, "face"))

    assert data_tasks.load_collection(ROOT, command(remedy)[1])


@pytest.mark.parametrize("text", ["expression.train.epochs=3", "expression.train.widths=[8, 16, 32]"])
def test_a_param_outside_the_budget_is_set_by_the_printed_command(tmp_path, monkeypatch, text):
    """As a shell reads it."""
    monkeypatch.setattr("flows.cli.candidates.environment.set_up", lambda *_: tmp_path)
    remedy = refused(ParamsError, lambda: run_candidates(ROOT, Settings(), "expression", [text]))
    verb, option, *texts = command(remedy)

    assert (verb, option, texts) == ("nightly", "--set", [text])
    assert lay(VALUES, parse(VALUES, texts))


def test_a_family_without_a_search_is_run_by_the_printed_command(tmp_path, monkeypatch):
    """With a family that exists."""
    monkeypatch.setattr("flows.cli.candidates.environment.set_up", lambda *_: tmp_path)
    (tmp_path / "params.yaml").write_bytes((ROOT / "params.yaml").read_bytes())
    remedy = refused(NoSearchResultError, lambda: run_candidates(tmp_path, Settings(), "expression", []))

    assert choose(VALUES, command(remedy)[2:]) == ["expression"]


@pytest.mark.parametrize("name", ["train", "trane"])
def test_a_log_from_the_remedy_exists(tmp_path, name):
    """Of several that match, or of all."""
    for family in ("expression", "scene"):
        (tmp_path / "build" / family).mkdir(parents=True)
        (tmp_path / "build" / family / "train.log").write_text("epoch 1\n")
    logs = known_logs(tmp_path, tmp_path / ".state")
    verb, chosen = command(refused(NoSuchLogError, lambda: find_log(logs, name)))

    assert (verb, find_log(logs, chosen).name) == ("logs", chosen)


def test_a_run_from_the_remedy_exists(tmp_path):
    """Every name that `runs` lists, and each of the three words."""
    for hours, mode in ((0, "nightly"), (24, "trial")):
        started = START + timedelta(hours=hours)
        keep(PastRun(nightly=NightlyRun(started=started, families=["expression"], mode=mode)), tmp_path)
    unknown = refused(NoSuchRunError, lambda: find_run(tmp_path, "nothing"))
    several = refused(NoSuchRunError, lambda: find_run(tmp_path, "2026"))

    assert command(unknown) == ["runs"]
    assert [find_run(tmp_path, run.name).name for run in past_runs(tmp_path)] == [
        one.name for one in past_runs(tmp_path)
    ]
    words = re.findall(r"`([\w-]+)`", several)
    assert len(words) == 3
    assert all(find_run(tmp_path, word) for word in words)


@pytest.mark.parametrize("there", [[], ["scenes"]])
def test_a_family_without_data_is_fed_by_the_printed_command(tmp_path, there):
    """Once the collection that it names has a source, nothing is missing."""
    for name in there:
        (tmp_path / "datasets" / name / "one").mkdir(parents=True)
        (tmp_path / "datasets" / name / "one" / "index.parquet").touch()
    found = data_tasks.missing_data(tmp_path, VALUES, "scene")
    verb, collection, path = command(found.remedy)
    (tmp_path / "datasets" / collection / "one").mkdir(parents=True)
    (tmp_path / "datasets" / collection / "one" / "index.parquet").touch()

    assert (verb, path) == ("ingest", "PATH")
    assert data_tasks.missing_data(tmp_path, VALUES, "scene") is None


@pytest.mark.parametrize(
    "text",
    ["a: " + "[" * 3000 + "]" * 3000, b"# caf\xe9\n", "families: {expression: faces\n", "a: &a [*a]\n", None],
    ids=["nested", "latin-1", "not closed", "contains itself", "deleted"],
)
def test_params_that_cannot_be_read_are_restored(tmp_path, text):
    """From git; the unreadable ones are kept."""
    (tmp_path / "params.yaml").write_bytes((ROOT / "params.yaml").read_bytes())
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "add", "params.yaml")
    git(tmp_path, "commit", "--quiet", "--message", "params")
    (tmp_path / "params.yaml").unlink()
    if text is not None:
        (tmp_path / "params.yaml").write_bytes(text if isinstance(text, bytes) else text.encode())
    remedy = refused(ParamsError, lambda: read_params(tmp_path))
    subprocess.run(["/bin/sh", "-c", remedy], cwd=tmp_path, check=True)

    assert read_params(tmp_path) == VALUES
    kept = tmp_path / ".state/damaged/params.yaml"
    assert text is None or kept.read_bytes() == (text if isinstance(text, bytes) else text.encode())
