from __future__ import annotations

import json
import shutil
from itertools import count

import pytest
import yaml

from registry.mlflow import model_versions, runs
from registry.mlflow.runs import RegistryError
from registry.promotion import alias_moves, register
from rushes.bundle.manifest import read_bundle
from tests.support.dying import DyingClient, Killed
from tests.support.studio import BEST, POOR, POOREST, RULES, make_studio, register_at_once

pytestmark = pytest.mark.slow


def version(mlflow, studio, number):
    """A version of the studio's family."""
    return model_versions.read_version(mlflow, studio.family.name, number)


def champion(mlflow, studio):
    """The number of its champion, None if there is none."""
    found = model_versions.standing(mlflow, studio.family.name).champion
    return found and found.number


def running(mlflow, studio):
    """Its runs that have not ended."""
    return runs.runs(mlflow, studio.family.name, "attributes.status = 'RUNNING'")


@pytest.fixture
def watched(mlflow, monkeypatch):
    """The client that `register` uses: it writes down its acts."""
    client = DyingClient(mlflow)
    monkeypatch.setattr(runs, "client", lambda *_: client)
    return client


def test_first_version_is_champion(mlflow, studio):
    """Without a registered model one is made, and what it holds is promoted."""
    decision = studio.nightly(POOR)

    assert (decision.registered, decision.promoted, decision.version) == (True, True, 1)
    assert (decision.champion_before, decision.champion_after) == (None, 1)
    assert champion(mlflow, studio) == 1
    assert not running(mlflow, studio)


def test_version_has_its_origin(mlflow, studio, monkeypatch):
    """Record, branch, params, seed, packages, dataset, key, reasons and signature stand on the version and its run."""
    tagged = []
    monkeypatch.setattr(register, "git_tag", lambda _, name, commit, **__: tagged.append((name, commit)))
    studio.nightly(POOR, commit="c" * 40, branch="topic", trial=True)
    found = version(mlflow, studio, 1)
    run = mlflow.get_run(found.run_id)

    assert tagged == [(f"{studio.family.name}/v1", "c" * 40)]
    assert (found.tags["rushes.record"], found.tags["rushes.branch"]) == ("c" * 40, "topic")
    assert (found.tags["rushes.seed"], found.tags["rushes.key"], found.tags["rushes.trial"]) == ("7", "key20", "true")
    assert json.loads(found.tags["rushes.packages"]) == {"torch": "2.13.0"}
    assert json.loads(found.tags["rushes.signature"])["dots.onnx"]["inputs"][0]["shape"] == [-1, 16, 16, 1]
    assert "no champion before it" in found.tags["rushes.reasons"]
    assert run.data.params["dots.size_px"] == "16"
    assert [(one.dataset.name, one.dataset.digest) for one in run.inputs.dataset_inputs] == [
        ("dots", "ab" * 16 + ".dir")
    ]


def test_run_holds_the_evidence(mlflow, studio):
    """Scores before and after compression, curves, pictures and files are in the run; the bundle comes back whole."""
    studio.nightly(POOR)
    found = version(mlflow, studio, 1)
    run = mlflow.get_run(found.run_id)
    curve = [(metric.step, metric.value) for metric in mlflow.get_metric_history(found.run_id, "val/accuracy")]
    files = {one.path for folder in ("pictures", "files", None) for one in mlflow.list_artifacts(found.run_id, folder)}
    bundle = model_versions.fetch(mlflow, found, studio.state)

    assert (run.data.metrics["test_accuracy_fp32"], run.data.metrics["test_accuracy"]) == (0.91, 0.9)
    assert curve == [(10, 0.5), (20, 0.8)]
    assert files >= {
        "figures.csv",
        "pictures/confusion.png",
        "files/datasets.dvc",
        "files/params.yaml",
        "files/summary.json",
    }
    assert bundle.digest == read_bundle(studio.build / "bundle").digest == found.digest


def test_mlflow_itself_loads_the_champion(mlflow, studio):  # noqa: ARG001  the server
    """MLmodel beside the bundle is right: MLflow's own loader finds the graph and the signature."""
    import mlflow as package  # noqa: PLC0415  # heavy, and only here

    studio.nightly(POOR)
    uri = f"models:/{studio.family.name}@champion"

    assert package.onnx.load_model(uri).graph.name == "dots"
    assert package.models.get_model_info(uri).signature.inputs.input_names() == ["pictures"]


def test_same_bundle_is_not_registered_again(watched, studio):
    """A digest that is a version already: no run, no version, no tag, no alias, and the decision reports that."""
    studio.nightly(POOR)
    watched.acts.clear()
    decision = studio.nightly(POOR)

    assert watched.acts == []
    assert (decision.registered, decision.promoted, decision.version) == (False, False, 1)
    assert "this very bundle and the champion; nothing was registered" in decision.reasons[0]


