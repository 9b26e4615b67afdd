import json
from types import SimpleNamespace

import pytest

from common.settings import Settings, TrainingSettings
from flows.nightly import data_tasks, disk, plan, tasks
from flows.nightly.plan import conduct
from flows.nightly.run import RunRequest, worked
from flows.servers.session import Session, _anchored
from models.params_file import ParamsError
from registry.dvc.pipeline import PipelineError
from registry.dvc.versions import DataState
from tests.support.nightly import NODES, SAME


def states(nightly):
    """State of each task."""
    return {stage.name: stage.state for stage in nightly.stages}


def test_acts_follow_each_other(world):
    """Fetch, ingest, version, record, the stages in their order, each family's registration, the report."""
    output = world.nightly()

    names = [stage.name for stage in output.stages]
    assert names[:4] == ["fetch", "ingest", "version", "record"]
    assert [name for name in names if name in {node.name for node in NODES}] == [node.name for node in NODES]
    assert names.index("register@expression") == names.index("train@expression") + 1
    assert names[-1] == "report"
    assert not output.failed


def test_unchanged_stage_is_skipped_and_reports_it(world, monkeypatch):
    """With the same data, params and code nothing is reproduced, and the run did no work."""
    world.changes = dict.fromkeys(world.changes, SAME)
    monkeypatch.setattr(tasks, "register", lambda _run, _family: ("skipped", "v1 holds this model already"))
    output = world.nightly()

    assert world.asked == []
    assert {stage.why for stage in output.stages if stage.name.startswith("train")} == {SAME.text}
    assert not worked(output)


def test_stage_is_asked_for_again_once_what_it_reads_has_run(world):
    """DVC's initial status is outdated for a stage whose input has since been rebuilt."""
    world.changes["augment@expression"] = SAME
    world.nightly(request=RunRequest(("expression",)))

    assert world.asked == ["clean@faces", "train@expression", "register@expression"]


def test_stage_that_comes_from_the_cache_is_skipped(world):
    """It did not run, and reports the origin of its outs; the status of its readers is still queried again."""
    world.cached = {"clean@faces"}
    asked, status = [], plan.pipeline.status
    plan.pipeline.status = lambda tree, node: asked.append(node.name) or status(tree, node)
    output = world.nightly(request=RunRequest(("expression",)))

    assert states(output)["clean@faces"] == "skipped"
    assert "from DVC's cache" in output.stages[4].why
    assert asked == ["augment@expression", "train@expression"]
    assert states(output)["augment@expression"] == "ran"


def test_mlflow_that_died_is_started_again_before_a_stage(world, monkeypatch):
    """A training that uses a dead address would fail on every attempt."""
    revived = []
    monkeypatch.setattr(Session, "revive", lambda _self, kind: revived.append((kind.name, len(world.asked))))
    world.nightly(request=RunRequest(("expression",)))

    assert revived == [("mlflow", number) for number in range(len(world.asked) - 1)]


def test_stages_share_the_storage_of_the_checkout(world, monkeypatch):
    """A folder beside the checkout is another one beside the tree of a trial."""
    training = TrainingSettings(storage="checkpoints")
    anchored = _anchored(Settings(training=training), world.root, world.root)
    monkeypatch.setattr("tests.support.nightly.Settings", lambda: anchored)
    world.nightly(request=RunRequest(("expression",)))

    assert world.env["RUSHES_TRAINING__STORAGE"] == str(world.root / "checkpoints")


def test_failed_family_does_not_stop_the_others(world):
    """The other family is trained and registered; the run has failed, with the reason first."""
    world.break_stage("augment@expression", "user", "out of memory", "a smaller batch")
    output = world.nightly()

    assert states(output)["train@expression"] == "not reached"
    assert states(output)["register@expression"] == "not reached"
    assert states(output)["register@scene"] == "ran"
    assert [(failure.family, failure.message) for failure in output.failures] == [("expression", "out of memory")]


