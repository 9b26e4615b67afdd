"""The score of generators that are planted: one that draws well, and each way of drawing badly."""

from __future__ import annotations

import numpy as np
import pytest

from curation.store.sample_set import SampleSet
from models.components.held_out import ScoreError
from models.scene.metrics import features
from models.scene.score import NegativeKid, drawings_a_row, score
from registry.promotion.rules import Side, decide, load_rules
from tests.support.drawn import LABELS, quick_eye, scene_bundle, scene_set, watch

COUNTS = {"train": 60, "validation": 20, "test": 50}


def nothing(_asset):
    """No asset is read: the eye is a stand-in."""
    return b""


@pytest.fixture(scope="module")
def samples(tmp_path_factory):
    """A colour set; training pictures never stand in its test split."""
    return scene_set(tmp_path_factory.mktemp("drawn") / "set", COUNTS)


@pytest.fixture(scope="module")
def scored(samples, tmp_path_factory):
    """The scores of a planted generator, each drawn once."""
    known = {}

    def of(kind):
        if kind not in known:
            with pytest.MonkeyPatch.context() as patch:
                watch(patch)
                memory = {"pictures_nhwc": samples.array("train")} if kind == "copies" else {}
                bundle = scene_bundle(tmp_path_factory.mktemp(kind) / "bundle", kind, **memory)
                known[kind] = score(bundle, samples, "test", nothing)
        return known[kind]

    return of


def test_a_good_generator_is_near_the_held_out_pictures(scored):
    """Drawn from the same distribution: the distance is about 0, and no other figure complains."""
    metrics = scored("good").metrics

    assert abs(metrics["kid_efficientnet_lite0"]) < 0.1 * scored("collapsed").metrics["kid_efficientnet_lite0"]
    assert metrics["coverage"] > 0.8
    assert metrics["originality"] > 0.9
    assert metrics["conditional_accuracy"] > metrics["real_accuracy"] - 0.1
    assert metrics["finite"] == 1.0


@pytest.mark.parametrize("kind", ["blank", "nan", "collapsed", "noise", "raises"])
def test_a_bad_generator_is_far_from_them(scored, kind):
    """Each has a distance far above the good one's, and its pictures are too much alike or unlike all others."""
    metrics = scored(kind).metrics

    assert metrics["kid_efficientnet_lite0"] > 10 * abs(scored("good").metrics["kid_efficientnet_lite0"])
    assert min(metrics["coverage"], metrics["distinct"]) < 0.1
    assert all(np.isfinite(value) for value in metrics.values())


@pytest.mark.parametrize("kind", ["blank", "nan", "raises"])
def test_pictures_of_one_colour_are_reported(scored, kind):
    """Bytes cannot be NaN: what becomes of it is one colour."""
    assert scored(kind).metrics["finite"] == 0.0


def test_a_memorising_generator_is_caught_by_its_copies_alone(scored):
    """Its images are as good as real, so only the search for copies can detect it."""
    metrics = scored("copies").metrics

    assert metrics["originality"] < 0.3
    assert metrics["coverage"] > 0.8
    assert scored("copies").rows["nearest"].str.startswith("train-").all()


@pytest.mark.parametrize("kind", ["blank", "nan", "collapsed", "noise", "raises", "copies"])
def test_none_of_them_is_ever_promoted(scored, pytestconfig, kind):
    """Not even as the first champion: the floors in mlflow/promotion.yaml hold."""
    rules = load_rules(pytestconfig.rootpath / "mlflow" / "promotion.yaml", "scene")
    good, bad = (Side(name, scored(name).rows, scored(name).metrics, 1000) for name in ("good", kind))

    assert decide(rules, good, None, NegativeKid()).promote
    first = decide(rules, bad, None, NegativeKid())
    assert not first.promote
    assert "below the floor" in first.reasons[0]
    assert not decide(rules, bad, Side("v1", good.rows.assign(kid=9.9), {}, 1000), NegativeKid()).promote


def test_rows_are_linear_in_their_weights(scored):
    """The plain mean is the figure of the whole; weights count a row as often: what the bootstrap relies on."""
    scores = scored("collapsed")
    weights = np.random.default_rng(1).integers(0, 3, len(scores.rows)).astype(float)
    repeated = scores.rows.loc[scores.rows.index.repeat(weights.astype(int))]

    assert -NegativeKid()(scores.rows) == pytest.approx(scores.metrics["kid_efficientnet_lite0"])
    assert NegativeKid()(scores.rows, weights) == pytest.approx(NegativeKid()(repeated))
    assert NegativeKid().worst(scores.rows, weights) == pytest.approx(NegativeKid().worst(repeated))


def test_each_picture_is_drawn_by_its_own_caption(samples, tmp_path, monkeypatch):
    """If there is one; else by the bundle's template over its category."""
    words = watch(monkeypatch)

    score(scene_bundle(tmp_path / "bundle"), samples, "test", nothing)

    wanted = {f"a wide {label}" for label in LABELS} | {f"a photo of a {label}" for label in LABELS}
    assert set(words.read[:6]) == wanted


def test_a_category_that_a_bundle_does_not_know_is_left_out(samples, tmp_path, monkeypatch):
    """An older bundle with other labels draws all of the split; known labels are passed by name, not by position."""
    watch(monkeypatch)
    older = scene_bundle(tmp_path / "bundle", labels=["sea", "desert", "forest"])

    rows = score(older, samples, "test", nothing).rows

    assert len(rows) == 3 * COUNTS["test"]
    assert rows.loc[rows["label"] == "forest", "fits"].mean() < 0.2  # its first colour is called sea


def test_the_same_bundle_has_the_same_score(samples, scored, tmp_path, monkeypatch):
    """Seeds are fixed."""
    watch(monkeypatch)

    again = score(scene_bundle(tmp_path / "bundle"), samples, "test", nothing)

    assert again.metrics == scored("good").metrics
    assert again.rows.equals(scored("good").rows)


def test_training_pictures_are_looked_at_once(samples, tmp_path, monkeypatch):
    """Until their file changes: a nightly run scores several bundles."""
    watch(monkeypatch)
    features._features.cache_clear()
    features._training.cache_clear()
    looked = []
    monkeypatch.setattr(
        "models.scene.metrics.features.features_of", lambda eye, p: looked.append(len(p)) or quick_eye(eye, p)
    )
    bundle = scene_bundle(tmp_path / "bundle")
    for _ in range(2):
        score(bundle, samples, "test", nothing)
    (samples.folder / "train.npy").touch()
    score(bundle, samples, "test", nothing)

    assert looked.count(3 * COUNTS["train"]) == 2


def test_a_small_split_gets_several_drawings_a_picture():
    """About a thousand in all, at most eight a picture, and never none."""
    assert [drawings_a_row(count) for count in (2, 128, 300, 1024, 9000)] == [8, 8, 3, 1, 1]


def test_a_split_of_one_picture_is_refused(tmp_path):
    """Two are the least that drawings can be compared with."""
    table = scene_set(tmp_path, {"train": 4, "test": 1}).table
    table[: 4 * len(LABELS) + 1].to_parquet(tmp_path / "samples.parquet")

    with pytest.raises(ScoreError, match="too few samples in the split test for a score, 1 of 2"):
        score(None, SampleSet(tmp_path), "test", nothing)
