"""A stage run by hand: how a user's mistake ends it."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from common.settings import Settings
from curation.params import CollectionParams
from flows.nightly.params import dump, flatten, nested, read_params
from models.params_file import ParamsError
from registry.dvc.versions import state
from rushes.errors import TransientError
from steps.__main__ import main
from steps.runtime.failures import write_failure
from tests.support.repos import ROOT
from training.engines.torchrun import ProcessesError


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A folder with params.yaml, and the working folder in it."""
    (tmp_path / "params.yaml").write_text((ROOT / "params.yaml").read_text())
    monkeypatch.chdir(tmp_path)
    return tmp_path


def failure_of(root: Path, stage: str, item: str, status: int = 1) -> dict[str, str]:
    """Runs a stage that fails; returns its description."""
    assert main([stage, item]) == status
    failure: dict[str, str] = json.loads((root / "build" / "failures" / f"{stage}@{item}.json").read_text())
    return failure


@pytest.mark.parametrize(
    ("stage", "item", "message", "remedy"),
    [
        ("augment", "expresion", "unknown family 'expresion'. Did you mean 'expression'?", "there are: expression, "),
        ("clean", "face", "params.yaml has no collection 'face'", "name one of faces, "),
    ],
)
def test_an_unknown_item_is_a_mistake_of_the_user(checkout, stage, item, message, remedy):
    """And no bug to report: the message has the given name, the remedy the existing ones."""
    failure = failure_of(checkout, stage, item)

    assert (failure["kind"], failure["message"]) == ("user", message)
    assert failure["remedy"].startswith(remedy)


def test_a_family_without_a_collection_is_named(checkout):
    """The remedy has the line to add."""
    path = checkout / "params.yaml"
    path.write_text(path.read_text().replace("  expression: faces\n", ""))
    failure = failure_of(checkout, "augment", "expression")

    assert failure["kind"] == "user"
    assert failure["remedy"] == "in params.yaml, add under families: `expression: COLLECTION`"


@pytest.mark.parametrize(
    ("stage", "item", "old", "renamed"),
    [
        ("augment", "expression", "expression.augment.extra", "expression.augment.extra is now min_growth"),
        ("clean", "faces", "collections.faces.looks", "collections.faces.looks is now style_clusters"),
    ],
)
def test_a_renamed_key_is_named_as_the_run_names_it(checkout, stage, item, old, renamed):
    """A stage by hand shows the message of `python -m flows`, and not pydantic's."""
    path = checkout / "params.yaml"
    path.write_text(dump(nested(flatten(read_params(checkout)) | {old: 1})))
    with pytest.raises(ParamsError) as refused:
        read_params(checkout)
    failure = failure_of(checkout, stage, item, status=2)

    assert failure["message"] == str(refused.value) == f"{renamed}; rename it in params.yaml"
    assert (failure["kind"], failure["remedy"]) == ("user", refused.value.remedy)


def test_an_unknown_key_has_the_nearest_ones(checkout):
    """Also where a section that the stage does not need is missing."""
    path = checkout / "params.yaml"
    path.write_text("collections: {faces: {labels: [a], clean: {min_contrats: 1}}}\n")
    failure = failure_of(checkout, "clean", "faces", status=2)

    assert failure["kind"] == "user"
    assert "did you mean: collections.faces.clean.min_contrast" in failure["message"]


DAMAGE = {
    "not YAML": lambda path: path.write_text("a: [1\n"),
    "not UTF-8": lambda path: path.write_bytes(b"a: \xff\n"),
    "a list": lambda path: path.write_text("- 1\n"),
    "a folder": Path.mkdir,
    "a pipe": os.mkfifo,
}


def _damage(path: Path, how: str) -> None:
    path.unlink(missing_ok=True)
    if how in DAMAGE:
        DAMAGE[how](path)


@pytest.mark.parametrize(("stage", "item"), [("clean", "faces"), ("train", "expression")])
@pytest.mark.parametrize("how", [*DAMAGE, "missing", "empty"])
def test_params_that_cannot_be_read_fail_as_in_a_run(checkout, stage, item, how):
    """The message, the remedy and the exit status of `python -m flows`; none is a bug, and none blocks."""
    _damage(checkout / "params.yaml", how)
    if how == "empty":
        (checkout / "params.yaml").touch()
    with pytest.raises(ParamsError) as refused:
        read_params(checkout)
    failure = failure_of(checkout, stage, item, refused.value.exit_status)

    assert failure["message"].replace(" .", f" {checkout}") == str(refused.value)
    assert (failure["kind"], failure["remedy"]) == ("user", refused.value.remedy)


@pytest.mark.parametrize("name", ["dvc.yaml", "dvc.lock", "datasets.dvc"])
@pytest.mark.parametrize("how", list(DAMAGE))
def test_a_record_that_cannot_be_read_fails_as_in_a_run(checkout, name, how):
    """The message and the remedy that `python -m flows` shows before it starts anything."""
    (checkout / ".git").mkdir()
    _damage(checkout / name, how)
    found = state(checkout, Settings())
    failure = failure_of(checkout, "clean", "faces")

    assert found.problem.startswith(f"{name} cannot be read")
    assert (failure["kind"], failure["message"], failure["remedy"]) == ("user", found.problem, found.remedy)


def test_a_record_that_the_stage_does_not_need_stops_nothing(checkout, monkeypatch):
    """It is a run that needs dvc.yaml."""
    monkeypatch.setattr("steps.clean.run", lambda _: None)
    (checkout / "dvc.yaml").write_text("a: [1\n")

    assert main(["clean", "faces"]) == 0


def test_another_invalid_file_is_not_an_error_of_the_params(checkout, monkeypatch):
    """Of a file that a stage wrote itself, pydantic's error is a bug."""
    monkeypatch.setattr("steps.clean.run", lambda _: CollectionParams.model_validate({"labels": 1}))
    failure = failure_of(checkout, "clean", "faces")

    assert failure["kind"] == "bug"


def test_the_process_that_failed_first_is_described(checkout, monkeypatch):
    """The agent of torchrun knows only that one of its processes has failed."""

    def run(item: str) -> None:
        write_failure(checkout, "train", item, TransientError("S3 is away", "wait"))  # in another process
        message = "torchrun ended with status 1"
        raise ProcessesError(message, "see above")

    monkeypatch.setattr("steps.train.run", run)
    for _again in range(2):
        failure = failure_of(checkout, "train", "expression")
        assert (failure["kind"], failure["message"], failure["remedy"]) == ("transient", "S3 is away", "wait")

    monkeypatch.setattr("steps.train.run", lambda _item: 1 / 0)
    assert failure_of(checkout, "train", "expression")["kind"] == "bug"
