import os
import re
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from types import SimpleNamespace

import pytest

from common.settings import Settings
from flows.servers import definitions, local, prefect_client, scheduler, servers
from flows.servers.lock import run_lock
from flows.servers.prefect_client import DeploymentState
from flows.servers.servers import PortTakenError, found, free_port
from registry.mlflow import runs
from registry.mlflow.runs import RegistryDownError
from report.data.run import Failure, NightlyRun
from steps.runtime.failures import describe

pytestmark = pytest.mark.usefixtures("planted")
SCHEDULE = scheduler.up  # the real one


@pytest.fixture
def planted(monkeypatch, kind):
    """MLflow alone, and a scheduler that is registered in Prefect at once."""
    monkeypatch.setattr(local, "KINDS", (kind,))
    monkeypatch.setattr(local, "PREFECT", kind)
    monkeypatch.setattr(scheduler, "up", lambda *_: None)
    return kind


def settings_of(port):
    """Settings with MLflow's port."""
    return Settings(registry={"port": port})


def test_up_twice_and_down(tmp_path):
    """The second `up` starts nothing; `down` stops all, and a second one has nothing to do."""
    settings = settings_of(free_port())
    first = local.up(settings, tmp_path)
    second = local.up(settings, tmp_path)

    assert [row.pid for row in first] == [row.pid for row in second]
    assert first[0].state == "answers"
    assert local.down(tmp_path) == ["MLflow"]
    assert local.down(tmp_path) == []


def test_server_of_make_up_outlives_its_terminal(tmp_path):
    """It has a separate session: closing the terminal, or Ctrl-C, does not reach it."""
    (row, _) = local.up(settings_of(free_port()), tmp_path)
    session = os.getsid(row.pid)
    local.down(tmp_path)

    assert session == row.pid


def test_the_address_for_other_machines_is_printed(tmp_path):
    """Only if the settings admit them."""
    port = free_port()
    open_to_all = Settings(registry={"port": port, "host": "0.0.0.0"})  # noqa: S104 - the tested setting
    (row, _) = local.up(open_to_all, tmp_path)
    (closed, _) = local.look(settings_of(port), tmp_path)
    local.down(tmp_path)

    assert row.url == f"http://127.0.0.1:{port}"
    assert row.note == f"from other machines: http://{definitions.names_here()[0]}:{port}"
    assert closed.note == ""


def test_taken_port_is_named_with_who_has_it_and_the_setting(tmp_path, foreign_port):
    """The error is clear, and the process on it is not ended."""
    with pytest.raises(PortTakenError, match=f"port {foreign_port}.*http.server") as caught:
        local.up(settings_of(foreign_port), tmp_path)

    assert "registry.port" in caught.value.remedy
    assert servers.listening(foreign_port)


def test_up_waits_for_a_run_with_servers_of_its_own(tmp_path, planted):
    """Two servers on one database would break it: exit status 4."""
    server = servers.start(tmp_path, planted, free_port(), "a run")
    with run_lock(tmp_path, "nightly"), pytest.raises(local.RunInProgressError, match="nightly") as caught:
        local.up(settings_of(free_port()), tmp_path)
    assert (caught.value.exit_status, server.alive()) == (4, True)
    rows = local.up(settings_of(free_port()), tmp_path)  # after the end of the run, as the remedy has it

    assert caught.value.remedy == "wait for its end, then: make up"
    assert rows[0].state == "answers"
    assert local.down(tmp_path) == ["MLflow"]


RUN = """
import sys, time
from pathlib import Path
from flows.servers.lock import run_lock
with run_lock(Path(sys.argv[1]), "nightly"):
    print("held", flush=True)
    time.sleep(600)
"""


def test_down_does_not_pull_the_servers_from_under_a_run(tmp_path, planted):
    """The printed option ends the run first, and then the servers."""
    local.up(settings_of(free_port()), tmp_path)
    words = [sys.executable, "-c", RUN, tmp_path]
    with subprocess.Popen(words, stdout=subprocess.PIPE, cwd=Path(__file__).parents[3]) as run:
        run.stdout.readline()
        try:
            with pytest.raises(local.RunInProgressError, match="would fail") as caught:
                local.down(tmp_path)
            alive = found(tmp_path, planted).alive(), run.poll()
            stopped = local.down(tmp_path, force=caught.value.remedy.endswith(" down --force"))
            ended = run.poll()
        finally:
            run.kill()
            local.down(tmp_path, force=True)

    assert (alive, stopped, ended is None) == ((True, None), ["MLflow"], False)


