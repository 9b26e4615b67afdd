"""Balanced copies: seeded, of the training split alone, and each really altered."""

from __future__ import annotations

import numpy as np
import pytest

from models.expression.copies import altered, balance, rows_to_copy
from models.expression.params import AugmentParams
from tests.support.exported import no_asset
from tests.support.sets import LABELS, small_set

PARAMS = AugmentParams(balance=1.0, min_growth=0.0, max_copies=3)


@pytest.fixture
def uneven(tmp_path):
    """A set whose labels are of 8, 8 and 8 samples, with most of the first dropped."""
    samples = small_set(tmp_path / "clean", {"train": 8, "validation": 4, "test": 4})
    table = samples.table
    gone = (table["split"] == "train") & (table["label"] == "angry") & (table["row"] >= 2)
    table.loc[gone, ["kept", "reason", "row"]] = [False, "blurred", -1]
    kept = (table["split"] == "train") & table["kept"]
    pictures = samples.array("train")[table.loc[kept, "row"]]
    table.loc[kept, "row"] = np.arange(kept.sum())
    np.save(samples.folder / "train.npy", pictures)
    table.to_parquet(samples.folder / "samples.parquet")
    return type(samples)(samples.folder)


def test_small_labels_are_brought_up(uneven, tmp_path):
    """Two pictures get three copies each: as many as eight others."""
    made = balance(uneven, PARAMS, tmp_path / "set", no_asset)

    assert dict(made.kept("train")["label"].value_counts()) == dict.fromkeys(LABELS, 8)


def test_other_splits_are_left_alone(uneven, tmp_path):
    """Validation is the same to the byte, and the test split is not in the set at all."""
    made = balance(uneven, PARAMS, tmp_path / "set", no_asset)

    assert np.array_equal(made.array("validation"), uneven.array("validation"))
    assert not made.kept("validation")["copy"].any()
    assert not (made.folder / "test.npy").exists()
    assert set(made.table["split"]) == {"train", "validation"}


def test_balanced_labels_need_no_copy(tmp_path):
    """A set that is even already is taken as it is."""
    even = small_set(tmp_path / "clean", {"train": 6, "validation": 2})

    made = balance(even, PARAMS, tmp_path / "set", no_asset)

    assert made.info["copies"] == 0
    assert np.array_equal(made.array("train"), even.array("train"))


def test_every_label_gets_its_extra_copies():
    """Even labels too, by their own share."""
    labels = np.repeat(["a", "b"], 40)

    rows = rows_to_copy(labels, AugmentParams(min_growth=0.1))

    assert list(np.unique(labels[rows], return_counts=True)[1]) == [4, 4]


def test_the_same_seed_draws_the_same_copies(uneven, tmp_path):
    """And another seed others."""
    first, again, other = (
        balance(uneven, PARAMS.model_copy(update={"seed": seed}), tmp_path / name, no_asset).array("train")
        for seed, name in ((0, "a"), (0, "b"), (1, "c"))
    )

    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_copies_never_exceed_their_limit():
    """A single picture is not copied a hundred times."""
    labels = np.array(["rare"] + ["common"] * 100)

    rows = rows_to_copy(labels, PARAMS)

    assert list(rows) == [0, 0, 0]


@pytest.mark.parametrize(
    "only", ["rotation_deg", "scale", "crop", "brightness", "noise", "blur_px", "occlusion", "jpeg_quality"]
)
def test_each_alteration_alters(uneven, only):
    """Each on its own changes the picture, beyond what a flip and an untouched JPEG do."""
    picture = uneven.array("train")[0]
    still = dict.fromkeys(["rotation_deg", "scale", "crop", "brightness", "noise", "blur_px", "occlusion"], 0.0)
    quiet = AugmentParams(**still, jpeg_quality=100)
    value = {"rotation_deg": 20, "blur_px": 2, "jpeg_quality": 10, "occlusion": 0.5}.get(only, 0.2)
    moving = quiet.model_copy(update={only: value})

    before, after = (
        np.stack([altered(picture, params, np.random.default_rng(seed)) for seed in range(8)]).astype(int)
        for params in (quiet, moving)
    )

    assert np.abs(before - after).mean() > 0.4


def test_the_set_knows_the_shares_of_its_labels(uneven, tmp_path):
    """In the order of the labels, with copies: two and six of the first, as many as of the others."""
    few = AugmentParams(balance=0.0, min_growth=0.0)

    assert balance(uneven, few, tmp_path / "few", no_asset).info["label_shares"] == pytest.approx(
        [2 / 18, 8 / 18, 8 / 18], abs=1e-5
    )
    assert balance(uneven, PARAMS, tmp_path / "set", no_asset).info["label_shares"] == pytest.approx(
        [1 / 3] * 3, abs=1e-5
    )
