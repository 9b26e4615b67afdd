"""`up`, `status`, `down` with the real servers and the real scheduler."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests
from prefect.client.orchestration import SyncPrefectClient
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from flows.servers.definitions import PREFECT, addresses_here, names_here
from flows.servers.servers import free_port, start, stop_own, wait_healthy
from tests.support.processes import runs

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[3]


@pytest.fixture
def flows(tmp_path):
    """Runs a flows command, with separate state and ports."""
    home = tmp_path / "home"
    home.mkdir()
    env = {
        **os.environ,
        "HOME": str(home),
        "RUSHES_STATE": str(tmp_path / "state"),
        "RUSHES_REGISTRY__PORT": str(free_port()),
        "RUSHES_REGISTRY__HOST": "0.0.0.0",  # noqa: S104 - for a team with a laptop on set
        "RUSHES_PREFECT__PORT": str(free_port()),
        "RUSHES_SCHEDULE__CRON": "30 3 * * *",
        "RUSHES_SCHEDULE__TIMEZONE": "Europe/Berlin",
    }

    def run(*words, **more):
        command, known = [sys.executable, "-m", "flows", *words], {**env, **more}
        return subprocess.run(command, cwd=ROOT, env=known, capture_output=True, text=True, check=False, timeout=300)

    yield run
    run("down", "--force")


def test_team_on_one_machine(flows, tmp_path):
    """Up, up again, the deployment with its schedule and its typed form, status, down; nothing remains."""
    first, second = flows("up"), flows("up")
    assert (first.returncode, second.returncode) == (0, 0), first.stderr + second.stderr
    assert first.stdout == second.stdout

    output = {path.stem: json.loads(path.read_text()) for path in (tmp_path / "state" / "servers").glob("*.json")}
    login = tuple((tmp_path / "state/prefect/login").read_text().strip().split(":"))
    asked = f"{output['prefect']['url']}/api/deployments/name/nightly/nightly"
    deployment = requests.get(asked, timeout=30, auth=login).json()
    assert deployment["schedules"][0]["schedule"]["cron"] == "30 3 * * *"
    assert deployment["schedules"][0]["schedule"]["timezone"] == "Europe/Berlin"
    assert "expression" in json.dumps(deployment["parameter_openapi_schema"]["definitions"]["FamilyName"])
    pages = requests.get(f"{output['prefect']['url']}/ui-settings", timeout=30).json()
    assert (pages["api_url"], pages["auth"]) == (f"{output['prefect']['url']}/api", "BASIC")
    assert_guarded(asked, login)
    assert_mlflow_guarded(output["mlflow"]["url"])

    status = flows("status").stdout
    assert status.count("answers") == 2
    assert "scheduler  runs" in status
    assert "30 3 * * * Europe/Berlin, next 20" in status
    assert f"cat {tmp_path}/state/prefect/login" in status
    assert (tmp_path / "state/prefect/login").stat().st_mode & 0o777 == 0o600
    assert "last run none yet" in status

    assert flows("down").stdout.strip() == "stopped: scheduler, Prefect, MLflow"
    assert not any(runs(entry["pid"]) for entry in output.values())
    assert not any((tmp_path / "home").iterdir())


def test_what_status_advises_helps(flows, tmp_path):
    """Before the first `up`; another schedule in the settings; a paused one; a dead server. What MLflow has stays."""

    def entry(name):
        return json.loads((tmp_path / "state/servers" / f"{name}.json").read_text())

    def follow(advice, **how):
        """Each `make X` of the advice in turn; returns the line of the scheduler that the last one prints."""
        shown = flows("status", **how).stdout
        words = re.findall(r"make (up|down)", shown[shown.index(advice) :].splitlines()[0])
        assert words == (["up"] if "once" in advice else ["down", "up"])
        done = [flows(word, **how) for word in words]
        assert not any(one.returncode for one in done)
        return next(line for line in done[-1].stdout.splitlines() if line.startswith("scheduler"))

    assert "MLflow does not run: make up" in flows("status").stdout
    lines = [follow("once it runs")]
    created = f"{entry('mlflow')['url']}/api/2.0/mlflow/experiments/create"
    requests.post(created, json={"name": "kept"}, timeout=30).raise_for_status()
    later = {"RUSHES_SCHEDULE__CRON": "45 4 * * *"}
    lines.append(follow("Prefect has 30 3 * * * Europe/Berlin", **later))
    login = (tmp_path / "state/prefect/login").read_text().strip()
    with SyncPrefectClient(f"{entry('prefect')['url']}/api", auth_string=login) as client:
        client.pause_deployment(client.read_deployment_by_name("nightly/nightly").id)
    lines.append(follow("paused in Prefect", **later))
    os.kill(entry("prefect")["pid"], signal.SIGKILL)
    lines.append(follow("its Prefect server does not run", **later))
    found = requests.post(
        f"{entry('mlflow')['url']}/api/2.0/mlflow/experiments/search", json={"max_results": 9}, timeout=30
    )

    assert ["runs" in line and "next 20" in line for line in lines] == [True] * 4
    assert ["45 4 * * *" in line for line in lines] == [False, True, True, True]
    assert "kept" in {one["name"] for one in found.json()["experiments"]}


def assert_guarded(asked, login):
    """Prefect refuses requests without a password, from pages of other addresses, and for other host names."""
    port = urlsplit(asked).port

    def status(headers=None, auth=login):
        return requests.get(asked, headers=headers, auth=auth, timeout=30).status_code

    assert [status(auth=None), status(auth=("rushes", "guess"))] == [401, 401]
    assert [status({"Origin": origin}) for origin in ("http://evil.example", "null")] == [403, 403]
    assert [status({"Host": host}) for host in (f"evil.example:{port}", "127.0.0.1.evil.example")] == [400, 400]
    assert [status(), status({"Origin": f"http://localhost:{port}", "Host": f"localhost:{port}"})] == [200, 200]
    with pytest.raises(InvalidStatus, match="403"):
        connect(f"ws://127.0.0.1:{port}/api/events/in", origin="http://evil.example", subprotocols=["prefect"])


def assert_mlflow_guarded(url):
    """MLflow accepts this machine's names and addresses, and its own pages under each; others are refused."""
    port = urlsplit(url).port
    assert requests.get(f"{url}/health", timeout=30).ok

    def status(host, origin=""):
        headers = {"Host": f"{host}:{port}", **({"Origin": f"http://{origin}:{port}"} if origin else {})}
        path = "api/2.0/mlflow/registered-models/search" if not origin else "ajax-api/2.0/mlflow/runs/search"
        if not origin:
            return requests.get(f"{url}/{path}", params={"max_results": 1}, headers=headers, timeout=30).status_code
        return requests.post(f"{url}/{path}", json={"experiment_ids": []}, headers=headers, timeout=30).status_code

    ours = [names_here()[0], "localhost", *(address for address in addresses_here() if "[" not in address)]
    assert {status(name) for name in ours} == {200}
    assert {status(name, origin=name) for name in ours} == {200}
    assert {status(name) for name in ("evil.example", "10.evil.example", "192.168.1.1.evil.example")} == {403}
    assert status("localhost", origin="evil.example") == 403