def test_half_an_up_is_taken_back(tmp_path, planted, monkeypatch):
    """If the scheduler does not start, the servers started for it are stopped again."""

    def fail(*_):
        message = "no scheduler"
        raise servers.ServerError(message, "")

    monkeypatch.setattr(scheduler, "up", fail)
    with pytest.raises(servers.ServerError, match="no scheduler"):
        local.up(settings_of(free_port()), tmp_path)

    assert found(tmp_path, planted) is None


def test_scheduler_goes_with_an_up_that_is_broken_off(tmp_path, monkeypatch):
    """Ctrl-C while the scheduler starts ends it too; otherwise it would continue without its server."""
    begun, real = [], servers.spawn

    def spawn(_command, log, variables, **how):
        begun.append(real([sys.executable, "-c", "import time; time.sleep(60)"], log, variables, **how))
        return begun[0]

    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(servers, "spawn", spawn)
    monkeypatch.setattr(prefect_client, "standing", lambda _prefect: interrupted() if begun else None)
    started = []
    with pytest.raises(KeyboardInterrupt):
        SCHEDULE(settings_of(1), tmp_path, servers.Server(definitions.PREFECT, "http://x", "team"), started)

    assert [server.pid for server in started] == [begun[0].pid]
    servers.stop(tmp_path, *started)


def standing(updated="today", planned=None, **other):
    """Possible states of the deployment."""
    known = {"paused": False, "schedules": ("15 4 * * * UTC",), "last": ""}
    return DeploymentState(updated=updated, planned=planned, **(known | other))


def test_scheduler_is_up_once_prefect_plans_a_run(tmp_path, planted, monkeypatch):
    """An earlier deployment does not count, nor one without a run; only the server's clock is used."""
    soon = datetime.now(UTC)
    old, fresh = standing("yesterday", soon), standing("today")
    written = iter([old, None, old, fresh, standing("today", soon), "nobody asks"])
    monkeypatch.setattr(prefect_client, "standing", lambda _prefect: next(written))
    monkeypatch.setattr(scheduler, "LOOK_S", 0.01)
    monkeypatch.setattr(scheduler, "_start", lambda *_: servers.start(tmp_path, planted, free_port(), "make up"))
    started = []
    SCHEDULE(settings_of(1), tmp_path, servers.Server(definitions.PREFECT, "http://x", "team"), started)
    servers.stop(tmp_path, *started)

    assert list(written) == ["nobody asks"]


def test_status_shows_which_server_does_not_answer(tmp_path, planted):
    """As the remedies ask; once it runs, the same call succeeds."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    settings = Settings(registry={"url": url})
    with pytest.raises(RegistryDownError, match="check with make status, then run again") as down:
        runs.client(url)
    before = local.look(settings, tmp_path)[0].state
    server = servers.start(tmp_path / "team", planted, port, "make up")
    servers.wait_healthy([server], deadline_s=20)
    after, client = local.look(settings, tmp_path)[0].state, runs.client(url)
    servers.stop(tmp_path / "team", server)

    assert describe("register", "expression", down.value).remedy.endswith("make status")
    assert (before, after) == ("does not answer", "answers")
    assert client


@pytest.mark.parametrize("keeper", ["make up", "team"])
def test_the_state_of_a_prefect_that_does_not_answer_is_shown(tmp_path, monkeypatch, keeper):
    """By the log that is named, or by `make status` where the server is the team's."""
    url, log = f"http://127.0.0.1:{free_port()}", tmp_path / "prefect.log"
    log.write_text("the reason")
    server = servers.Server(definitions.PREFECT, url, keeper, log=log if keeper == "make up" else None)
    with pytest.raises(servers.ServerError, match="does not answer") as gone, prefect_client.connect(server) as client:
        client.read_deployments()
    monkeypatch.setattr(local, "KINDS", (definitions.PREFECT,))
    rows = local.look(Settings(prefect={"url": url}), tmp_path)

    if keeper == "team":
        assert (gone.value.remedy.split("   ")[0], rows[0].state) == ("make status", "does not answer")
    else:
        assert Path(re.search(r"see (.*), then run again", gone.value.remedy)[1]).read_text() == "the reason"


