import json
from datetime import timedelta

import pandas as pd
import pytest

from report.data.diff import Since, compare


@pytest.fixture
def last(tmp_path):
    """Folder of the last run."""
    return tmp_path / "last.json"


def next_run(nightly, **changes):
    """The run after."""
    return nightly.model_copy(update={"started": nightly.started + timedelta(days=1), **changes})


def test_the_first_run_has_nothing_to_compare(tree, nightly, last):
    """The page states that, and the figures are stored for the next run."""
    assert compare(tree, nightly, ["faces"], last).nightly == ""
    assert json.loads(last.read_text())["data"]["faces: studio, happy"] > 0


def test_an_unchanged_run_has_no_differences(tree, nightly, last):
    """Same data, params, figures and versions: nothing is listed."""
    compare(tree, nightly, ["faces"], last)

    since = compare(tree, next_run(nightly), ["faces"], last)

    assert since.nightly == nightly.started.isoformat()
    assert since.groups == {}


def test_a_renamed_param_is_not_a_difference(tree, nightly, last):
    """The last run may have had the old key."""
    today = (tree / "params.yaml").read_text()
    (tree / "params.yaml").write_text(f"{today}\nscene: {{train: {{places_px: 0}}}}\n")
    compare(tree, nightly, ["faces"], last)
    (tree / "params.yaml").write_text(f"{today}\nscene: {{train: {{noise_px: 0}}}}\n")

    assert "scene.train.places_px" in last.read_text()
    assert compare(tree, next_run(nightly), ["faces"], last).groups == {}


def test_each_kind_of_change_is_found(tree, nightly, last):
    """A param, a figure, a count and a champion, each with both values."""
    compare(tree, nightly, ["faces"], last)
    (tree / "params.yaml").write_text((tree / "params.yaml").read_text().replace("epochs: 16", "epochs: 3"))
    metrics = json.loads((tree / "build/expression/scores/metrics.json").read_text())
    metrics["compressed"]["accuracy"] = 0.5
    (tree / "build/expression/scores/metrics.json").write_text(json.dumps(metrics))

    groups = compare(tree, next_run(nightly, champions={"expression": 13}), ["faces"], last).groups

    assert [(c.name, c.before, c.now) for c in groups["params"]] == [("expression.train.epochs", 16, 3)]
    assert groups["figures"][0].delta == pytest.approx(0.5 - 0.8502)
    assert [(c.before, c.now) for c in groups["versions"]] == [("v12", "v13")]
    assert "data" not in groups


def test_drawing_the_same_run_again_compares_it_with_the_run_before(tree, nightly, last):
    """A run whose page is drawn twice does not become its own predecessor."""
    compare(tree, nightly, ["faces"], last)
    second = next_run(nightly, champions={"expression": 13})
    compare(tree, second, ["faces"], last)

    again = compare(tree, second, ["faces"], last)

    assert again.nightly == nightly.started.isoformat()
    assert [change.now for change in again.groups["versions"]] == ["v13"]


def test_a_failed_run_keeps_the_figures_it_did_not_reach(tree, nightly, failed_run, last):
    """Scores that DVC removed before the failure are not reported as lost, nor as new in the next run."""
    compare(tree, nightly, ["faces"], last)
    (tree / "build/expression/scores/metrics.json").unlink()
    failed = next_run(failed_run, champions=None)

    assert "figures" not in compare(tree, failed, ["faces"], last).groups
    assert json.loads(last.read_text())["figures"]["expression: accuracy, fp32"] == 0.8513


def test_a_trial_reads_the_last_run_and_leaves_it(tree, nightly, last):
    """A trial's params are not those of the nightly run."""
    compare(tree, nightly, ["faces"], last)
    before = last.read_bytes()

    since = compare(tree, next_run(nightly, mode="trial", champions={}), ["faces"], last)

    assert since.nightly
    assert last.read_bytes() == before


def test_a_run_kept_by_an_earlier_version_is_compared(tree, nightly, last):
    """Its last.json calls the run `night`, and so does the one before it."""
    compare(tree, nightly, ["faces"], last)
    kept = json.loads(last.read_text())
    kept["night"] = kept.pop("nightly")
    last.write_text(json.dumps(kept | {"before": {**kept, "before": None}}))

    assert compare(tree, next_run(nightly), ["faces"], last).nightly == nightly.started.isoformat()
    assert compare(tree, nightly, ["faces"], last).nightly


@pytest.mark.parametrize("content", ["", "[]", '{"night": 3, "data": []}', '{"night": "x", "before": 4}'])
def test_a_broken_last_run_counts_as_none(tree, nightly, last, content):
    """A full disk may have truncated the file."""
    last.write_text(content)

    assert compare(tree, nightly, ["faces"], last) == Since("", {})


def test_figures_of_other_test_samples_are_not_compared(tree, nightly, last):
    """0.96 on rendered faces and 0.17 on real ones is not a fall: no difference, and the family is named."""
    compare(tree, nightly, ["faces"], last)
    scores = tree / "build/expression/scores"
    rows = pd.read_parquet(scores / "rows.parquet")
    rows.assign(id="other-" + rows["id"].astype(str)).to_parquet(scores / "rows.parquet")
    metrics = json.loads((scores / "metrics.json").read_text())
    metrics["compressed"]["accuracy"] = 0.1733
    (scores / "metrics.json").write_text(json.dumps(metrics))

    since = compare(tree, next_run(nightly), ["faces"], last)

    assert [(change.now, change.delta) for change in since.groups["figures"]] == [(0.1733, None)]
    assert since.other_samples == ["expression"]
