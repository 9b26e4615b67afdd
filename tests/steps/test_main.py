"""A stage run by hand: how a user's mistake ends it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from steps.__main__ import main
from tests.support.repos import ROOT


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
