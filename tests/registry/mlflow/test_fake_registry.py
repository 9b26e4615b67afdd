"""The registry in memory, proved against the real server: the same script of calls, the same observations."""

from __future__ import annotations

import pytest
from mlflow.entities import Metric, Param, RunTag
from mlflow.exceptions import MlflowException

from tests.support.fake_registry import FakeClient, FakeRegistry


def observed(client, name):
    """Recorder of every call that the registry makes."""
    seen = []

    def see(what, act):
        try:
            seen.append((what, act()))
        except MlflowException as error:
            seen.append((what, error.error_code))

    see("no model", lambda: client.get_registered_model(name).name)
    see("model", lambda: client.create_registered_model(name, {"a": "1"}, "words") and None)
    see("model again", lambda: client.create_registered_model(name, {}, "") and None)
    run = _run(client, name, see)
    for i in range(3):
        see("version", lambda i=i: client.create_model_version(
            name, f"{run.info.artifact_uri}/bundle", run.info.run_id, tags={"d": str(i % 2)}, await_creation_for=0
        ).version)  # fmt: skip
    see("alias", lambda: client.set_registered_model_alias(name, "champion", "2"))
    see("alias of none", lambda: client.set_registered_model_alias(name, "champion", "9"))
    see("tags", lambda: client.set_registered_model_tag(name, "b", ""))
    see("model", lambda: _model(client, name))
    see("tag goes", lambda: client.delete_registered_model_tag(name, "a"))
    see("tag goes again", lambda: client.delete_registered_model_tag(name, "a"))
    see("version's tag", lambda: client.set_model_version_tag(name, "1", "e", "x" * 4000))
    see("version's tag goes", lambda: client.delete_model_version_tag(name, "3", "d"))
    see(
        "by tag",
        lambda: sorted(one.version for one in client.search_model_versions(f"name = '{name}' AND tags.`d` = '0'")),
    )
    see("goes", lambda: client.delete_model_version(name, "2"))
    see("goes again", lambda: client.delete_model_version(name, "2"))
    see("gone", lambda: client.get_model_version(name, "2").version)
    see("alias gone with it", lambda: _model(client, name))
    see("alias goes", lambda: client.delete_registered_model_alias(name, "champion"))
    see("last goes", lambda: client.delete_model_version(name, "3"))
    see(
        "number is not given again",
        lambda: client.create_model_version(name, f"{run.info.artifact_uri}/bundle", run.info.run_id, tags={}).version,
    )
    client.update_model_version(name, "4", "a description")
    see("description", lambda: client.get_model_version(name, "4").description)
    see(
        "all", lambda: sorted((one.version, dict(one.tags)) for one in client.search_model_versions(f"name = '{name}'"))
    )
    see("models", lambda: name in [model.name for model in client.search_registered_models(max_results=200)])
    return seen


def _model(client, name):
    model = client.get_registered_model(name)
    return dict(model.tags), {alias: str(number) for alias, number in model.aliases.items()}


def _run(client, name, see):
    see("no experiment", lambda: client.get_experiment_by_name(name))
    experiment = client.create_experiment(name)
    see("experiment again", lambda: client.create_experiment(name))
    run = client.create_run(experiment, tags={"k": "1"}, run_name="one")
    number = run.info.run_id
    point = Metric("loss", 0.5, 7, 1)
    for _ in range(2):
        client.log_batch(number, metrics=[point], params=[Param("p", "1")], tags=[RunTag("t", "2")])
    see("param changed", lambda: client.log_batch(number, params=[Param("p", "2")]))
    see("points", lambda: [(one.step, one.value) for one in client.get_metric_history(number, "loss")])
    see("running", lambda: len(client.search_runs([experiment], "attributes.status = 'RUNNING'")))
    client.set_terminated(number, "FINISHED")
    client.set_tag(number, "k", "3")
    see("ended", lambda: len(client.search_runs([experiment], "attributes.status = 'RUNNING'")))
    see("by tag", lambda: [one.data.params for one in client.search_runs([experiment], "tags.`k` = '3'")])
    see("status", lambda: client.get_run(number).info.status)
    other = client.create_run(experiment, tags={"k": "3"}, run_name="two").info.run_id
    client.delete_run(other)
    see("deleted", lambda: len(client.search_runs([experiment], "tags.`k` = '3'")))
    return run


def test_the_registry_in_memory_knows_what_is_missing(tmp_path):
    """The script ends, and what fails in it fails by name."""
    seen = dict(observed(FakeClient(FakeRegistry(tmp_path)), "script"))

    assert seen["alias of none"] == seen["gone"] == seen["no model"] == "RESOURCE_DOES_NOT_EXIST"
    assert seen["number is not given again"] == "4"


@pytest.mark.slow
def test_the_registry_in_memory_is_as_the_real_one(mlflow, tmp_path):
    """Every observation of the script is the same on both."""
    assert observed(FakeClient(FakeRegistry(tmp_path)), "script") == observed(mlflow, "script")
