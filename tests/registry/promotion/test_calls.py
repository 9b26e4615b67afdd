"""The number of calls to MLflow that a registration makes: with passwords on the server, each takes up to two seconds.

python -m tests.support.register_calls prints the requests by endpoint.
"""

from __future__ import annotations

import pytest
from mlflow.entities import Metric

from registry.mlflow import model_versions, runs
from registry.mlflow.runs import RegistryError
from tests.support.fake_registry import FakeClient
from tests.support.register_calls import CASES, play
from tests.support.studio import BEST, POOR, make_studio

# Calls of the client: all files of a run are one, and those of the champion none.
CALLS_AT_MOST = {"first": 19, "better": 20, "poorer": 14, "nothing new": 5}
# Requests of the client: twelve files of the run, and six of the champion, are one each.
REQUESTS_AT_MOST = {"first": 32, "better": 40, "poorer": 34, "nothing new": 6}


@pytest.fixture
def studio(tmp_path, registry):  # noqa: ARG001  the server
    """A tree as the stages leave it."""
    return make_studio(tmp_path, "dots")


def trained(registry, key):
    """The run of a training that has ended, in the registry."""
    client = FakeClient(registry)
    run = runs.create_run(client, "dots", key)
    client.set_terminated(run.info.run_id, "FINISHED")
    return run.info.run_id


def watched(registry, monkeypatch):
    """The client that the next registration uses; it keeps its calls."""
    client = FakeClient(registry)
    monkeypatch.setattr(runs, "client", lambda *_: client)
    return client


def test_calls_of_a_registration(registry, studio, monkeypatch):
    """The first version, a better one, a poorer one, and a bundle that is a version already."""
    calls = {}
    for case, shift in CASES.items():
        if case != "nothing new":
            trained(registry, f"key{shift:g}")
        client = watched(registry, monkeypatch)
        studio.nightly(shift)
        calls[case] = client.calls

    assert {case: len(made) for case, made in calls.items()} == CALLS_AT_MOST, calls


@pytest.mark.slow
def test_requests_of_a_registration(mlflow, tmp_path):  # noqa: ARG001  the server
    """The same on a real server; the client makes no requests of its own beside them."""
    requests = {case: calls for case, calls, _ in play(tmp_path / "round")}

    assert {case: made.total() for case, made in requests.items() if made.total() > REQUESTS_AT_MOST[case]} == {}


def test_points_that_the_training_has_logged_are_not_logged_again(registry, studio):
    """Of a curve that the run has, the missing points are added; the other curve is logged whole."""
    run = trained(registry, f"key{POOR:g}")
    FakeClient(registry).log_batch(run, metrics=[Metric("val/accuracy", 0.5, 7, 9)])
    studio.nightly(POOR)
    points = [(one.key, one.step) for one in registry.runs[run].points if "/" in one.key]

    assert sorted(points) == [("train/loss", 10), ("train/loss", 20), ("val/accuracy", 9), ("val/accuracy", 20)]


def test_a_prompt_of_that_name_is_left_alone(registry, studio):
    """MLflow hides prompts among models but gives both one set of names: the error names it, and nothing is written."""
    FakeClient(registry).create_registered_model("dots", {"mlflow.prompt.is_prompt": "true"})

    with pytest.raises(RegistryError, match="a prompt called dots") as error:
        studio.nightly(BEST)
    assert "delete the prompt" in error.value.remedy
    assert registry.models["dots"].tags == {"mlflow.prompt.is_prompt": "true"}
    assert registry.versions["dots"] == {}


@pytest.mark.slow
def test_a_prompt_on_a_real_server_is_left_alone(mlflow):
    """MLflow hides it in the same way; once it is deleted, as the remedy asks, there is a model. Other prompts stay."""
    for name in ("prompted", "other"):
        mlflow.register_prompt(name, "Write {{word}}.")
    with pytest.raises(RegistryError, match="a prompt called prompted") as refused:
        model_versions.ensure_model(mlflow, "prompted")
    mlflow.delete_prompt_version("prompted", "1")
    mlflow.delete_prompt("prompted")
    model_versions.ensure_model(mlflow, "prompted")

    assert refused.value.remedy.startswith("delete the prompt")
    assert model_versions.standing(mlflow, "prompted").exists
    assert mlflow.get_prompt_version("other", "1")
