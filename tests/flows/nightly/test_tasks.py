"""Requests of tasks to the registry."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from flows.nightly import tasks
from flows.nightly.run import RunRequest
from registry.git.snapshot import Record


@pytest.mark.parametrize(
    ("wanted", "promote"),
    [
        (RunRequest(), True),
        (RunRequest(patch={"expression": {}}), False),
        (RunRequest(patch={"expression": {}}, promote=True), True),
        (RunRequest(quick=True), False),
    ],
)
def test_a_trial_is_not_promoted_unasked(monkeypatch, tmp_path, wanted, promote):
    """A nightly run may move the champion, a trial only with --promote."""
    asked = []

    def enter(*_args, promote, **_more):
        asked.append(promote)
        return SimpleNamespace(registered=True, promoted=promote, reasons=["why"], model_dump_json=lambda **_: "{}")

    monkeypatch.setattr("registry.promotion.register.register", enter)
    monkeypatch.setattr("models.families.by_name", lambda name: name)
    kept = Record("c" * 40, "main", dirty=False)
    monkeypatch.setattr(tasks.records, "completed", lambda *_: kept)
    (tmp_path / "build/expression").mkdir(parents=True)
    session = SimpleNamespace(ready=lambda _: None, settings=None, lasting_url=lambda _: "http://x")
    nightly = SimpleNamespace(record="")
    run = SimpleNamespace(session=session, kept=kept, tree=tmp_path, nightly=nightly, request=wanted, decisions={})
    tasks.register(run, "expression")

    assert asked == [promote]
