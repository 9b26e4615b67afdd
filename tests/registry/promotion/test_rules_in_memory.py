"""Rules of promotion, on a registry in memory: each rule alone, so that none can be lost unseen."""

from __future__ import annotations

import csv
import json
import platform

import pytest
from mlflow.entities import Metric

from curation.store.sample_set import SampleSet
from registry.mlflow import artifacts, model_versions, run_summary, runs
from registry.mlflow.model_versions import CHAMPION
from registry.mlflow.runs import RegistryError
from registry.promotion import rollback
from rushes.bundle.manifest import read_bundle, sha256_file
from tests.support.fake_registry import FakeClient
from tests.support.studio import BEST, POOR, POOREST, _score, make_studio


@pytest.fixture
def studio(tmp_path, registry):  # noqa: ARG001  the server
    """A tree as the stages leave it."""
    return make_studio(tmp_path, "dots")


def alias(registry):
    """Number of the champion."""
    return registry.models["dots"].aliases.get(CHAMPION)


def test_a_better_one_replaces_a_worse_one_does_not(registry, studio):
    """The comparison decides, and the champion before stands on the version."""
    decisions = [studio.nightly(shift) for shift in (POOR, BEST, POOREST)]

    assert [decision.promoted for decision in decisions] == [True, True, False]
    assert (alias(registry), registry.versions["dots"][2].tags["rushes.champion_before"]) == ("2", "1")


def test_a_trial_is_not_promoted_unasked(registry, studio):
    """It registers and reports what would have happened, and how; with --promote the same version becomes champion."""
    trial = studio.nightly(POOR, promote=False, trial=True)
    before = alias(registry)
    asked = studio.nightly(POOR, promote=True, trial=True)

    assert (trial.registered, trial.promoted, before) == (True, False, None)
    assert trial.reasons[0] == "promotion was not requested: run it again with --promote; it would have been promoted"
    assert (asked.registered, asked.promoted, alias(registry)) == (False, True, "1")


def test_a_trial_that_is_worse_has_no_hint_to_promote(studio):
    """The objection is first, and no way to promote it is shown."""
    studio.nightly(BEST)
    trial = studio.nightly(POOREST, promote=False, trial=True)

    assert "its lower end is not above 0.01" in trial.reasons[0]
    assert trial.reasons[-1] == "promotion was not requested, and it would not have been promoted"
    assert not any("--promote" in reason for reason in trial.reasons)


def test_a_held_family_stays_as_it_is_until_released(registry, studio):
    """A better one is registered and no more; once released the same version becomes champion."""
    studio.nightly(POOREST)
    studio.nightly(POOR)
    rollback.rollback("dots", "sees ghosts", FakeClient(registry), studio.state)
    held = studio.nightly(BEST)
    before = alias(registry)
    rollback.release("dots", FakeClient(registry))
    released = studio.nightly(BEST)

    assert (held.registered, held.promoted, before) == (True, False, "1")
    assert "on hold since" in held.reasons[0]
    assert (released.registered, released.promoted, alias(registry)) == (False, True, "3")


def test_a_team_moves_its_champion_from_its_branch_alone(registry, studio):
    """Another branch registers; on one's own registry any branch may."""
    elsewhere = studio.nightly(POOR, branch="topic", team="http://team")
    before = alias(registry)
    main = studio.nightly(POOR, branch="main", team="http://team")
    own = studio.nightly(BEST, branch="topic")

    assert (elsewhere.promoted, before, main.promoted, own.promoted) == (False, None, True, True)
    assert "this ran on topic" in elsewhere.reasons[0]


def test_a_rejected_one_is_never_promoted_again(registry, studio):
    """Released, and by far the best."""
    studio.nightly(POOREST)
    studio.nightly(BEST)
    rollback.rollback("dots", "sees ghosts", FakeClient(registry), studio.state)
    rollback.release("dots", FakeClient(registry))

    assert not studio.nightly(BEST).promoted
    assert alias(registry) == "1"


def test_a_champion_of_another_hash_is_not_compared_with(registry, studio):
    """Files that are not what was registered stop the decision; the new version is kept."""
    studio.nightly(POOR)
    client = FakeClient(registry)
    studio.stages(POOREST)
    client.log_artifacts(client.get_model_version("dots", "1").run_id, studio.build / "bundle", "bundle")

    with pytest.raises(RegistryError, match="but it was registered as") as error:
        studio.nightly(BEST)
    assert "flows rollback" in error.value.remedy
    assert (len(registry.versions["dots"]), alias(registry)) == (2, "1")


def test_nothing_is_written_for_a_bundle_that_is_known(registry, studio):
    """No run, no version, no tag, no alias."""
    studio.nightly(POOR)
    before = repr((registry.models, registry.versions, registry.runs))
    again = studio.nightly(POOR)

    assert repr((registry.models, registry.versions, registry.runs)) == before
    assert "this very bundle and the champion; nothing was registered" in again.reasons[0]


def test_a_promotion_takes_few_requests(registry, studio, monkeypatch):
    """With logins MLflow hashes a password for each: three tags are set singly, the others as the version is made."""
    studio.nightly(POOR)
    studio.stages(BEST)
    watched = FakeClient(registry)
    monkeypatch.setattr("registry.mlflow.runs.client", lambda *_: watched)
    studio.register()
    tags = [name for name in watched.calls if name.endswith("_tag")]

    assert len(tags) <= 3
    assert len(model_versions.versions(FakeClient(registry), "dots")) == 2


