"""`up`, `status`, `down` with the real servers and the real scheduler."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import requests

from flows.servers import free_port, names_here
from tests.support.processes import runs

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]


@pytest.fixture
def flows(tmp_path):
    """Runs a command of the engineer, with a state and ports of its own."""
    home = tmp_path / "home"
    home.mkdir()
    env = {
        **os.environ,
        "HOME": str(home),
        "RUSHES_STATE": str(tmp_path / "state"),
        "RUSHES_REGISTRY__PORT": str(free_port()),
        "RUSHES_REGISTRY__HOST": "0.0.0.0",  # noqa: S104 - as a team with a laptop on set has it
        "RUSHES_PREFECT__PORT": str(free_port()),
        "RUSHES_SCHEDULE__CRON": "30 3 * * *",
        "RUSHES_SCHEDULE__ZONE": "Europe/Berlin",
    }

    def run(*words):
        command = [sys.executable, "-m", "flows", *words]
        return subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False, timeout=300)

    yield run
    run("down", "--force")


def test_team_on_one_machine(flows, tmp_path):
    """Up, up again, the deployment with its schedule and its typed form, status, down; and nothing is left."""
    first, second = flows("up"), flows("up")
    assert (first.returncode, second.returncode) == (0, 0), first.stderr + second.stderr
    assert first.stdout == second.stdout

    told = {path.stem: json.loads(path.read_text()) for path in (tmp_path / "state" / "servers").glob("*.json")}
    deployment = requests.get(f"{told['prefect']['url']}/api/deployments/name/nightly/nightly", timeout=30).json()
    assert deployment["schedules"][0]["schedule"]["cron"] == "30 3 * * *"
    assert deployment["schedules"][0]["schedule"]["timezone"] == "Europe/Berlin"
    assert "expression" in json.dumps(deployment["parameter_openapi_schema"]["definitions"]["FamilyName"])
    assert requests.get(f"{told['mlflow']['url']}/health", timeout=30).ok
    assert _as_others_ask(told["mlflow"]["url"], names_here()[0]) == 200
    assert _as_others_ask(told["mlflow"]["url"], "evil.example") == 403
    pages = requests.get(f"{told['prefect']['url']}/ui-settings", timeout=30).json()
    assert pages["api_url"] == f"{told['prefect']['url']}/api"

    status = flows("status").stdout
    assert status.count("answers") == 2
    assert "last night none yet" in status

    assert flows("down").stdout.strip() == "stopped: scheduler, Prefect, MLflow"
    assert not any(runs(entry["pid"]) for entry in told.values())
    assert not any((tmp_path / "home").iterdir())


def _as_others_ask(url, name):
    """The status that a laptop gets which knows this machine by a name."""
    headers = {"Host": f"{name}:{url.rpartition(':')[2]}"}
    asked = {"max_results": 1}
    path = "api/2.0/mlflow/registered-models/search"
    return requests.get(f"{url}/{path}", params=asked, headers=headers, timeout=30).status_code