def test_run_of_a_dead_training_is_ended_though_nothing_is_new(mlflow, studio, monkeypatch):
    """Killed in training, then params taken back: the run finds its old bundle, and no run stays RUNNING."""
    studio.nightly(POOR)
    dead = runs.create_run(mlflow, studio.family.name, "killed").info.run_id
    monkeypatch.setattr(runs, "is_dead", lambda _owner: True)
    decision = studio.nightly(POOR)

    assert not decision.registered
    assert mlflow.get_run(dead).info.status == "KILLED"


def test_better_replaces_worse_does_not(mlflow, studio):
    """The challenger is scored beside the champion, and both latencies are measured here."""
    decisions = [studio.nightly(shift) for shift in (POOR, BEST, POOREST)]

    assert [decision.promoted for decision in decisions] == [True, True, False]
    assert [decision.champion_after for decision in decisions] == [1, 2, 2]
    assert decisions[1].objective.low > 0.01
    assert decisions[1].latency_ms.keys() == {"fp32", "compressed", "challenger", "champion"}
    assert decisions[1].size_bytes.keys() == {"fp32", "compressed", "champion", "bundle"}
    assert "against" in version(mlflow, studio, 3).tags["rushes.reasons"].splitlines()[0]


def test_refused_version_is_not_weighed_twice(watched, studio):
    """A challenger that lost stays lost as long as nothing has changed, and its reasons are repeated."""
    studio.nightly(BEST)
    lost = studio.nightly(POOR)
    watched.acts.clear()
    again = studio.nightly(POOR)

    assert watched.acts == []
    assert again.reasons[1:] == lost.reasons


def test_changed_rules_weigh_again(studio, mlflow):
    """A version that lost by the old rules is weighed by the new ones; it is not registered twice."""
    studio.nightly(POOREST)
    rules = {**RULES, "min_gain": 0.9}
    (studio.root / "mlflow" / "promotion.yaml").write_text(yaml.safe_dump(rules))
    lost = studio.nightly(BEST)
    (studio.root / "mlflow" / "promotion.yaml").write_text(yaml.safe_dump(RULES))
    won = studio.nightly(BEST)

    assert (lost.promoted, won.promoted, won.registered, won.version) == (False, True, False, 2)
    assert len(model_versions.versions(mlflow, studio.family.name)) == 2


def test_promoted_when_asked(mlflow, studio):
    """A trial registers and reports what would have happened; with --promote the same version becomes champion."""
    trial = studio.nightly(POOR, promote=False, trial=True)
    before = champion(mlflow, studio)
    asked = studio.nightly(POOR)

    assert (trial.registered, trial.promoted, before) == (True, False, None)
    assert "it would have been promoted" in trial.reasons[0]
    assert (asked.registered, asked.promoted, champion(mlflow, studio)) == (False, True, 1)
    assert version(mlflow, studio, 1).tags["rushes.trial"] == "false"


def test_team_moves_champion_from_its_branch_alone(mlflow_server, mlflow, studio):
    """On the team's registry another branch registers and does not promote; on one's own any branch may."""
    elsewhere = studio.nightly(POOR, branch="topic", team=mlflow_server)
    there = champion(mlflow, studio)
    main = studio.nightly(POOR, branch="main", team=mlflow_server)
    own = studio.nightly(BEST, branch="topic")

    assert (elsewhere.promoted, there) == (False, None)
    assert "this ran on topic" in elsewhere.reasons[0]
    assert (main.promoted, own.promoted) == (True, True)


def test_training_and_register_share_a_run(mlflow, studio):
    """The run of the training is found by its key; the curves that it logged are not logged twice."""
    logger = runs.run_logger(studio.family.name, "key20", {"train": {"seed": 7}})
    logger.log_metrics({"val/accuracy": 0.5}, 10)
    studio.nightly(POOR)
    steps = [metric.step for metric in mlflow.get_metric_history(logger.run_id, "val/accuracy")]

    assert version(mlflow, studio, 1).run_id == logger.run_id
    assert sorted(steps) == [10, 20]
    assert not running(mlflow, studio)


def test_each_bundle_of_a_training_has_its_own_run(mlflow, studio):
    """Compressed in another way, one training gives two bundles: the second leaves the files of the first alone."""
    studio.nightly(POOR, key="same")
    studio.nightly(BEST, key="same")
    first, second = version(mlflow, studio, 1), version(mlflow, studio, 2)

    assert first.run_id != second.run_id
    assert model_versions.fetch(mlflow, first, studio.root / "elsewhere").digest == first.digest


