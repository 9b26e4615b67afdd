"""A stage run by hand: how a user's mistake ends it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from curation.params import CollectionParams
from flows.nightly.params import dump, flatten, nested, read_params
from models.params_file import ParamsError
from steps.__main__ import main
from tests.support.repos import ROOT

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A folder with params.yaml, and the working folder in it."""
    (tmp_path / "params.yaml").write_text((ROOT / "params.yaml").read_text())
    monkeypatch.chdir(tmp_path)
    return tmp_path


def failure_of(root: Path, stage: str, item: str) -> dict[str, str]:
    """Runs a stage that fails; returns its description."""
    assert main([stage, item]) == 1
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
    failure = failure_of(checkout, stage, item)

    assert failure["message"] == str(refused.value) == f"{renamed}; rename it in params.yaml"
    assert (failure["kind"], failure["remedy"]) == ("user", refused.value.remedy)


def test_an_unknown_key_has_the_nearest_ones(checkout):
    """Also where a section that the stage does not need is missing."""
    path = checkout / "params.yaml"
    path.write_text("collections: {faces: {labels: [a], clean: {min_contrats: 1}}}\n")
    failure = failure_of(checkout, "clean", "faces")

    assert failure["kind"] == "user"
    assert "did you mean: collections.faces.clean.min_contrast" in failure["message"]


def test_another_invalid_file_is_no_error_of_the_params(checkout, monkeypatch):
    """Of a file that a stage wrote itself, pydantic's error is a bug."""
    monkeypatch.setattr("steps.clean.run", lambda _: CollectionParams.model_validate({"labels": 1}))
    failure = failure_of(checkout, "clean", "faces")

    assert failure["kind"] == "bug"
