"""Requests of tasks to the registry."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from flows.nightly import tasks
from flows.nightly.data_tasks import FetchError
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


@pytest.mark.parametrize("is_own", [True, False])
def test_a_starter_beside_other_data_is_optional(monkeypatch, tmp_path, capsys, is_own):
    """A run without a network goes on without it; without any other data it fails."""
    state = SimpleNamespace(problem="", present=True, starter=not is_own, remote=False)
    monkeypatch.setattr(tasks.versions, "state", lambda *_: state)
    monkeypatch.setattr(tasks.disk, "estimate", lambda *_, **__: None)
    monkeypatch.setattr(tasks.disk, "check", lambda *_: None)
    for name in ("starters", "starters_beside"):
        monkeypatch.setattr(tasks.data_tasks, name, lambda *_, **__: ["takes"])
    monkeypatch.setattr(tasks.data_tasks, "fetch_assets", lambda *_: False)

    def offline(*_given):
        raise FetchError(OSError("no network"))

    monkeypatch.setattr(tasks.data_tasks, "make_starters", offline)
    session, nightly = SimpleNamespace(settings=None, state=tmp_path), SimpleNamespace(families=["tracking"])
    run = SimpleNamespace(root=tmp_path, values={}, session=session, nightly=nightly)
    if is_own:
        assert tasks.fetch(run) == ("skipped", "data and assets are here")
        assert "no starter beside your takes: no network; then run again" in capsys.readouterr().err
    else:
        with pytest.raises(FetchError, match="no network"):
            tasks.fetch(run)