def test_failed_collection_stops_those_that_learn_from_it(world):
    """A shared clean stage that fails leaves nothing to train on."""
    world.break_stage("clean@faces", "user", "day-12 loses 40 %")
    output = world.nightly()

    assert world.asked == ["clean@faces"]
    assert set(states(output).values()) >= {"failed", "not reached"}
    assert output.failures[0].log_tail == ["first line", "last line"]


def test_stage_without_a_record_is_reported_by_its_status(world, monkeypatch):
    """A killed stage does not write a failure; the log and the status remain."""
    monkeypatch.setattr(plan.pipeline, "reproduce", lambda *_: 255)
    output = world.nightly(request=RunRequest(("scene",)))

    assert "status 255" in output.failures[0].message
    assert output.failures[0].log == "build/clean/faces.log"


def test_word_of_an_earlier_run_is_not_taken_for_this_one(world, monkeypatch):
    """An old record in build/failures is removed before a stage runs."""
    stale = world.root / "build" / "failures" / "clean@faces.json"
    stale.parent.mkdir()
    stale.write_text('{"stage": "clean", "item": "faces", "kind": "user", "message": "old", "remedy": ""}')
    monkeypatch.setattr(plan.pipeline, "reproduce", lambda *_: 255)

    assert "old" not in world.nightly(request=RunRequest(("scene",))).failures[0].message


def test_data_that_are_missing_stop_the_run(world):
    """If real data are unreachable nothing is trained, and the remedy is printed."""
    world.state = DataState(
        present=False, starter=False, md5="abc", remote="", problem="3 files are missing", remedy="export X"
    )
    output = world.nightly()

    assert world.asked == []
    assert (output.failures[0].message, output.failures[0].remedy) == ("3 files are missing", "export X")
    assert states(output)["record"] == "not reached"


def test_starter_is_rendered_only_where_nothing_is(world, monkeypatch):
    """The starter is used if a family needs it, and an existing version is pulled."""
    rendered = []
    monkeypatch.setattr(data_tasks, "starters", lambda *_, **__: ["faces"])
    monkeypatch.setattr(data_tasks, "make_starters", lambda *_: rendered.append(1) or "rendered")
    world.state = DataState(present=False, starter=True, md5="", remote="")
    world.nightly()
    assert rendered == [1]

    world.state = DataState(present=False, starter=False, md5="abc", remote="s3://team")
    world.nightly()
    assert rendered == [1]
    assert "pull" in world.asked


def test_full_disk_stops_the_run_before_it_starts(world, monkeypatch):
    """The estimate is compared with the free space, first of all."""
    monkeypatch.setattr(disk.shutil, "disk_usage", lambda _path: SimpleNamespace(free=1_000_000))
    monkeypatch.setattr(disk.check, "__defaults__", (disk.shutil.disk_usage,))
    output = world.nightly()

    assert world.asked == []
    assert "1 MB free" in output.failures[0].message


def test_inbox_that_cannot_be_used_keeps_no_family_from_its_run(world, monkeypatch):
    """The run continues with the existing data, and ends as failed."""
    bad = SimpleNamespace(
        collection="faces", source="day-12", problem="no label is known", remedy="rename", summary=lambda: "0 added"
    )
    monkeypatch.setattr(data_tasks, "take_inbox", lambda *_: [bad])
    output = world.nightly()

    assert states(output)["ingest"] == "failed"
    assert states(output)["register@scene"] == "ran"
    assert output.failed


def test_folder_of_no_collection_in_the_inbox_is_reported(world, capsys):
    """Otherwise a misspelled folder's pictures would be missed silently."""
    (world.root / "inbox" / "face").mkdir(parents=True)
    (world.root / "inbox" / "faces").mkdir()
    world.nightly()

    output = [line for line in capsys.readouterr().err.splitlines() if "stays where it is" in line]
    assert output == ["inbox/face stays where it is: no collection has that name; there are inbox/faces/"]


def test_bug_in_an_act_is_kept_with_its_traceback(world):
    """The notification has the name of the error and a log with the place."""
    world.breaks["register@scene"] = KeyError("alias")
    failure = world.nightly().failures[0]

    assert failure.message == "KeyError: 'alias'"
    assert "Traceback" in (world.root / failure.log).read_text()