def test_champion_that_moves_is_met_again(mlflow, studio, monkeypatch):
    """Another machine promotes while this one scores: the challenger is weighed against the new champion."""
    studio.nightly(POOREST)
    studio.nightly(BEST, promote=False)
    weigh, calls = register._weigh, count()

    def slow(*args):
        if next(calls) == 0:
            mlflow.set_registered_model_alias(studio.family.name, "champion", "2")
        return weigh(*args)

    monkeypatch.setattr(register, "_weigh", slow)
    decision = studio.nightly(POOR)

    assert next(calls) == 2
    assert (decision.promoted, decision.champion_before, champion(mlflow, studio)) == (False, 2, 2)


def test_damaged_champion_is_reported(mlflow, studio):
    """A champion whose files were damaged on the server stops the decision with the way out; the version is kept."""
    studio.nightly(POOR)
    mlflow.log_text(version(mlflow, studio, 1).run_id, "damaged", "bundle/dots.onnx")

    with pytest.raises(RegistryError, match="is damaged") as error:
        studio.nightly(BEST)
    assert "flows rollback" in error.value.remedy
    assert len(model_versions.versions(mlflow, studio.family.name)) == 2


def test_damaged_copy_is_fetched_again(mlflow, studio):
    """The copy of a bundle that this machine keeps is checked each time."""
    studio.nightly(POOR)
    found = version(mlflow, studio, 1)
    (model_versions.fetch(mlflow, found, studio.state).folder / "dots.onnx").write_bytes(b"damaged")

    assert model_versions.fetch(mlflow, found, studio.state).digest == found.digest


def test_two_fetch_at_once(mlflow, studio, monkeypatch):
    """A rollback amid a run: whoever comes second takes what the first has laid down."""
    studio.nightly(POOR)
    download = model_versions._download

    def beaten(client, wanted, draft):
        shutil.copytree(studio.build / "bundle", studio.state / "champions" / wanted.family / wanted.digest)
        return download(client, wanted, draft)

    monkeypatch.setattr(model_versions, "_download", beaten)
    found = version(mlflow, studio, 1)

    assert model_versions.fetch(mlflow, found, studio.state).digest == found.digest


def test_nothing_to_register(mlflow, studio):  # noqa: ARG001  the server
    """Before the stages have run there is nothing to register, and the error names the missing file."""
    with pytest.raises(RegistryError, match=r"bundle/manifest\.json is missing"):
        studio.register()


def test_killed_anywhere_ends_the_same(mlflow, tmp_path, monkeypatch):
    """Killed before any of its acts and run again: one version with that digest, the alias on it, no run left open."""
    monkeypatch.setattr(alias_moves, "LEASE_S", 0.0)  # the killed one is this very process, which lives
    whole = DyingClient(mlflow)
    monkeypatch.setattr(runs, "client", lambda *_: whole)
    _make(tmp_path, "killed-never").nightly(POOR)
    # Of several logs of one kind in a row the first will do.
    moments = [i for i, act in enumerate(whole.acts) if act != whole.acts[i - 1] or not act.startswith("log_")]
    for last in moments:
        studio = _make(tmp_path, f"killed-{last}")
        client = DyingClient(mlflow, last)
        monkeypatch.setattr(runs, "client", lambda *_, client=client: client)
        with pytest.raises(Killed):
            studio.nightly(POOR)
        monkeypatch.setattr(runs, "client", lambda *_: mlflow)
        again = studio.nightly(POOR)

        assert again.version == again.champion_after == champion(mlflow, studio) == 1, client.acts
        assert [one.digest for one in model_versions.versions(mlflow, studio.family.name)] == [again.digest], (
            client.acts
        )
        assert len(runs.runs(mlflow, studio.family.name, "")) == 1, client.acts
        assert not running(mlflow, studio), client.acts


def _make(folder, name):
    (folder / name).mkdir()
    return make_studio(folder / name, name)


def test_ten_at_once(mlflow, tmp_path):
    """Ten machines register ten bundles at once: one champion near the best, and a history that leads to it."""
    decisions = register_at_once(tmp_path, "ten-at-once", [3.0 * i for i in range(10)])
    standing = model_versions.standing(mlflow, "ten-at-once")
    accuracy = {decision.version: decision.objective.challenger for decision in decisions}

    assert sorted(accuracy) == list(range(1, 11))
    assert accuracy[standing.champion.number] > max(accuracy.values()) - 0.06  # the others are not a certain gain
    assert standing.log.history[-1] == standing.champion.number
    assert standing.log.done
    chain = [accuracy[number] for number in standing.log.history]
    assert chain == sorted(chain)
