import json
import os
import re
import sys
from pathlib import Path

import pytest

from common.settings import Settings
from flows.servers import servers
from flows.servers.servers import Server, ServerError, found, open_servers, start, stop, stop_own, wait_healthy
from tests.support.processes import runs


def settings_of(port):
    """Settings with MLflow's port."""
    return Settings(registry={"port": port})


def test_server_is_started_found_and_stopped(tmp_path, kind):
    """Its record has its address; afterwards neither record nor process exists."""
    server = start(tmp_path, kind, servers.free_port(), "make up")
    wait_healthy([server], deadline_s=20)
    known = found(tmp_path, kind)
    stop(tmp_path, server)

    assert (known.url, known.pid, known.keeper) == (server.url, server.pid, "make up")
    assert found(tmp_path, kind) is None
    assert not server.alive()


def test_pid_that_was_used_again_is_not_ours(tmp_path, kind):
    """The file of a dead server is removed, whichever process has its pid now; stopping it ends none."""
    server = Server(kind, "http://127.0.0.1:1", "make up", os.getpid(), created=12345.0)
    servers.remember(tmp_path, server)

    assert found(tmp_path, kind) is None
    servers.remember(tmp_path, server)
    stop(tmp_path, server)  # this process is still alive


def test_run_speaks_to_the_servers_of_make_up(tmp_path, kind):
    """It neither starts nor stops any."""
    server = start(tmp_path, kind, servers.free_port(), "make up")
    used = open_servers(settings_of(1), tmp_path, [kind])
    stop_own(tmp_path, used)

    assert [one.pid for one in used] == [server.pid]
    assert server.alive()
    stop(tmp_path, server)


def test_run_takes_a_free_port_where_that_of_the_settings_is_taken(tmp_path, kind, foreign_port):
    """A nightly run needs no particular port; a foreign process is not ended."""
    (server,) = open_servers(settings_of(foreign_port), tmp_path, [kind])
    wait_healthy([server], deadline_s=20)
    stop_own(tmp_path, [server])

    assert server.port != foreign_port
    assert servers.listening(foreign_port)
    assert not server.alive()


def test_server_that_a_killed_run_has_left_makes_way(tmp_path, kind):
    """Two servers on one database would break it."""
    left = start(tmp_path, kind, servers.free_port(), "a run")
    (server,) = open_servers(settings_of(servers.free_port()), tmp_path, [kind])

    assert server.pid != left.pid
    assert not Server(kind, left.url, "a run", left.pid, left.created).alive()
    stop_own(tmp_path, [server])


def test_server_that_dies_is_reported_with_the_end_of_its_log(tmp_path, kind, monkeypatch):
    """Beyond its absence, the message has its output."""
    code = "raise SystemExit('the database is of a newer version')"
    monkeypatch.setattr(servers, "POLL_S", 0.01)
    bad = servers.Kind("mlflow", "MLflow", "registry", "/", lambda *_: [sys.executable, "-c", code], kind.variables)
    server = start(tmp_path, bad, servers.free_port(), "a run")

    with pytest.raises(ServerError, match=r"ended before it answered\n  the database is of a newer version") as caught:
        wait_healthy([server])
    log = Path(re.search(r"its complete log is (.*); then run again", caught.value.remedy)[1])
    assert "newer version" in log.read_text()
    again = start(tmp_path, kind, servers.free_port(), "a run")
    wait_healthy([again], deadline_s=20)
    stop(tmp_path, again)


def test_server_that_never_answers_is_given_up(tmp_path, kind):
    """The wait has an end."""
    code = "import time; time.sleep(60)"
    mute = servers.Kind("mlflow", "MLflow", "registry", "/", lambda *_: [sys.executable, "-c", code], kind.variables)
    server = start(tmp_path, mute, servers.free_port(), "a run")
    with pytest.raises(ServerError, match="did not answer within 0 s"):
        wait_healthy([server], deadline_s=0.1)
    stop_own(tmp_path, [server])


def test_team_server_that_is_down_is_named_with_its_setting(tmp_path, kind):
    """A local server is not a substitute: the team's history is on theirs."""
    settings = Settings(registry={"url": f"http://user:secret@127.0.0.1:{servers.free_port()}"})
    with pytest.raises(ServerError, match="does not answer") as caught:
        open_servers(settings, tmp_path, [kind])

    server = start(tmp_path / "team", kind, servers.free_port(), "make up")
    wait_healthy([server], deadline_s=20)
    name, key = re.search(r"change (\w+)\.(\w+) in", caught.value.remedy).groups()
    [opened] = open_servers(Settings.model_validate({name: {key: server.url}}), tmp_path, [kind])
    stop(tmp_path / "team", server)

    assert (opened.url, opened.keeper) == (server.url, "team")
    assert "secret" not in str(caught.value)


def _parent(kind, file):
    """A server whose process starts another, and records its pid."""
    code = (
        "import subprocess, sys, time, pathlib\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        f"pathlib.Path({str(file)!r}).write_text(str(child.pid))\n"
        "time.sleep(600)"
    )
    return servers.Kind("mlflow", "MLflow", "registry", "/", lambda *_: [sys.executable, "-c", code], kind.variables)


def test_children_of_a_server_end_with_it(tmp_path, kind):
    """MLflow's server is a process that starts another."""
    server = start(tmp_path, _parent(kind, tmp_path / "child"), servers.free_port(), "a run")
    while not (tmp_path / "child").exists() or not (tmp_path / "child").read_text():
        pass
    stop_own(tmp_path, [server])

    assert not runs(int((tmp_path / "child").read_text()))


def test_what_a_killed_server_leaves_is_ended(tmp_path, kind):
    """After SIGKILL to the parent, MLflow's serving process remains, and has the database open."""
    server = start(tmp_path, _parent(kind, tmp_path / "child"), servers.free_port(), "make up")
    while not (tmp_path / "child").exists() or not (tmp_path / "child").read_text():
        pass
    server.process.kill()
    server.process.wait()
    child = int((tmp_path / "child").read_text())
    assert runs(child)
    servers.sweep(tmp_path, kind)

    assert not runs(child)


def test_who_listens_is_reported(foreign_port):
    """Pid and command, if the system reveals them."""
    assert "http.server" in servers.who_listens(foreign_port)


def test_file_that_is_broken_counts_as_none(tmp_path, kind):
    """A truncated file is not a server."""
    (tmp_path / "servers").mkdir()
    (tmp_path / "servers" / "mlflow.json").write_text(json.dumps({"url": "x"})[:5])

    assert found(tmp_path, kind) is None
