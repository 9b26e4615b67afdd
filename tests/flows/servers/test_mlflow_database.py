"""MLflow's database: PostgreSQL as in mlflow/README.md, and one of an older version."""

import os
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote

import pytest
import requests

from flows.servers import mlflow_database
from flows.servers.definitions import MLFLOW
from flows.servers.servers import ServerError, free_port, spawn, start, stop
from tests.support import postgres
from tests.support.mlflow_server import QUIET, await_health

ROOT = Path(__file__).parents[3]
OLDER = """
import sys, sqlalchemy
from alembic.command import upgrade
from alembic.script import ScriptDirectory
from mlflow.store.db import utils
engine = sqlalchemy.create_engine(sys.argv[1])
utils.InitialBase.metadata.create_all(engine)
config = utils._get_alembic_config(sys.argv[1])
before = ScriptDirectory.from_config(config).get_revision("head").down_revision
upgrade(config, before)
with engine.begin() as connection:
    connection.execute(sqlalchemy.text(
        "INSERT INTO experiments (experiment_id, name, artifact_location, lifecycle_stage)"
        " VALUES (7, 'expression', 'mlflow-artifacts:/7', 'active')"))
print(before)
"""


def make_older(url):
    """A database of one migration earlier, with an experiment; returns its schema."""
    done = subprocess.run([sys.executable, "-c", OLDER, url], capture_output=True, text=True, check=True, timeout=120)
    return done.stdout.split()[-1]


def experiments(url):
    """Names of the experiments of a server."""
    asked = f"{url}/api/2.0/mlflow/experiments/search"
    answer = requests.get(asked, params={"max_results": 9}, timeout=30)
    assert answer.ok, answer.text
    return {experiment["name"] for experiment in answer.json()["experiments"]}


@pytest.mark.slow
def test_older_database_is_named_with_the_command_that_helps(tmp_path):
    """Before the server is started; the printed command works, and nothing is lost, no earlier copy either."""
    tmp_path = tmp_path / "it's a state"
    (tmp_path / "mlflow").mkdir(parents=True)
    (tmp_path / "mlflow/mlflow.db.before").write_text("of last year")
    before = make_older(f"sqlite:///{mlflow_database.path_of(tmp_path)}")
    with pytest.raises(ServerError, match=f"older MLflow: it has schema {before}") as caught:
        start(tmp_path, MLFLOW, free_port(), "a run")
    subprocess.run(caught.value.remedy, shell=True, check=True, cwd=ROOT, timeout=120)  # noqa: S602  # as pasted
    server = start(tmp_path, MLFLOW, free_port(), "a run")
    try:
        await_health(server.process, server.url, server.log)
        found = experiments(server.url)
    finally:
        stop(tmp_path, server)

    assert "expression" in found
    assert mlflow_database.revision(tmp_path / "mlflow/mlflow.db.before.2") == before
    assert (tmp_path / "mlflow/mlflow.db.before").read_text() == "of last year"


def test_newer_database_is_named(tmp_path):
    """There are no downward migrations."""
    (tmp_path / "mlflow").mkdir()
    script = "CREATE TABLE alembic_version (version_num TEXT); INSERT INTO alembic_version VALUES ('0123456789ab')"
    with mlflow_database.closing(mlflow_database.sqlite3.connect(mlflow_database.path_of(tmp_path))) as database:
        database.executescript(script)

    assert "was written by a newer MLflow" in mlflow_database.outdated(tmp_path)[0]


def test_a_missing_database_is_not_a_fault(tmp_path):
    """The server creates it."""
    assert mlflow_database.outdated(tmp_path) is None


BROKEN_OFF = """
import os, signal, sys
from sqlalchemy import create_engine, event
from sqlalchemy.engine import Engine
from mlflow.store.db import utils
left = [int(sys.argv[2])]
@event.listens_for(Engine, "before_cursor_execute")
def count(_connection, _cursor, statement, *_):
    left[0] -= not statement.lstrip().upper().startswith(("PRAGMA", "SELECT"))
    if not left[0]:
        os.kill(os.getpid(), signal.SIGKILL)
utils._initialize_tables(create_engine(sys.argv[1]))
"""


@pytest.mark.slow
@pytest.mark.parametrize("statements", [2, 40, 90])
def test_database_whose_creation_was_killed_is_created_again(tmp_path, statements):
    """A partial migration cannot be repeated, so that no run would ever start again."""
    (tmp_path / "mlflow").mkdir()
    path = mlflow_database.path_of(tmp_path)
    words = [sys.executable, "-c", BROKEN_OFF, f"sqlite:///{path}", str(statements)]
    killed = subprocess.run(words, capture_output=True, check=False, timeout=120)
    assert (killed.returncode, path.exists()) == (-signal.SIGKILL, True)

    assert mlflow_database.outdated(tmp_path) is None
    assert not path.exists()


def test_database_without_the_first_experiment_is_created_again(tmp_path):
    """One with few tables is also created again; one with an experiment belongs to an older MLflow and is kept."""
    (tmp_path / "mlflow").mkdir()
    path = mlflow_database.path_of(tmp_path)
    script = (  # with MLflow's first schema
        "CREATE TABLE alembic_version (version_num TEXT); CREATE TABLE experiments (name TEXT);"
        "INSERT INTO alembic_version VALUES ('451aebb31d03');"
    )
    for rows in ("", "INSERT INTO experiments VALUES ('Default')"):
        with mlflow_database.closing(mlflow_database.sqlite3.connect(path)) as database:
            database.executescript(script + rows)
        found = mlflow_database.outdated(tmp_path)
        assert (found is None, path.exists()) == (not rows, bool(rows))


def _shown(page, words):
    """The command of a page that begins so, with its continuation lines."""
    return re.search(rf"^    ({words}(?:.*\\\n)*.*)", page, re.MULTILINE)[1].replace("\\\n", "")


@pytest.mark.slow
def test_line_of_the_readme_starts_on_postgresql(tmp_path):
    """With the locked versions; a database of an older version, and the page's remedy for it."""
    page, port = (ROOT / "mlflow/README.md").read_text(), free_port()
    line, upgrade = (_shown(page, words) for words in ("mlflow server", "mlflow db"))
    with postgres.serve() as host:
        login = f"{postgres.USER}:{quote(postgres.PASSWORD, safe='')}"
        ours = {"USER:PASSWORD@HOST": f"{login}@{host}", "mlflow.example.org": f"localhost:{port}", "https:": "http:"}
        ours |= {"s3://BUCKET": str(tmp_path / "artifacts"), "0.0.0.0": f"127.0.0.1 --port {port} --workers 1"}  # noqa: S104
        for theirs, own in ours.items():
            line, upgrade = line.replace(theirs, own), upgrade.replace(theirs, own)
        make_older(f"postgresql://{login}@{host}/mlflow")
        mlflow = [sys.executable, "-m", *shlex.split(upgrade)]
        subprocess.run(mlflow, check=True, capture_output=True, timeout=120)
        server = spawn([sys.executable, "-m", *shlex.split(line)], tmp_path / "log", QUIET, detached=True)
        try:
            await_health(server, f"http://localhost:{port}", tmp_path / "log")
            found = experiments(f"http://localhost:{port}")
        finally:
            os.killpg(server.pid, signal.SIGTERM)
            server.wait(30)

    assert "expression" in found
