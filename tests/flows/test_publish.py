import errno
import sys
from datetime import UTC, datetime
from types import SimpleNamespace

from flows import publish
from flows.run import Order
from registry import tracking
from registry.settings import Settings
from report.night import Failure, Night, StageRun

FAILED = Night(
    started=datetime(2026, 3, 4, 4, 15, tzinfo=UTC),
    finished=datetime(2026, 3, 4, 4, 41, tzinfo=UTC),
    stages=[StageRun(name="train@expression", family="expression", state="failed")],
    failures=[Failure(family="expression", stage="train", message="out of memory in epoch 12", log="build/x.log")],
    champions={"expression": 12},
)


def test_pager_is_given_the_reason_first(tmp_path):
    """The command of the settings gets the text on standard input, without a shell."""
    got = tmp_path / "got.txt"
    code = f"import sys; open({str(got)!r}, 'w').write(sys.stdin.read())"
    publish.notify(FAILED, f'"{sys.executable}" -c "{code}"')

    first, second = got.read_text().splitlines()[:2]
    assert first == "NIGHTLY FAILED 04:41  expression: train, out of memory in epoch 12"
    assert second == "in use, unchanged: expression v12; the set is safe"


def test_pager_is_quiet_after_a_good_night(tmp_path):
    """Nobody is woken for nothing."""
    publish.notify(Night(started=FAILED.started), f"touch {tmp_path / 'rang'}")

    assert not (tmp_path / "rang").exists()


def test_pager_that_fails_is_told_and_changes_nothing(capsys):
    """A night does not fail twice."""
    publish.notify(FAILED, "no-such-program --at-all")
    publish.notify(FAILED, 'unbalanced "quote')

    assert capsys.readouterr().err.count("notify.command") == 2


def test_night_that_only_looked_is_not_logged():
    """Nothing changed, so MLflow is not even asked for."""
    looked = Night(started=FAILED.started, stages=[StageRun(name="train@expression", state="skipped")])

    assert publish.to_mlflow(SimpleNamespace(night=looked)) == ""


def test_run_that_cannot_take_the_page_is_ended(monkeypatch, tmp_path, capsys):
    """No run is left RUNNING, also where the upload fails; one that a killed night has left is ended first."""
    asked = []
    ended = SimpleNamespace(set_terminated=lambda *how: asked.append(how), log_artifact=lambda *_: 1 / 0)
    monkeypatch.setattr(tracking, "client", lambda _uri: ended)
    monkeypatch.setattr(tracking, "end_abandoned", lambda _mlflow, where: asked.append(where))
    opened = SimpleNamespace(info=SimpleNamespace(run_id="r1", experiment_id="1"))
    monkeypatch.setattr(tracking, "open_run", lambda *_: opened)
    session = SimpleNamespace(ready=lambda _kind: SimpleNamespace(api="http://x", url="http://x"))

    assert publish.to_mlflow(SimpleNamespace(night=FAILED, session=session, out=tmp_path)) == ""
    assert asked == ["nightly", ("r1", "FAILED")]
    assert "not in MLflow" in capsys.readouterr().err


def test_full_disk_does_not_silence_the_pager(monkeypatch, tmp_path, capsys):
    """A night that could not begin cannot be written down either; somebody is woken all the same."""

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(publish, "write_down", full)
    now = SimpleNamespace(state=tmp_path, settings=Settings())
    publish.stillborn(now, Order(), "servers", ValueError("the database is full"))

    assert "the database is full" in capsys.readouterr().err


def test_registry_that_is_down_does_not_undo_the_night(capsys):
    """The page lies in build/report as well."""
    run = SimpleNamespace(night=FAILED, session=SimpleNamespace(ready=lambda _kind: 1 / 0))

    assert publish.to_mlflow(run) == ""
    assert "not in MLflow" in capsys.readouterr().err
