from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import yaml
from pydantic import ValidationError

from models.families import FAMILIES
from registry.promotion.rules import Guards, Rules, RulesError, Side, decide, load_rules
from tests.support.studio import Accuracy

LABELS = np.array(["angry", "fear", "happy", "neutral", "sad", "surprise", "disgust"])
SHARES = np.array([0.13, 0.14, 0.25, 0.17, 0.17, 0.12, 0.02])
RULES = Rules(min_gain=0.01, resamples=200)


class MacroF1(Accuracy):
    """The mean F1 of the labels, over numbered columns that it keeps for the next resample."""

    name = "macro_f1"

    def _f1(self, rows, weights=None):
        pairs = rows["label_number"].to_numpy() * len(LABELS) + rows["predicted_number"].to_numpy()
        counts = np.bincount(pairs, weights, minlength=len(LABELS) ** 2).reshape(len(LABELS), -1)
        with np.errstate(invalid="ignore"):
            return 2 * counts.diagonal() / (counts.sum(0) + counts.sum(1))

    def __call__(self, rows, weights=None):
        """The figure over rows."""
        return float(np.nanmean(self._f1(rows, weights)))

    def worst(self, rows, weights=None):
        """F1 of each label."""
        return dict(zip(LABELS, self._f1(rows, weights), strict=True))


class Samples:
    """A test split on which several networks are tried: some samples are hard for all of them."""

    def __init__(self, seed, count=3600, groups=400):
        self.random = np.random.default_rng(seed)
        group = self.random.integers(groups, size=count)
        self.ease = self.random.normal(0, 0.5, groups)[group] + self.random.normal(0, 1.6, count)
        self.label = self.random.choice(len(LABELS), count, p=SHARES)
        self.group = group

    def network(self, skill, luck=0.03):
        """The rows of a network trained with a seed of its own; two of one skill differ on a quarter of the samples.

        At a skill of 1 it is right on 70 %; 0.06 more is worth a point. `luck` is what a seed does to the skill.
        """
        skill = skill + self.random.normal(0, luck)
        right = self.ease + self.random.normal(0, 0.9, len(self.label)) + skill > 0
        other = (self.label + self.random.integers(1, len(LABELS), len(self.label))) % len(LABELS)
        predicted = np.where(right, self.label, other)
        columns = {"id": np.arange(len(right)), "source": "made", "group": [f"g{i}" for i in self.group]}
        numbers = {"label_number": self.label, "predicted_number": predicted}
        return pd.DataFrame({**columns, "label": LABELS[self.label], "predicted": LABELS[predicted], **numbers})


def side(rows, name="v1", size_bytes=1000, latency_ms=1.0):
    """A side of the comparison."""
    return Side(name, rows, {"accuracy": Accuracy()(rows)}, size_bytes, latency_ms)


def promoted(skill, trials=20):
    """Number of challengers of a skill that replace a champion of skill 1."""
    won = 0
    for seed in range(trials):
        samples = Samples(seed)
        champion, challenger = samples.network(1.0), samples.network(skill)
        won += decide(RULES, side(challenger, "v2"), side(champion), MacroF1()).promote
    return won


def rows(predicted, label="a", group=None):
    """Rows by hand, each of a group of its own unless named."""
    ids = range(len(predicted))
    groups = group or [f"g{i}" for i in ids]
    return pd.DataFrame({"id": ids, "source": "made", "group": groups, "label": label, "predicted": list(predicted)})


def reason(verdict, word):
    """The one reason that holds the word."""
    (found,) = (text for text in verdict.reasons if word in text)
    return found


def test_seed_alone_rarely_promotes():
    """A/A: retrained with another seed, at most 1 of 20 replaces the champion."""
    assert promoted(1.0) <= 1


def test_worse_never_promoted():
    """Planted networks that are two points worse: none of 20."""
    assert promoted(0.88) == 0


def test_better_mostly_promoted():
    """Four points better is seen most of the time."""
    assert promoted(1.25) >= 15


