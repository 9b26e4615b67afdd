from __future__ import annotations

import os
import subprocess
import sys
from base64 import b64encode
from graphlib import TopologicalSorter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import grimp
import pytest

from common.settings import Settings
from registry.mlflow import runs
from registry.mlflow.runs import OWNER, RegistryDownError, RegistryError

NOBODY = "http://127.0.0.1:9"  # the port that discards: nothing listens there


def statuses(mlflow, family):
    """Of the family's runs, the oldest first."""
    return [run.info.status for run in runs.runs(mlflow, family, "")]


def points(mlflow, run_id, name):
    """(step, value) of a metric, in order."""
    return sorted((metric.step, metric.value) for metric in mlflow.get_metric_history(run_id, name))


def _gone(*_, **__):
    message = "gone"
    raise ConnectionError(message)


@pytest.fixture
def dead_pid():
    """The number of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_import_is_light():
    """Registration and rollback import neither MLflow nor PyTorch until they need them."""
    heavy = "{'mlflow', 'torch', 'pytorch_lightning'}"
    own = "registry.promotion.rollback, registry.promotion.register"
    code = f"import sys, {own}; print(sorted({heavy} & set(sys.modules)))"
    found = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)

    assert found.stdout.strip() == "[]"


def test_imports_go_one_way():
    """No two files of the room import each other, however late in a function."""
    graph = grimp.build_graph("registry", cache_dir=None)
    found = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}

    assert "registry.mlflow.lightning_logger" in list(
        TopologicalSorter(found).static_order()
    )  # a circle is a CycleError


def test_no_server_no_logger(monkeypatch, mlflow_server):
    """Without a server a training runs and logs nothing; code that needs one reports how to start it."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)

    assert runs.run_logger("dots", "key", {}) is None
    with pytest.raises(RegistryError, match="no MLflow server is configured") as error:
        runs.client()
    assert "name the team's as registry.url" in error.value.remedy
    monkeypatch.setenv("MLFLOW_TRACKING_URI", Settings(registry={"url": mlflow_server}).registry.url)
    assert runs.client().search_experiments()


@pytest.mark.parametrize("uri", ["file:///tmp/mlruns", "sqlite:///mlflow.db", "mlruns"])
def test_only_servers(uri):
    """A folder or a database is refused: only the server opens those."""
    with pytest.raises(RegistryError, match="not an MLflow server"):
        runs.client(uri)


def test_down_server_is_transient():
    """A server that is down is reported at once, without the password, as transient."""
    with pytest.raises(RegistryDownError, match=r"does not answer at http://127\.0\.0\.1:9:") as error:
        runs.client("http://user:secret@127.0.0.1:9")

    assert runs.transient(error.value)
    assert "secret" not in str(error.value)


def test_refusal_is_not_transient():
    """A refused request stays refused; a failure of the server may succeed the next time."""
    from mlflow.exceptions import RestException  # noqa: PLC0415  # heavy, and only here

    assert not runs.transient(RestException({"error_code": "RESOURCE_DOES_NOT_EXIST", "message": ""}))
    assert runs.transient(RestException({"error_code": "INTERNAL_ERROR", "message": ""}))
    assert not runs.transient(ValueError())


def test_params_are_flat():
    """Nested params get dotted names; lists and numbers are spelt as in JSON, text as it is."""
    params = {"train": {"epochs": 16, "widths": [32, 64]}, "name": "dots"}

    assert runs.flat(params) == {"train.epochs": "16", "train.widths": "[32, 64]", "name": "dots"}


@pytest.mark.slow
def test_other_ranks_are_silent(monkeypatch):
    """A second process of a training gets a logger that never speaks: nothing listens at this address."""
    from pytorch_lightning.utilities import rank_zero_only  # noqa: PLC0415  # heavy, and only here

    monkeypatch.setenv("MLFLOW_TRACKING_URI", NOBODY)
    monkeypatch.setattr(rank_zero_only, "rank", 1)
    logger = runs.run_logger("dots", "key", {"epochs": 1})
    logger.log_metrics({"train/loss": 0.5}, 1)
    runs.finish(logger)

    assert logger.version == ""


