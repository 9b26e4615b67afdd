"""Trials on a Ray cluster of two nodes, each a network namespace: side by side, one on each."""

import re
import sqlite3
import subprocess
import sys
from contextlib import closing
from itertools import product

import pytest

from report.search.result import SearchResult
from tests.flows.search.test_whole_search import EPOCHS
from tests.support.mlflow_server import QUIET
from tests.support.nodes import PORT, machines
from tests.support.processes import kill_tree
from tests.support.project import LABELS, make_project, write_faces
from tests.support.repos import git
from tests.support.serving import end, left_behind

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
MLFLOW_PORT = 5000
WHEN = "min(metrics.timestamp), max(metrics.timestamp)"  # of a training's first and last epoch
# The other trial is worse than the default, so that there is no comparison.
SEARCH = ("search", "expression", "--trials", "2", "--only-ranges", "--range", "train.learning_rate=1e-8..1e-7,log")
HEALTHY = """
import sys, time, urllib.request
while True:
    try:
        sys.exit(not urllib.request.urlopen(sys.argv[1] + "/health", timeout=5).read())
    except OSError:
        time.sleep(0.1)
"""


@pytest.fixture(scope="module")
def nodes():
    """Two machines with a node of Ray of one CPU each."""
    with machines(2) as (head, other):
        head.start_ray()
        other.start_ray(head)
        yield head, other


@pytest.fixture
def mlflow(nodes, tmp_path):
    """An MLflow server on the first machine: its address and its database."""
    head = nodes[0]
    url, database = f"http://{head.host}:{MLFLOW_PORT}", tmp_path / "mlflow.db"
    words = ["-m", "mlflow", "server", "--workers", "1", "--host", head.host, "--port", str(MLFLOW_PORT)]
    words += ["--backend-store-uri", f"sqlite:///{database}", "--artifacts-destination", str(tmp_path / "artifacts")]
    with (tmp_path / "mlflow.log").open("wb") as log:
        environment = head.environment(QUIET | {"PATH": "/usr/bin:/bin"})
        server = subprocess.Popen(
            head.command([sys.executable, *words]), env=environment, stdout=log, stderr=subprocess.STDOUT
        )
    try:
        subprocess.run(head.command([sys.executable, "-c", HEALTHY, url]), check=True, timeout=120)
        yield url, database
    finally:
        kill_tree(server.pid)


@pytest.fixture
def search(nodes, mlflow, tmp_path):
    """Runs the search on the first machine, with so many trainings at once; returns the checkout and the process."""
    project = make_project(tmp_path / "searched")
    write_faces(tmp_path / "day-1", (f"{label}/actor-{actor}" for label, actor in product(LABELS, range(12))), 0, 2)
    taken = project.flows("ingest", "faces", str(tmp_path / "day-1"), "--layout", "{label}/{performer}/*")
    assert taken.returncode == 0, taken.stderr
    git(project.root, "add", "--all")
    git(project.root, "commit", "--quiet", "--message", "data")
    (tmp_path / "storage").mkdir()
    given = {
        "RUSHES_REGISTRY__URL": mlflow[0],
        "RUSHES_TRAINING__ENGINE": "ray",
        "RUSHES_TRAINING__ADDRESS": f"{nodes[0].host}:{PORT}",
        "RUSHES_TRAINING__STORAGE": str(tmp_path / "storage"),
    }

    def run(parallel):
        words = [sys.executable, "-m", "flows", *SEARCH, "--parallel", str(parallel)]
        environment = nodes[0].environment({**project.env, **given})
        return project, subprocess.run(
            nodes[0].command(words), cwd=project.root, env=environment, capture_output=True, text=True, check=False
        )

    yield run
    end(project)


def test_two_trials_on_two_nodes(nodes, mlflow, search, tmp_path):
    """Each trial's log names another node, and their epochs overlap in time; what has no room is refused before."""
    _, refused = search(3)
    project, output = search(2)
    [data] = project.root.glob("build/search/*/search.json")
    result = SearchResult.model_validate_json(data.read_text())
    logs = [(data.parent / "logs" / f"trial-{number}.log").read_text() for number in range(2)]
    hosts = [set(re.findall(r"process 1 of 1 on (\S+)", log)) for log in logs]
    with closing(sqlite3.connect(mlflow[1])) as database:
        rows = database.execute(EPOCHS.format(values=WHEN, study=data.parent.name)).fetchall()

    assert refused.returncode == 2
    assert "has room for 2 of 3 trainings" in refused.stderr
    assert output.returncode == 3, output.stderr
    assert (result.trials[0].state, result.trials[0].attempts) == ("complete", 1)
    assert [len(one) for one in hosts] == [1, 1]
    assert set.union(*hosts) == {machine.host for machine in nodes}
    assert [name for name, _, _ in rows] == ["trial 0", "trial 1"]
    assert max(begin for _, begin, _ in rows) < min(last for _, _, last in rows)
    assert not list((tmp_path / "storage" / "search").rglob("*.ckpt"))
    assert not left_behind(project)