def test_same_scores_same_verdict():
    """The draws are seeded: the same scores give the same interval."""
    samples = Samples(3)
    sides = side(samples.network(1.2), "v2"), side(samples.network(1.0))

    assert decide(RULES, *sides, MacroF1()) == decide(RULES, *sides, MacroF1())


def test_tie_keeps_champion():
    """The same predictions are not a gain, even where none is asked for."""
    same = rows("aab" * 20)
    verdict = decide(Rules(min_gain=0.0), side(same, "v2"), side(same), Accuracy())

    assert not verdict.promote
    assert "gain +0.000" in verdict.reasons[0]
    assert "not above 0" in verdict.reasons[0]


def test_rows_are_paired_by_id():
    """The order in which a side was scored does not matter."""
    new = rows("a" * 50 + "b" * 10)
    verdict = decide(RULES, side(new.sample(frac=1, random_state=1), "v2"), side(new), Accuracy())

    assert verdict.objective.low == verdict.objective.high == 0


def test_groups_are_drawn_whole():
    """Sixty images of twelve people are less evidence than sixty people: the interval is wider."""
    groups = [f"g{i // 5}" for i in range(60)]
    new, old = "a" * 60, ("a" * 25 + "b" * 5) * 2
    of_people = decide(RULES, side(rows(new), "v2"), side(rows(old)), Accuracy()).objective
    of_groups = decide(RULES, side(rows(new, group=groups), "v2"), side(rows(old, group=groups)), Accuracy()).objective

    assert of_groups.gain == of_people.gain
    assert of_groups.high - of_groups.low > 1.5 * (of_people.high - of_people.low)


def test_few_groups_are_reported():
    """With a handful of groups single samples are drawn, and the reason states that the interval is too narrow."""
    groups = ["one", "two", "three"] * 20
    verdict = decide(RULES, side(rows("a" * 60, group=groups), "v2"), side(rows("b" * 60, group=groups)), Accuracy())

    assert "only 3 groups (the interval is too narrow)" in reason(verdict, "interval")


@pytest.mark.parametrize("count", [1, 2])
def test_too_few_groups_cannot_be_judged(count):
    """Right on all where the champion is wrong on all: with one performer that is not a gain, and is reported."""
    groups = [f"g{i % count}" for i in range(60)]
    verdict = decide(RULES, side(rows("a" * 60, group=groups), "v2"), side(rows("b" * 60, group=groups)), Accuracy())

    assert not verdict.promote
    assert verdict.reasons[0].startswith("cannot judge: accuracy 1.000 against 0.000 of v1")
    assert (verdict.objective.gain, verdict.objective.low) == (1.0, None)


def test_floor_holds_without_champion():
    """The first version is promoted if the floors hold, and only then."""
    rules = Rules(floors={"accuracy": 0.5})
    good = decide(rules, side(rows("aaab")), None, Accuracy())
    poor = decide(rules, side(rows("abbb")), None, Accuracy())

    assert good.promote
    assert not poor.promote
    assert poor.reasons[0] == "accuracy 0.250 is below the floor 0.5"


def test_floor_applies_whatever_the_champion():
    """A floor is absolute: better than a hopeless champion is not enough."""
    verdict = decide(
        Rules(floors={"accuracy": 0.9}), side(rows("a" * 40 + "b" * 20), "v2"), side(rows("b" * 60)), Accuracy()
    )

    assert verdict.objective.low > 0
    assert not verdict.promote


def test_nan_is_below_every_floor():
    """NaN compares false with everything, so the comparison must be the right way round."""
    broken = Side("v1", rows("aaab"), {"accuracy": float("nan")}, 1000)
    verdict = decide(Rules(floors={"accuracy": -1e9}), broken, None, Accuracy())

    assert not verdict.promote
    assert verdict.reasons[0] == "accuracy nan is below the floor -1e+09"


def test_an_objective_of_nan_gains_nothing():
    """Rows without figures never replace a champion."""
    good = parts_of([0.01] * 60, 0.9)
    broken = good.assign(kid=float("nan"))
    verdict = decide(Rules(), Side("v2", broken, {}, 1), Side("v1", good, {}, 1), Parts())

    assert not verdict.promote