@pytest.mark.parametrize("now", [None, standing()], ids=["it ended", "no run is planned"])
def test_the_log_of_a_scheduler_that_does_not_come_up_is_named(tmp_path, planted, monkeypatch, now):
    """It holds the reason; once that is fixed, the same call succeeds."""
    code = "raise SystemExit('the reason')"
    bad = replace(planted, command=lambda *_: [sys.executable, "-c", code])
    prefect = servers.Server(definitions.PREFECT, "http://x", "team", log=tmp_path / "logs/mlflow.log")
    monkeypatch.setattr(prefect_client, "standing", lambda _prefect: now)
    monkeypatch.setattr(scheduler, "LOOK_S", 0.01)
    monkeypatch.setattr(scheduler, "log_path", lambda _state: tmp_path / "logs/mlflow.log")
    monkeypatch.setattr(scheduler, "_start", lambda *_: servers.start(tmp_path, bad, free_port(), "make up"))
    with pytest.raises(servers.ServerError) as caught:
        SCHEDULE(settings_of(1), tmp_path, prefect, [])
    log = Path(re.search(r"its complete log is ([^;]+)", caught.value.remedy)[1])
    written = iter([None, standing("later", datetime.now(UTC))])
    monkeypatch.setattr(prefect_client, "standing", lambda _prefect: next(written))
    monkeypatch.setattr(scheduler, "_start", lambda *_: servers.start(tmp_path, planted, free_port(), "make up"))
    text, started = log.read_text(), []
    SCHEDULE(settings_of(1), tmp_path, prefect, started)
    servers.stop(tmp_path, *started)

    assert "the reason" in text
    assert len(started) == 1


@pytest.mark.parametrize(
    ("now", "fault"),
    [
        (standing(planned=datetime.now(UTC) + timedelta(hours=1)), ""),
        (standing(planned=datetime.now(UTC) - timedelta(hours=1)), "was not started"),
        (standing(), "Prefect plans no runs"),
        (standing(paused=True), "paused in Prefect"),
        (standing(schedules=("0 5 * * * UTC",)), "Prefect has 0 5 * * * UTC, settings.toml 15 4 * * * UTC"),
    ],
)
def test_what_keeps_runs_from_starting_is_named(now, fault):
    """A running process is not enough."""
    assert fault in now.fault("15 4 * * * UTC")
    assert bool(now.fault("15 4 * * * UTC")) == bool(fault)


def test_news_have_the_last_run(tmp_path):
    """Time, duration, and the reason first; the versions used then."""
    at = datetime(2026, 3, 4, 4, 41, tzinfo=UTC)
    failure = Failure(family="expression", stage="train", message="out of memory")
    nightly = NightlyRun(started=at, finished=at, seconds=1560, failures=[failure], champions={"expression": 12})
    (tmp_path / "last.json").write_text(nightly.model_dump_json())
    output = "\n".join(local.news(settings_of(free_port()), tmp_path))

    assert "2026-03-04 04:41, 26 min 00 s, FAILED: expression: train, out of memory" in output
    assert "expression v12" in output


def test_news_of_a_registry_that_asks_for_a_password(tmp_path):
    """It runs, so the hint is the setting to change, not to start it."""

    class Guarded(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200 if self.path == "/health" else 401)
            self.end_headers()

        def log_message(self, *_):
            pass

    with HTTPServer(("127.0.0.1", 0), Guarded) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        settings = Settings(registry={"url": f"http://127.0.0.1:{server.server_port}"})
        output = local.news(settings, tmp_path)[-1]
        server.shutdown()

    assert "answers 401: it requires a password; put USER:PASSWORD@ before the host in registry.url" in output
    assert "does not run" not in output


def test_news_before_the_first_run(tmp_path):
    """The absence of runs is reported."""
    assert "none yet: make nightly" in "\n".join(local.news(settings_of(free_port()), tmp_path))


def test_hold_stands_beside_the_champion():
    """Status shows the reason why the alias does not move."""
    champion = SimpleNamespace(family="expression", version=11, since="2026-03-04T04:41:00", hold="on hold: beards")

    assert local._spell(champion) == "expression v11, since 2026-03-04 04:41; on hold: beards"
