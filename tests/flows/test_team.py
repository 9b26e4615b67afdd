import os
import sys
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from flows import servers, team
from flows.lock import run_lock
from flows.servers import PortTakenError, found, free_port
from registry.settings import Settings
from report.night import Failure, Night

pytestmark = pytest.mark.usefixtures("planted")
SCHEDULE = team._schedule  # the real one


@pytest.fixture
def planted(monkeypatch, kind):
    """MLflow alone, and a scheduler that Prefect knows at once."""
    monkeypatch.setattr(team, "KINDS", (kind,))
    monkeypatch.setattr(team, "PREFECT", kind)
    monkeypatch.setattr(team, "_schedule", lambda *_: None)
    return kind


def settings_of(port):
    """Settings with MLflow's port."""
    return Settings(registry={"port": port})


def test_up_twice_and_down(tmp_path):
    """The second `up` starts nothing; `down` stops what there is, and then has nothing to do."""
    settings = settings_of(free_port())
    first = team.up(settings, tmp_path)
    second = team.up(settings, tmp_path)

    assert [row.pid for row in first] == [row.pid for row in second]
    assert first[0].state == "answers"
    assert team.down(tmp_path) == ["MLflow"]
    assert team.down(tmp_path) == []


def test_server_of_make_up_outlives_its_terminal(tmp_path):
    """It has a session of its own: closing the terminal, or Ctrl-C, does not reach it."""
    (row, _) = team.up(settings_of(free_port()), tmp_path)
    session = os.getsid(row.pid)
    team.down(tmp_path)

    assert session == row.pid


def test_other_machines_are_told_the_address(tmp_path):
    """Where the settings let them in, and only there."""
    port = free_port()
    open_to_all = Settings(registry={"port": port, "host": "0.0.0.0"})  # noqa: S104 - what is asked for
    (row, _) = team.up(open_to_all, tmp_path)
    (closed, _) = team.look(settings_of(port), tmp_path)
    team.down(tmp_path)

    assert row.url == f"http://127.0.0.1:{port}"
    assert row.note == f"from other machines: http://{servers.names_here()[0]}:{port}"
    assert closed.note == ""


def test_taken_port_is_named_with_who_has_it_and_the_setting(tmp_path, stranger):
    """A clear error, and the stranger is left alone."""
    with pytest.raises(PortTakenError, match=f"port {stranger}.*http.server") as caught:
        team.up(settings_of(stranger), tmp_path)

    assert "registry.port" in caught.value.remedy
    assert servers.listening(stranger)


def test_up_waits_for_a_run_with_servers_of_its_own(tmp_path, planted):
    """Two servers on one database would break it: exit status 4."""
    server = servers.start(tmp_path, planted, free_port(), "a run")
    with run_lock(tmp_path, "nightly"), pytest.raises(team.BusyError, match="nightly") as caught:
        team.up(settings_of(free_port()), tmp_path)
    servers.stop(tmp_path, server)

    assert caught.value.status == 4


def test_down_does_not_pull_the_servers_from_under_a_run(tmp_path, planted):
    """Not without --force."""
    team.up(settings_of(free_port()), tmp_path)
    with run_lock(tmp_path, "nightly"), pytest.raises(team.BusyError, match="would fail"):
        team.down(tmp_path)
    alive = found(tmp_path, planted).alive()
    team.down(tmp_path)

    assert alive


def test_half_an_up_is_taken_back(tmp_path, planted, monkeypatch):
    """Where the scheduler does not come up, the servers that were started for it go again."""

    def fail(*_):
        message = "no scheduler"
        raise servers.ServerError(message, "")

    monkeypatch.setattr(team, "_schedule", fail)
    with pytest.raises(servers.ServerError, match="no scheduler"):
        team.up(settings_of(free_port()), tmp_path)

    assert found(tmp_path, planted) is None


def test_scheduler_goes_with_an_up_that_is_broken_off(tmp_path, monkeypatch):
    """Ctrl-C while the scheduler comes up: it, too, is ended, or it would go on without its server."""
    begun, real = [], servers.spawn

    def spawn(_command, log, variables, **how):
        begun.append(real([sys.executable, "-c", "import time; time.sleep(60)"], log, variables, **how))
        return begun[0]

    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(servers, "spawn", spawn)
    monkeypatch.setattr(team, "_deployed", lambda _prefect: interrupted() if begun else "")
    started = []
    with pytest.raises(KeyboardInterrupt):
        SCHEDULE(settings_of(1), tmp_path, SimpleNamespace(api="http://x", url="http://x"), started)

    assert [server.pid for server in started] == [begun[0].pid]
    servers.stop(tmp_path, *started)


def test_scheduler_is_up_once_it_has_written_its_deployment(tmp_path, planted, monkeypatch):
    """That of an earlier one does not count; and no clock but the server's has a say."""
    written = iter(["yesterday", "", "yesterday", "yesterday", "today", "nobody asks"])
    monkeypatch.setattr(team, "_deployed", lambda _prefect: next(written))
    monkeypatch.setattr(team, "LOOK_S", 0.01)
    monkeypatch.setattr(team, "_start_scheduler", lambda *_: servers.start(tmp_path, planted, free_port(), "make up"))
    started = []
    SCHEDULE(settings_of(1), tmp_path, SimpleNamespace(api="http://x"), started)
    servers.stop(tmp_path, *started)

    assert list(written) == ["nobody asks"]


def test_news_tell_of_the_last_night(tmp_path):
    """When, how long, and the reason first; what was in use then."""
    at = datetime(2026, 3, 4, 4, 41, tzinfo=UTC)
    failure = Failure(family="expression", stage="train", message="out of memory")
    night = Night(started=at, finished=at, seconds=1560, failures=[failure], champions={"expression": 12})
    (tmp_path / "last.json").write_text(night.model_dump_json())
    told = "\n".join(team.news(settings_of(free_port()), tmp_path))

    assert "2026-03-04 04:41, 26 min 00 s, FAILED: expression: train, out of memory" in told
    assert "expression v12" in told


def test_news_before_the_first_night(tmp_path):
    """Nothing is known, and that is said."""
    assert "none yet: make nightly" in "\n".join(team.news(settings_of(free_port()), tmp_path))


def test_hold_stands_beside_the_champion():
    """Whoever looks sees why the alias does not move."""
    champion = SimpleNamespace(family="expression", version=11, since="2026-03-04T04:41:00", hold="on hold: beards")

    assert team._spell(champion) == "expression v11, since 2026-03-04 04:41; on hold: beards"