def test_small_figures_have_three_digits():
    """A distance of a few thousandths is printed as one."""
    sides = (Side(name, parts_of([kid] * 60, 0.9), {}, 1) for name, kid in (("v2", 0.00412), ("v1", 0.01234)))
    text = decide(Rules(min_gain=0.003), *sides, Parts()).reasons[0]

    assert "neg_kid -0.00412 against -0.0123 of v1: gain +0.00822" in text


def test_other_parts_than_labels_are_called_parts():
    """Guard rails of a generator are watched like labels, and named by their kind."""
    new, old = parts_of([0.0] * 60, 0.5), parts_of([0.5] * 60, 0.9)
    verdict = decide(Rules(min_gain=0.003), Side("v2", new, {}, 1), Side("v1", old, {}, 1), Parts())

    assert not verdict.promote
    assert verdict.reasons[0] == "the deepest fall of a part is covered, 0.900 to 0.500, more than 0.1"


class Parts:
    """An objective whose parts are not labels."""

    name = "neg_kid"

    def __call__(self, rows, weights=None):
        """Its mean."""
        return -float(np.average(rows["kid"], weights=weights))

    def shared(self, first, second):
        """All of both."""
        return first, second

    def worst(self, rows, weights=None):
        """The one part."""
        return {"covered": float(np.average(rows["covered"], weights=weights))}


def parts_of(kid, covered):
    """Rows of a generator."""
    ids = [str(i) for i in range(len(kid))]
    return pd.DataFrame({"id": ids, "group": ids, "source": "one", "label": "sea", "kid": kid, "covered": covered})


def test_unknown_floor_refused():
    """A floor for a metric that the score does not have is an error that names those it has."""
    with pytest.raises(RulesError, match="top5") as error:
        decide(Rules(floors={"top5": 0.5}), side(rows("aa")), None, Accuracy())

    assert "accuracy" in error.value.remedy


def test_label_that_falls_blocks():
    """A gain overall does not buy the loss of one label."""
    label = ["a"] * 80 + ["b"] * 20
    new, old = rows(["a"] * 80 + ["a"] * 20, label), rows(["b"] * 60 + ["a"] * 20 + ["b"] * 20, label)
    verdict = decide(RULES, side(new, "v2"), side(old), Accuracy())

    assert verdict.objective.low > 0.01
    assert not verdict.promote
    assert verdict.reasons[0] == "the deepest fall of a label is b, 1.000 to 0.000, more than 0.1"


def test_fall_of_a_rare_label_may_be_chance():
    """Two of five samples lost is more than the limit but not significant; the same share of fifty blocks."""
    few, many = ["a"] * 95 + ["b"] * 5, ["a"] * 50 + ["b"] * 50
    rare = side(rows(["a"] * 95 + list("bbbaa"), few), "v2"), side(rows(["b"] * 60 + ["a"] * 35 + ["b"] * 5, few))
    common = (
        side(rows(["a"] * 50 + ["b"] * 30 + ["a"] * 20, many), "v2"),
        side(rows(["b"] * 45 + ["a"] * 5 + ["b"] * 50, many)),
    )
    kept, blocked = decide(RULES, *rare, Accuracy()), decide(RULES, *common, Accuracy())

    assert kept.promote
    assert "b, 1.000 to 0.600: more than 0.1, but with so few samples it may be chance" in reason(kept, "of a label")
    assert not blocked.promote
    assert reason(blocked, "of a label") == "the deepest fall of a label is b, 1.000 to 0.600, more than 0.1"


def test_fall_that_is_sure_counts_before_a_deeper_one_that_is_not():
    """A rare label that falls deeper by chance does not hide a common one that falls for sure."""
    label = ["a"] * 200 + ["b"] * 60 + ["c"] * 5
    new = rows(["a"] * 200 + ["b"] * 45 + ["a"] * 15 + list("cccaa"), label)
    old = rows(["c"] * 150 + ["a"] * 50 + ["b"] * 60 + list("ccccc"), label)
    verdict = decide(RULES, side(new, "v2"), side(old), Accuracy())

    assert not verdict.promote
    assert verdict.reasons[0] == "the deepest fall of a label is b, 1.000 to 0.750, more than 0.1"