def test_graph_that_cannot_be_read_is_reported_as_a_failure(world, monkeypatch):
    """A broken dvc.yaml fails the run with a message, like any task."""

    def fail(*_):
        problem = "dvc.yaml cannot be read"
        raise PipelineError(problem, "git diff dvc.yaml")

    monkeypatch.setattr(plan.pipeline, "stages", fail)
    output = world.nightly()

    assert (output.failures[0].stage, output.failures[0].remedy) == ("stages", "git diff dvc.yaml")
    assert states(output)["report"] == "ran"


def test_interrupt_is_written_down_and_gets_out(world):
    """After an interrupt `make status` reports this run, not the one before."""
    world.breaks["train@expression"] = [KeyboardInterrupt()]
    run = world.run()
    with pytest.raises(KeyboardInterrupt):
        conduct(run)

    last = json.loads((world.root / ".state" / "last.json").read_text())
    assert last["failures"][0]["message"] == "it was stopped"
    assert last["failures"][0]["again"] == "make nightly"


def test_unknown_family_is_refused(world):
    """The error lists the families of params.yaml."""
    with pytest.raises(ParamsError, match="expression"):
        world.run(request=RunRequest(("expresion",)))


def test_command_can_be_pasted():
    """The command that repeats the run, with quoting."""
    request = RunRequest(
        ("expression",), {"expression": {"train": {"precision": "auto", "widths": [8, 16]}}}, promote=True
    )

    assert request.command().endswith(
        "-m flows nightly --families expression --set 'expression.train.precision=\"auto\"' "
        "--set 'expression.train.widths=[8, 16]' --promote"
    )
    assert RunRequest().command() == "make nightly"


def test_trial_leaves_the_inbox_and_the_checkout_alone(world, monkeypatch, tmp_path):
    """It runs in a separate tree with the other params; params.yaml of the checkout is unchanged."""
    tree = tmp_path / "tree"
    before = (world.root / "params.yaml").read_text()
    monkeypatch.setattr(tasks.records, "worktree", lambda *_: _worktree(tree), raising=False)
    output = world.nightly(request=RunRequest(("expression",), {"expression": {"train": {"epochs": 3}}}))

    assert (world.root / "params.yaml").read_text() == before
    assert "epochs: 3" in (tree / "params.yaml").read_text()
    assert "ingest" not in states(output)
    assert output.mode == "trial"
    assert (world.root / ".state" / "last-trial.json").exists()


def test_a_quick_look_registers_nothing(world, monkeypatch, tmp_path):
    """Its stages run in a separate tree, with quick params; their results are not registered."""
    tree = tmp_path / "tree"
    monkeypatch.setattr(tasks.records, "worktree", lambda *_: _worktree(tree), raising=False)
    output = world.nightly(request=RunRequest(("expression",), quick=True))

    assert not any(name.startswith("register") for name in world.asked)
    assert states(output)["register@expression"] == "skipped"
    assert states(output)["train@expression"] == "ran"
    assert "epochs: 1\n" in (tree / "params.yaml").read_text()


class _worktree:  # noqa: N801 - replaces a function
    def __init__(self, tree):
        self.tree = tree

    def __enter__(self):
        (self.tree / "build" / "expression").mkdir(parents=True)
        return self.tree

    def __exit__(self, *_):
        return None


@pytest.mark.parametrize("partly", [False, True])
def test_a_family_without_data_keeps_no_other_from_its_run(world, monkeypatch, partly):
    """Its stages are skipped; with only a part of its data, the run fails and lists the missing part."""
    error = data_tasks.MissingDataError("films hold no samples yet", "ingest films PATH", partly=partly)
    monkeypatch.setattr(
        data_tasks, "missing_data", lambda _root, _values, family: None if family == "expression" else error
    )

    output = world.nightly()

    others = [family for family in output.families if family != "expression"]
    assert others
    assert all(states(output)[f"data@{family}"] == ("failed" if partly else "not reached") for family in others)
    assert states(output)["register@expression"] == "ran"
    assert not any(stage.name == f"train@{others[0]}" for stage in output.stages)
    assert output.failed is partly
