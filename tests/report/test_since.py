import json
from datetime import timedelta

import pytest

from report.since import Since, compare


@pytest.fixture
def last(tmp_path):
    """Where the last night is kept."""
    return tmp_path / "last.json"


def next_night(night, **changes):
    """The night after."""
    return night.model_copy(update={"started": night.started + timedelta(days=1), **changes})


def test_the_first_night_has_nothing_to_compare(tree, night, last):
    """It says so, and leaves its figures for the next."""
    assert compare(tree, night, ["faces"], last).night == ""
    assert json.loads(last.read_text())["data"]["faces: studio, happy"] > 0


def test_an_unchanged_night_has_no_differences(tree, night, last):
    """Same data, params, figures, versions: nothing is listed."""
    compare(tree, night, ["faces"], last)

    since = compare(tree, next_night(night), ["faces"], last)

    assert since.night == night.started.isoformat()
    assert since.groups == {}


def test_each_kind_of_change_is_found(tree, night, last):
    """A param, a figure, a count and a champion, each with both values."""
    compare(tree, night, ["faces"], last)
    (tree / "params.yaml").write_text((tree / "params.yaml").read_text().replace("epochs: 16", "epochs: 3"))
    metrics = json.loads((tree / "build/expression/scores/metrics.json").read_text())
    metrics["compressed"]["accuracy"] = 0.5
    (tree / "build/expression/scores/metrics.json").write_text(json.dumps(metrics))

    groups = compare(tree, next_night(night, champions={"expression": 13}), ["faces"], last).groups

    assert [(c.name, c.before, c.now) for c in groups["params"]] == [("expression.train.epochs", 16, 3)]
    assert groups["figures"][0].delta == pytest.approx(0.5 - 0.8502)
    assert [(c.before, c.now) for c in groups["versions"]] == [("v12", "v13")]
    assert "data" not in groups


def test_drawing_the_same_night_again_compares_it_with_the_night_before(tree, night, last):
    """A night whose page is drawn twice does not become its own predecessor."""
    compare(tree, night, ["faces"], last)
    second = next_night(night, champions={"expression": 13})
    compare(tree, second, ["faces"], last)

    again = compare(tree, second, ["faces"], last)

    assert again.night == night.started.isoformat()
    assert [change.now for change in again.groups["versions"]] == ["v13"]


def test_a_failed_night_keeps_the_figures_it_did_not_reach(tree, night, failed_night, last):
    """Scores that DVC removed before the failure are not reported as lost, nor as new in the next night."""
    compare(tree, night, ["faces"], last)
    (tree / "build/expression/scores/metrics.json").unlink()
    failed = next_night(failed_night, champions=None)

    assert "figures" not in compare(tree, failed, ["faces"], last).groups
    assert json.loads(last.read_text())["figures"]["expression: accuracy, fp32"] == 0.8513


def test_a_trial_reads_the_last_night_and_leaves_it(tree, night, last):
    """Its params are another matter than tonight's."""
    compare(tree, night, ["faces"], last)
    before = last.read_bytes()

    since = compare(tree, next_night(night, mode="trial", champions={}), ["faces"], last)

    assert since.night
    assert last.read_bytes() == before


@pytest.mark.parametrize("content", ["", "[]", '{"night": 3, "data": []}', '{"night": "x", "before": 4}'])
def test_a_broken_last_night_is_no_last_night(tree, night, last, content):
    """What was kept may be cut short by a full disk."""
    last.write_text(content)

    assert compare(tree, night, ["faces"], last) == Since("", {})
