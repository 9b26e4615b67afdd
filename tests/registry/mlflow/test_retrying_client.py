"""Concurrent writes of two machines to MLflow both succeed."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import BAD_REQUEST

from registry.mlflow import retrying_client
from registry.mlflow import runs as tracking

AT_ONCE = 8
UNIQUE = "(sqlite3.IntegrityError) UNIQUE constraint failed: datasets.experiment_id, datasets.name, datasets.digest"


def refuse(times, message):
    """A call that is refused so many times, and the number of its calls."""
    calls = []

    def call(*args):
        calls.append(args)
        if len(calls) <= times:
            raise MlflowException(message, error_code=BAD_REQUEST)
        return "done"

    return call, calls


@pytest.mark.parametrize(
    "message", [UNIQUE, "(psycopg.errors.UniqueViolation) duplicate key value", "Model Version creation error (name=a)"]
)
def test_collision_is_tried_again(message):
    """A row that another client inserted first: the same call again, with the same arguments."""
    call, calls = refuse(2, message)

    assert retrying_client._retried(call)("a", 1) == "done"
    assert calls == [("a", 1)] * 3


def test_other_refusals_are_raised_at_once():
    """A request that is refused for another reason is sent once."""
    call, calls = refuse(1, "Tag value exceeds the limit")

    with pytest.raises(MlflowException, match="exceeds"):
        retrying_client._retried(call)()
    assert len(calls) == 1


def test_collision_that_stays_is_raised():
    """A constraint that no second try heals ends the call."""
    call, calls = refuse(99, UNIQUE)

    with pytest.raises(MlflowException, match="UNIQUE"):
        retrying_client._retried(call)()
    assert len(calls) == retrying_client.TRIES


def at_once(client, experiment, digest):
    """Logs one dataset to as many runs, all at the same moment; returns what was refused."""
    runs = [client.create_run(experiment).info.run_id for _ in range(AT_ONCE)]
    start = Barrier(AT_ONCE)

    def log(run):
        start.wait()
        try:
            client.log_inputs(run, datasets=[DatasetInput(Dataset("set", digest, "dvc", "{}"), [])])
        except MlflowException as error:
            return str(error)
        return None

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return [error for error in pool.map(log, runs) if error]


@pytest.mark.slow
def test_one_dataset_logged_at_once(mlflow, mlflow_server):
    """MLflow's own client is refused, as long as its server behaves so; ours never."""
    bare = MlflowClient(mlflow_server, mlflow_server)
    experiment = bare.create_experiment("logged-at-once")
    refused = [error for i in range(20) for error in at_once(bare, experiment, f"bare{i}")]
    ours = [error for i in range(20) for error in at_once(tracking.client(), experiment, f"ours{i}")]

    assert isinstance(mlflow, retrying_client.RetryingClient)
    assert ours == []
    assert all("IntegrityError" in error for error in refused)
