"""State of a tiny project's registry, servers and processes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import psutil
import requests

if TYPE_CHECKING:
    from tests.support.project import Project


def served(project: Project) -> str:
    """MLflow's address, from `up`, which does nothing if the servers are running."""
    servers = project.root / ".state/servers/mlflow.json"
    record = json.loads(servers.read_text()) if servers.exists() else {}
    if record.get("keeper") != "make up":
        up = project.flows("up")
        assert up.returncode == 0, up.stderr
        record = json.loads(servers.read_text())
    return str(record["url"])


def server_record(project: Project, name: str) -> dict[str, Any]:
    """Contents of the state file of a server or of the scheduler of `up`."""
    return dict(json.loads((project.root / f".state/servers/{name}.json").read_text()))


def page_of(project: Project) -> str:
    """The report of the last run."""
    return (project.root / "build/report/index.html").read_text()


def left_behind(project: Project) -> list[psutil.Process]:
    """Processes that work in the copy."""
    found = []
    for process in psutil.process_iter():
        try:
            found += [process] if process.cwd().startswith(str(project.root)) else []
        except psutil.Error:
            continue
    return found


def end(project: Project) -> None:
    """Ends all processes that a test left running there."""
    project.flows("down", "--force")
    for process in left_behind(project):
        process.kill()


def ask(mlflow: str, path: str, **what: Any) -> dict[str, Any]:
    """MLflow's response to a search or a single request."""
    if path in ("runs/search", "experiments/search"):
        return requests.post(f"{mlflow}/api/2.0/mlflow/{path}", json=what, timeout=30).json()
    return requests.get(f"{mlflow}/api/2.0/mlflow/{path}", params=what, timeout=30).json()


def champion(mlflow: str, family: str) -> int:
    """The version that sets pull."""
    version = ask(mlflow, "registered-models/alias", name=family, alias="champion")["model_version"]
    return int(version["version"])


def tags(mlflow: str, family: str, version: int) -> dict[str, str]:
    """Tags of a version."""
    found = ask(mlflow, "model-versions/get", name=family, version=version)["model_version"]
    return {tag["key"]: tag["value"] for tag in found["tags"]}