@pytest.fixture
def scored(studio):
    """The digests of the bundles that are scored while registering."""
    found = []

    def score(bundle, clean, split, read):
        found.append(bundle.digest)
        return _score(bundle, clean, split, read)

    object.__setattr__(studio.family, "score", score)
    return found


def evaluated(studio, **changes):
    """Leaves the scores of `evaluate` in build/F/scores."""
    bundle = read_bundle(studio.build / "bundle")
    scores = _score(bundle, SampleSet(studio.root / "build/clean/dots"), "test", None)
    split = sha256_file(studio.root / "build/clean/dots/samples.parquet")
    figures = {"digest": bundle.digest, "split": split, "compressed": scores.metrics} | changes
    (studio.build / "scores/metrics.json").write_text(json.dumps(figures))
    scores.rows.to_parquet(studio.build / "scores/rows.parquet")


def test_what_evaluate_has_scored_is_not_scored_again(studio, scored):
    """The challenger never, the champion once; the decision is the same as if both were scored."""
    first = studio.stages(POOR)
    evaluated(studio)
    studio.register()
    studio.stages(BEST)
    evaluated(studio)
    won = studio.register(promote=False)
    studio.register(promote=True)

    assert scored == [first]
    assert won.objective.gain > 0.01


@pytest.mark.parametrize(
    "lie", [{"digest": "0"}, {"split": "0"}, {"compressed": {"accuracy": 0.99}}, {"compressed": 7}]
)
def test_scores_of_something_else_are_not_taken(studio, scored, lie):
    """Of another bundle or split, or rows that do not give the figure that was written down."""
    digest = studio.stages(POOR)
    evaluated(studio, **lie)
    studio.register()

    assert scored == [digest]


def test_a_curve_that_the_training_logged_is_not_logged_again(registry, studio):
    """Lightning counts from 0 what history.csv counts from 1; a point that was lost is added."""
    studio.nightly(POOR)
    client = FakeClient(registry)
    run = runs.create_run(client, "dots", "key0")
    client.log_batch(run.info.run_id, metrics=[Metric("val/accuracy", 0.5, 1, 9)])
    studio.nightly(BEST)

    assert [point.step for point in client.get_metric_history(run.info.run_id, "val/accuracy")] == [9, 20]


def test_one_click_between_run_and_version(registry, studio):
    """Each has a description and a link to the other, in MLflow's mode for models."""
    decision = studio.nightly(POOR)
    version = registry.versions["dots"][1]
    run = registry.runs[version.run_id]

    page = f"#/experiments/1/runs/{version.run_id}"
    assert decision.run_url == f"http://fake/{page}?workflowType=machine_learning"
    assert f"]({page}?workflowType=machine_learning)" in version.description
    assert "](#/models/dots/versions/1?workflowType=machine_learning)" in run.data.tags["mlflow.note.content"]
    for text in (version.description, run.data.tags["mlflow.note.content"]):
        assert f"[data: dots abababababab]({page}/artifacts/data.json?" in text
        assert "http" not in text  # the same server may answer at another port tomorrow


def test_curves_stand_before_the_final_figures(registry, studio):
    """MLflow's sections: what has a prefix first, in alphabetical order; the few one-point figures have none."""
    studio.nightly(POOR)
    metrics = registry.runs[registry.versions["dots"][1].run_id].data.metrics
    points = {
        name: len(FakeClient(registry).get_metric_history(registry.versions["dots"][1].run_id, name))
        for name in metrics
    }

    assert {name for name in metrics if "/" in name} == {name for name, count in points.items() if count > 1}
    assert {"test_accuracy", "test_accuracy_fp32", "size_bytes", "latency_ms"} <= set(metrics)
    assert sum("/" not in name for name in metrics) <= 10


def test_every_figure_stands_in_a_table(studio):
    """Of the shipped model and before compression; also those of each source, which no longer are charts."""
    studio.stages(POOR)
    rows = list(
        csv.DictReader(artifacts.figures_table(artifacts.read_evidence(studio.root, studio.family)).splitlines())
    )
    found = {row["figure"]: row for row in rows}

    assert (found["accuracy"]["fp32"], found["accuracy"]["compressed"]) == ("0.91", "0.9")
    assert found["sources/made/accuracy"]["compressed"] == "0.9"
    assert {"latency_ms", "size_bytes"} <= set(found)


def test_data_can_be_looked_at(studio):
    """MLflow shows JSON: the collection, its version and what it holds."""
    studio.stages(POOR)
    output = json.loads(artifacts.describe_data(artifacts.read_evidence(studio.root, studio.family)))

    assert (output["collection"], output["version"]) == ("dots", "ab" * 16 + ".dir")
    assert "counts" in output


def test_report_is_linked_once(registry, studio):
    """From the run and from the version, before the other links; again with the next report, in place of the first."""
    studio.nightly(POOR)
    version, client = registry.versions["dots"][1], FakeClient(registry)
    for nightly in ("old", "new"):
        url = f"http://127.0.0.1:5000/#/experiments/2/runs/{nightly}/artifacts/index.html"
        run_summary.link_report(client, version.run_id, "dots", 1, url)

    for text in (version.description, registry.runs[version.run_id].data.tags["mlflow.note.content"]):
        assert "\n[report](#/experiments/2/runs/new/artifacts/index.html) · [" in text
        assert text.count("[report]") == 1


@pytest.mark.parametrize("owner", ["", "x", "{here} one two", "{here} -1 0"])
def test_an_owner_that_cannot_be_read_is_nobody_known_to_be_dead(owner):
    """Written by hand into MLflow: the run is left as it is."""
    assert not runs.is_dead(owner.format(here=platform.node()))
