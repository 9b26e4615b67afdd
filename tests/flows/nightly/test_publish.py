import errno
import sys
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from common.settings import Settings
from flows.nightly import publish
from flows.nightly.run import RunRequest
from flows.servers.session import Session
from registry.mlflow import runs
from registry.mlflow.run_summary import NOTE
from report.data.run import Failure, NightlyRun, StageRun
from tests.support.fake_registry import FakeClient, FakeRegistry

FAILED = NightlyRun(
    started=datetime(2026, 3, 4, 4, 15, tzinfo=UTC),
    finished=datetime(2026, 3, 4, 4, 41, tzinfo=UTC),
    stages=[StageRun(name="train@expression", family="expression", state="failed")],
    failures=[Failure(family="expression", stage="train", message="out of memory in epoch 12", log="build/x.log")],
    champions={"expression": 12},
)


@pytest.fixture
def registry(tmp_path):
    """MLflow's server, in memory."""
    return FakeRegistry(tmp_path / "artifacts")


@pytest.fixture
def published(monkeypatch, tmp_path, registry):
    """Publishes the report of a run with a server of that keeper; returns its address."""
    (tmp_path / "index.html").write_text("the report")
    monkeypatch.setattr(runs, "client", lambda _uri: FakeClient(registry))
    monkeypatch.setattr(publish, "headline", lambda *_: SimpleNamespace(text="dots v1 registered"))

    def publish_it(keeper, decisions=None):
        server = SimpleNamespace(url="http://127.0.0.1:5001", api="http://x", keeper=keeper)
        monkeypatch.setattr(Session, "ready", lambda *_: server)
        session = Session(tmp_path, Settings(), tmp_path, None)
        run = SimpleNamespace(nightly=FAILED, session=session, out=tmp_path, decisions=decisions or {})
        return publish.to_mlflow(run)

    return publish_it


def test_pager_is_given_the_reason_first(tmp_path):
    """The configured command gets the text on standard input, without a shell."""
    got = tmp_path / "got.txt"
    code = f"import sys; open({str(got)!r}, 'w').write(sys.stdin.read())"
    publish.notify(FAILED, f'"{sys.executable}" -c "{code}"')

    first, second = got.read_text().splitlines()[:2]
    assert first == "NIGHTLY FAILED 04:41  expression: train, out of memory in epoch 12"
    assert second == "in use, unchanged: expression v12; the set is safe"


def test_pager_is_quiet_after_a_good_run(tmp_path):
    """A good run does not notify."""
    publish.notify(NightlyRun(started=FAILED.started), f"touch {tmp_path / 'rang'}")

    assert not (tmp_path / "rang").exists()


def test_pager_that_fails_is_reported_and_changes_nothing(capsys):
    """It does not add a second failure."""
    publish.notify(FAILED, "no-such-program --at-all")
    publish.notify(FAILED, 'unbalanced "quote')

    assert capsys.readouterr().err.count("notify.command") == 2


def test_run_that_only_looked_logs_nothing_but_ends_what_was_left(monkeypatch):
    """A run that does nothing also ends the MLflow run of one that was killed while it logged its page."""
    looked = NightlyRun(started=FAILED.started, stages=[StageRun(name="train@expression", state="skipped")])
    asked = []
    monkeypatch.setattr(runs, "client", lambda _uri: None)
    monkeypatch.setattr(runs, "end_abandoned", lambda _mlflow, where: asked.append(where))
    session = SimpleNamespace(ready=lambda _kind: SimpleNamespace(api="http://x"))

    assert publish.to_mlflow(SimpleNamespace(nightly=looked, session=session)) == ""
    assert asked == ["nightly"]


def test_run_that_cannot_take_the_page_is_ended(monkeypatch, tmp_path, capsys):
    """No run is left RUNNING, even if the upload fails; one left by a killed run is ended first."""
    asked = []
    ended = SimpleNamespace(set_terminated=lambda *how: asked.append(how), log_artifact=lambda *_: 1 / 0)
    monkeypatch.setattr(runs, "client", lambda _uri: ended)
    monkeypatch.setattr(runs, "end_abandoned", lambda _mlflow, where: asked.append(where))
    opened = SimpleNamespace(info=SimpleNamespace(run_id="r1", experiment_id="1"))
    monkeypatch.setattr(runs, "open_run", lambda *_: opened)
    session = SimpleNamespace(ready=lambda _kind: SimpleNamespace(api="http://x", url="http://x"))

    assert publish.to_mlflow(SimpleNamespace(nightly=FAILED, session=session, out=tmp_path, decisions={})) == ""
    assert asked == ["nightly", ("r1", "FAILED")]
    assert "not in MLflow" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("keeper", "host"), [("a run", "127.0.0.1:5000"), ("make up", "127.0.0.1:5001"), ("team", "127.0.0.1:5001")]
)
def test_link_to_the_page_works_after_the_run(published, keeper, host):
    """The server of a run ends with it, so the link has the address of `make up`."""
    link = published(keeper)

    assert link == f"http://{host}/#/experiments/1/runs/run1/artifacts/index.html?workflowType=machine_learning"


def test_run_and_version_lead_to_the_report_and_back(published, registry):
    """Each links to the report of its nightly run; that run's page links to each of them."""
    client = FakeClient(registry)
    run = client.create_run(client.create_experiment("dots"), tags={NOTE: "dots\n\n[curves](#/x)"}, run_name="dots")
    client.create_registered_model("dots", {})
    client.create_model_version("dots", "", run.info.run_id, {}, description="dots\n\n[curves](#/x)")
    decision = SimpleNamespace(
        version=1, run_id="run1", run_url="http://a/#/runs/run1", version_url="http://a/#/models/dots",
        registered=True, promoted=False,
    )  # fmt: skip
    published("make up", {"dots": decision})

    report = "[report](#/experiments/2/runs/run2/artifacts/index.html?workflowType=machine_learning)"
    nightly = registry.runs["run2"].data.tags[NOTE]
    assert report in nightly
    assert registry.runs["run1"].data.tags[NOTE] == f"dots\n\n{report} · [curves](#/x)"
    assert registry.versions["dots"][1].description == f"dots\n\n{report} · [curves](#/x)"
    assert "[dots run](#/runs/run1) · [dots version 1](#/models/dots)" in nightly


def test_full_disk_does_not_silence_the_pager(monkeypatch, tmp_path, capsys):
    """The run cannot be recorded, but the notification is still sent."""

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(publish, "write_down", full)
    now = SimpleNamespace(state=tmp_path, settings=Settings())
    publish.failed_to_start(now, RunRequest(), "servers", ValueError("the database is full"))

    assert "the database is full" in capsys.readouterr().err


def test_registry_that_is_down_does_not_undo_the_run(capsys):
    """The page is in build/report as well."""
    run = SimpleNamespace(nightly=FAILED, session=SimpleNamespace(ready=lambda _kind: 1 / 0))

    assert publish.to_mlflow(run) == ""
    assert "not in MLflow" in capsys.readouterr().err
