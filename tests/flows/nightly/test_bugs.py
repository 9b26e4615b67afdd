"""A bug in a nightly run is reported as one, wherever it occurs."""

from __future__ import annotations

import pytest

from flows.nightly import plan, publish
from report.page.build import build
from report.text.terminal import pager_text
from rushes import __version__
from steps.runtime.failures import write_failure

TEXT = "ValueError: operands could not be broadcast together"


def raise_bug(*_args, **_named):
    """Raises an error of NumPy."""
    message = "operands could not be broadcast together"
    raise ValueError(message)


def reproduce_with_bug(tree, node, _env, log, _pass_fds=()):
    """Replaces registry.dvc.pipeline.reproduce with a stage that fails as in `python -m steps`."""
    log.write_text("epoch 1\n", encoding="utf-8")
    try:
        raise_bug()
    except ValueError as error:
        write_failure(tree, node.stage, node.item, error)
    return 255


@pytest.mark.parametrize("place", ["stage", "task"])
def test_a_planted_value_error_is_a_bug_in_pager_report_and_last_json(world, monkeypatch, place):
    """With its text, its place, the version and the request to report it; it is not retried."""
    if place == "stage":
        monkeypatch.setattr(plan.pipeline, "reproduce", reproduce_with_bug)
    else:
        monkeypatch.setattr(plan.tasks, "version", raise_bug)
    nightly = world.nightly()
    page = build(world.root, world.root / "build/report", nightly).read_text(encoding="utf-8")
    last = (world.root / ".state/last.json").read_text(encoding="utf-8")

    wanted = f"this is a bug in rushes {__version__} (flows/nightly/test_bugs.py:"
    for text in (pager_text(nightly), page, last):
        assert TEXT in text
        assert wanted in text
        assert "please report it, with its log" in text


def test_the_pager_is_given_the_bug(world, monkeypatch, tmp_path):
    """The command of the settings reads the same text."""
    monkeypatch.setattr(plan.tasks, "version", raise_bug)
    nightly = world.nightly()
    publish.notify(nightly, f"tee {tmp_path / 'paged.txt'}")

    assert f"this is a bug in rushes {__version__}" in (tmp_path / "paged.txt").read_text(encoding="utf-8")