@pytest.fixture
def team(tmp_path):
    """A team's Prefect server with a password; yields its address without /api, and the login."""
    server = start(tmp_path / "team", PREFECT, free_port(), "a run")
    wait_healthy([server])
    yield server.url, server.login
    stop_own(tmp_path / "team", [server])


def test_password_of_the_teams_prefect_is_asked_for_at_once(flows, team, tmp_path):
    """The error comes within 5 s of the start, before anything is started; the printed remedy works."""
    url, login = team
    began = time.monotonic()
    flows("--help")  # a program's start takes as long, which on a busy machine is seconds
    ready = time.monotonic()
    without = flows("up", RUSHES_PREFECT__URL=f"{url}/api")
    seconds = (time.monotonic() - ready) - (ready - began)
    wrong = flows("up", RUSHES_PREFECT__URL=url.replace("://", "://rushes:guess@"))
    left = list((tmp_path / "state" / "servers").glob("*.json"))
    given = flows("up", RUSHES_PREFECT__URL=url.replace("://", f"://{login}@"))

    assert (without.returncode, wrong.returncode, left) == (1, 1, [])
    assert f"the team's Prefect at {url} answers 401: it requires a password" in without.stderr
    assert "put USER:PASSWORD@ before the host in prefect.url of settings.toml" in without.stderr
    assert "the password is wrong" in wrong.stderr
    assert seconds < 5
    assert given.returncode == 0, given.stderr
    assert "scheduler  runs" in given.stdout
    assert login.partition(":")[2] not in given.stdout + given.stderr