@pytest.mark.slow
def test_training_finds_its_run(mlflow, studio):
    """A training that was killed goes on in its run: one run, its params once, no point twice."""
    name = studio.family.name
    first = runs.run_logger(name, "key", {"train": {"epochs": 3}})
    first.log_metrics({"train/loss": 0.9}, 1)
    first.log_metrics({"train/loss": 0.8}, 2)
    again = runs.run_logger(name, "key", {"train": {"epochs": 3}})
    again.log_metrics({"train/loss": 0.8}, 2)
    again.log_metrics({"train/loss": 0.7}, 3)

    assert again.run_id == first.run_id
    assert statuses(mlflow, name) == ["RUNNING"]
    assert points(mlflow, first.run_id, "train/loss") == [(1, 0.9), (2, 0.8), (3, 0.7)]


@pytest.mark.slow
@pytest.mark.parametrize(("failed", "status"), [(False, "FINISHED"), (True, "FAILED")])
def test_finish_ends_the_run(mlflow, studio, failed, status):
    """A run ends with its training, also when nothing was logged."""
    runs.finish(runs.run_logger(studio.family.name, "key", {}), failed=failed)

    assert statuses(mlflow, studio.family.name) == [status]


@pytest.mark.slow
def test_training_outlives_the_server(mlflow, studio, monkeypatch):
    """A lost server is reported once and does not stop the training; the end of the run is tried all the same."""
    logger = runs.run_logger(studio.family.name, "key", {})
    monkeypatch.setattr(logger.experiment, "log_batch", _gone)
    with pytest.warns(RuntimeWarning, match="continues without it") as output:
        [logger.log_metrics({"train/loss": 1.0 / step}, step) for step in (1, 2)]
    runs.finish(logger)

    assert len(output) == 1
    assert statuses(mlflow, studio.family.name) == ["FINISHED"]


@pytest.mark.slow
def test_runs_of_the_dead_are_ended(mlflow, studio, dead_pid):
    """A run whose process died is ended; one of a living process or of another machine is not."""
    name = studio.family.name
    dead, ours, theirs = (runs.create_run(mlflow, name, key).info.run_id for key in ("dead", "ours", "theirs"))
    machine, _, created = runs.me().rsplit(" ", 2)
    mlflow.set_tag(dead, OWNER, f"{machine} {dead_pid} {created}")
    mlflow.set_tag(theirs, OWNER, f"elsewhere {dead_pid} {created}")

    assert runs.end_abandoned(mlflow, name) == [dead]
    assert mlflow.get_run(dead).info.status == "KILLED"
    assert {mlflow.get_run(run).info.status for run in (ours, theirs)} == {"RUNNING"}


@pytest.mark.slow
def test_pid_used_again_is_not_ours(mlflow, studio):
    """A process that has the pid of a dead one, but started at another time, does not keep its run alive."""
    run = runs.create_run(mlflow, studio.family.name, "key").info.run_id
    mlflow.set_tag(run, OWNER, f"{runs.me().rsplit(' ', 2)[0]} {os.getpid()} 1000")

    assert runs.end_abandoned(mlflow, studio.family.name) == [run]


@pytest.mark.slow
def test_deleted_experiment_comes_back(mlflow, studio):
    """An experiment that someone threw away in MLflow's pages is brought back, for its name cannot be used again."""
    name = studio.family.name
    first = runs.create_run(mlflow, name, "one")
    mlflow.delete_experiment(first.info.experiment_id)

    assert runs.create_run(mlflow, name, "two").info.experiment_id == first.info.experiment_id


class _Locked(BaseHTTPRequestHandler):
    """A server that requires a login."""

    def do_GET(self):
        """Answers 200 to the right one."""
        right = self.headers.get("Authorization") == f"Basic {b64encode(b'ann:secret').decode()}"
        self.send_response(200 if right else 401)
        self.end_headers()

    def log_message(self, *_):
        """Nothing is logged."""


def test_login_is_exported(monkeypatch):
    """The variables that the remedy names are those that are read; so is an address with HOST and PORT."""
    for name in ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(RegistryError, match="not an MLflow server") as folder:
        runs.client("mlruns")
    with ThreadingHTTPServer(("127.0.0.1", 0), _Locked) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        uri = (
            folder.value.remedy.rpartition(" as ")[2]
            .replace("HOST", "127.0.0.1")
            .replace("PORT", f"{server.server_port}")
        )
        with pytest.raises(RegistryError, match="refuses the login") as refused:
            runs.client(uri)
        for pair in refused.value.remedy.removeprefix("export ").split():
            name, value = pair.split("=")
            monkeypatch.setenv(name, {"NAME": "ann", "PASSWORD": "secret"}[value])
        assert runs.client(uri)
        server.shutdown()
