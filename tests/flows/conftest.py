"""Stubs of the lower packages, and minimal servers."""

import subprocess
import sys
from types import SimpleNamespace

import pytest
import yaml

from flows.nightly import data_tasks, plan, tasks
from flows.servers import servers
from flows.servers.session import Session
from registry.git.snapshot import Record
from tests.support.nightly import VALUES, World


@pytest.fixture
def world(tmp_path, monkeypatch):
    """Replaces the lower packages by stubs, in a separate checkout."""
    for folder in (".state", "datasets", "build/expression", "build/scene"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(VALUES), encoding="utf-8")
    world = World(tmp_path)
    for place in ("flows.nightly.params.check", "registry.dvc.params.check"):
        monkeypatch.setattr(place, lambda _values: None)
    monkeypatch.setattr(tasks, "versions", world.versions())
    monkeypatch.setattr(
        tasks, "records", SimpleNamespace(record=lambda _root, _text: Record("c" * 40, "main", dirty=False))
    )
    monkeypatch.setattr(plan, "pipeline", world.pipeline())
    monkeypatch.setattr(tasks, "register", world.decide)
    monkeypatch.setattr(tasks, "report", lambda run: ("ran", str(run.out)))
    monkeypatch.setattr(Session, "open", lambda _self, _kinds: None)
    monkeypatch.setattr(data_tasks, "fetch_assets", lambda _root, _state: False)
    monkeypatch.setattr(data_tasks, "take_inbox", lambda _root, _values: [])
    monkeypatch.setattr(data_tasks, "extend_splits", lambda _root, _values, _families: None)
    monkeypatch.setattr(data_tasks, "champions", lambda _session, families: dict.fromkeys(families, 12))
    return world


@pytest.fixture
def kind(monkeypatch):
    """A minimal server in place of both, so that starting one takes a tenth of a second."""
    code = (
        "import http.server, sys\n"
        "class Handler(http.server.BaseHTTPRequestHandler):\n"
        "    def do_GET(self): self.send_response(200); self.end_headers()\n"
        "    def log_message(self, *_): pass\n"
        "http.server.HTTPServer((sys.argv[2], int(sys.argv[1])), Handler).serve_forever()\n"
    )

    def command(_state, port, host):
        return [sys.executable, "-c", code, str(port), host]

    planted = servers.Kind("mlflow", "MLflow", "registry", "/health", command, lambda _state, _port, _host: {})
    monkeypatch.setattr(servers, "MLFLOW", planted)
    return planted


@pytest.fixture
def foreign_port():
    """A foreign process that listens on a port; returns the port."""
    port = servers.free_port()
    command = [sys.executable, "-m", "http.server", str(port), "--bind", "127.0.0.1"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while not servers.listening(port):
        pass
    yield port
    process.kill()
    process.wait()
