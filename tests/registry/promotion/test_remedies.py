"""The remedies of the registry are followed, on a registry in memory: the family moves on, and no version is lost."""

from __future__ import annotations

import re
import shlex
import subprocess

import pytest
import yaml

from registry.mlflow.runs import RegistryError
from registry.promotion import rollback
from registry.promotion.rollback import NothingToRestoreError
from registry.promotion.rules import RulesError
from tests.support.fake_registry import FakeClient
from tests.support.repos import git
from tests.support.studio import BEST, POOR, POOREST, make_studio


@pytest.fixture
def studio(tmp_path, registry):  # noqa: ARG001  the server
    """A tree as the stages leave it."""
    return make_studio(tmp_path, "dots")


def damage(registry, number):
    """The server's files of a version are cut off."""
    run = FakeClient(registry).get_model_version("dots", str(number)).run_id
    [graph] = (registry.folder / run).rglob("*.onnx")
    graph.write_bytes(b"cut off")


def follow(remedy, registry, studio):
    """Runs `flows rollback`, or gives a version the alias as a person does in MLflow's pages."""
    client = FakeClient(registry)
    if by_hand := re.search(r"open version (\d+) in MLflow's pages and give it the alias (\w+)", remedy):
        client.set_registered_model_alias("dots", by_hand[2], by_hand[1])
        return
    *_, command, family, option, reason = shlex.split(remedy)
    assert (command, option) == ("rollback", "--reason")
    rollback.rollback(family, reason, client, studio.state)


def test_a_damaged_champion_is_rolled_back(registry, studio):
    """The champion before is in use, and the next run compares with it."""
    studio.nightly(POOREST)
    studio.nightly(POOR)
    damage(registry, 2)
    with pytest.raises(RegistryError, match="v2 is damaged") as refused:
        studio.nightly(BEST)
    follow(refused.value.remedy, registry, studio)
    again = studio.nightly(BEST)

    assert (registry.models["dots"].aliases["champion"], again.version) == ("1", 3)
    assert sorted(registry.versions["dots"]) == [1, 2, 3]


def test_a_damaged_champion_without_a_predecessor_is_replaced(registry, studio):
    """Rollback restores nothing; its own remedy makes a version champion that later ones are compared with."""
    studio.nightly(POOREST)
    damage(registry, 1)
    with pytest.raises(RegistryError) as refused:
        studio.nightly(POOR)
    with pytest.raises(NothingToRestoreError, match="stays in use") as nothing:
        follow(refused.value.remedy, registry, studio)
    follow(nothing.value.remedy, registry, studio)
    again = studio.nightly(BEST)

    assert (again.promoted, again.champion_before) == (True, 2)
    assert sorted(registry.versions["dots"]) == [1, 2, 3]


def test_a_champion_whose_alias_was_deleted_gets_it_back(registry, studio):
    """From then on rollback works."""
    studio.nightly(POOREST)
    studio.nightly(POOR)
    FakeClient(registry).delete_registered_model_alias("dots", "champion")
    with pytest.raises(NothingToRestoreError) as refused:
        rollback.rollback("dots", "sees ghosts", FakeClient(registry), studio.state)
    follow(refused.value.remedy, registry, studio)

    assert rollback.rollback("dots", "sees ghosts", FakeClient(registry), studio.state).restored == 1


@pytest.mark.parametrize("shifts", [[], [POOREST]])
def test_a_run_gives_rollback_what_it_lacks(registry, studio, shifts):
    """No version, or none before the champion: after the run that the remedy names, there is something to restore."""
    for shift in shifts:
        studio.nightly(shift)
    with pytest.raises(NothingToRestoreError) as refused:
        rollback.rollback("dots", "sees ghosts", FakeClient(registry), studio.state)
    for shift in (POOR, BEST)[len(shifts) :]:
        studio.nightly(shift)
    if not shifts:
        studio.nightly(POOR)

    assert "make nightly" in refused.value.remedy
    assert rollback.rollback("dots", "sees ghosts", FakeClient(registry), studio.state).restored == 1


def test_a_run_promotes_the_first_version_whose_floors_hold(registry, studio):
    """One that misses them is registered and never champion; after the runs that the remedy asks for there are two."""
    rules = studio.root / "mlflow" / "promotion.yaml"
    kept = yaml.safe_load(rules.read_text())
    rules.write_text(yaml.safe_dump({**kept, "floors": {"accuracy": 1.1}}))
    studio.nightly(POOREST)
    with pytest.raises(NothingToRestoreError, match="has no champion") as refused:
        rollback.rollback("dots", "sees ghosts", FakeClient(registry), studio.state)
    rules.write_text(yaml.safe_dump(kept))
    promoted = [studio.nightly(shift).promoted for shift in (POOR, BEST)]

    assert refused.value.remedy.startswith("make nightly promotes a first one")
    assert promoted == [True, True]
    assert rollback.rollback("dots", "sees ghosts", FakeClient(registry), studio.state).restored == 2


@pytest.mark.parametrize("name", ["bundle/manifest.json", "bundle/certificate.json", "train/summary.json"])
def test_a_run_makes_what_there_is_to_register(registry, studio, name):
    """The version in use stays until then."""
    studio.nightly(POOR)
    studio.stages(BEST)
    (studio.build / name).unlink()
    with pytest.raises(RegistryError, match="is missing: there is nothing to register") as refused:
        studio.register()
    before = dict(registry.models["dots"].aliases)
    after = studio.nightly(BEST)

    assert refused.value.remedy == "make nightly"
    assert before == {"champion": "1"}
    assert (after.promoted, after.version) == (True, 2)


def test_a_floor_of_a_missing_metric_is_corrected(studio):
    """With a metric that the remedy lists, the version is judged."""
    rules = studio.root / "mlflow" / "promotion.yaml"
    kept = yaml.safe_load(rules.read_text())
    rules.write_text(yaml.safe_dump({**kept, "floors": {"accuracies": 0.5}}))
    with pytest.raises(RulesError, match="'accuracies'") as refused:
        studio.nightly(BEST)
    metric = refused.value.remedy.removeprefix("use one of: ").split(", ")[0]
    rules.write_text(yaml.safe_dump({**kept, "floors": {metric: 0.5}}))

    assert studio.nightly(BEST).promoted


def test_rules_that_cannot_be_read_are_restored(studio):
    """From git; the broken ones are kept."""
    rules = studio.root / "mlflow" / "promotion.yaml"
    git(studio.root, "init", "--quiet")
    git(studio.root, "add", "mlflow")
    git(studio.root, "commit", "--quiet", "--message", "rules")
    rules.write_text("<<<<<<< HEAD\na: [\n")
    with pytest.raises(RulesError, match="cannot be read") as refused:
        studio.nightly(BEST)
    subprocess.run(["/bin/sh", "-c", refused.value.remedy], cwd=studio.root, check=True)

    assert studio.nightly(BEST).promoted
    assert (studio.root / ".state/damaged/mlflow/promotion.yaml").read_text().startswith("<<<")