def test_group_that_falls_blocks():
    """Nor that of one performer, if there are enough images to judge."""
    groups = ["x"] * 30 + [f"g{i}" for i in range(10)] * 6
    sides = side(rows("b" * 30 + "a" * 60, group=groups), "v2"), side(rows("a" * 30 + "b" * 60, group=groups))
    judged = decide(Rules(guards=Guards(group_rows=6)), *sides, Accuracy())
    unjudged = decide(Rules(guards=Guards(group_rows=31)), *sides, Accuracy())

    assert "x, 1.000 to 0.000, more than 0.15" in reason(judged, "fall of a group")
    assert not any("fall of a group" in text for text in unjudged.reasons)


@pytest.mark.parametrize(("cost", "word"), [({"size_bytes": 9001}, "weighs"), ({"latency_ms": 2.0}, "times as long")])
def test_dear_challenger_blocked(cost, word):
    """A better network that is too large or too slow for the set is not promoted."""
    rules = Rules(guards=Guards(size_bytes=9000, latency_ratio=1.9))
    verdict = decide(rules, side(rows("a" * 60), "v2", **cost), side(rows("b" * 60)), Accuracy())

    assert not verdict.promote
    assert word in verdict.reasons[0]
    assert "over" in verdict.reasons[0]


def test_other_taxonomy_compared_on_shared_labels():
    """A label that the champion never learned does not count for the challenger."""
    label = ["a"] * 40 + ["new"] * 40
    new, old = rows(["a"] * 20 + ["b"] * 20 + ["new"] * 40, label), rows(["a"] * 40, "a")
    verdict = decide(RULES, side(new, "v2"), side(old), Accuracy())

    assert verdict.objective.challenger == 0.5
    assert verdict.objective.champion == 1.0


def test_nothing_shared_keeps_champion():
    """Without a shared label there is nothing to compare, and that is reported."""
    verdict = decide(RULES, side(rows("a" * 20, "a"), "v2"), side(rows("z" * 20, "z")), Accuracy())

    assert not verdict.promote
    assert verdict.reasons[0] == "v2 and v1 share no label: they cannot be compared"


def test_family_overrides_rules(tmp_path):
    """The section of a family overrides the rest; guards are merged one by one."""
    document = {"min_gain": 0.02, "guards": {"size_bytes": 5, "group_drop": 0.3}}
    document["families"] = {"dots": {"floors": {"accuracy": 0.7}, "guards": {"size_bytes": 7}}}
    (tmp_path / "promotion.yaml").write_text(yaml.safe_dump(document))
    own, other = (load_rules(tmp_path / "promotion.yaml", family) for family in ("dots", "lines"))

    assert (own.floors, own.guards.size_bytes, own.guards.group_drop, own.min_gain) == ({"accuracy": 0.7}, 7, 0.3, 0.02)
    assert (other.floors, other.guards.size_bytes) == ({}, 5)


@pytest.mark.parametrize("text", ["min_gian: 0.1", "min_gain: -0.1", "guards: {bytes: 5}", "confidence: 1.0"])
def test_bad_rules_refused(tmp_path, text):
    """A key that is misspelt or a value out of range is an error, not a rule that is not kept."""
    (tmp_path / "promotion.yaml").write_text(text)

    with pytest.raises(ValidationError):
        load_rules(tmp_path / "promotion.yaml", "dots")


def test_shipped_rules_are_read(pytestconfig):
    """The rules in the repository are valid, and expression has floors."""
    rules = load_rules(pytestconfig.rootpath / "mlflow" / "promotion.yaml", "expression")

    assert rules.floors["accuracy"] > 1 / 7
    assert rules.min_gain > 0


def test_every_family_has_rules_of_its_own(pytestconfig):
    """Floors first of all: without them whatever comes first is in use."""
    for family in FAMILIES:
        assert load_rules(pytestconfig.rootpath / "mlflow" / "promotion.yaml", family.name).floors
