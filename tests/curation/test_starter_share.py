"""Rendered faces of the starter beside real ones: a share of what is trained on, and nothing that judges."""

import json
from dataclasses import replace

import pytest

from curation.clean import examine
from curation.image.clean import clean
from curation.ingest import ingest
from curation.store.index import read_index
from models.expression.copies import balance
from models.expression.params import AugmentParams
from tests.curation.planted import PARAMS, plant
from tests.support.exported import no_asset
from tests.support.raw import collection_params, encode, photo, photos, write_raw

BOTH = PARAMS.model_copy(update={"starter_share": 0.2})
FACES = collection_params().model_copy(update={"starter_share": 0.2})
REAL, DRAWN = photos(40), photos(30, first=100, source="starter")  # 24 and 18 of them to train on


def cleaned(root, samples, params=FACES):
    """The packed set of raw samples; those of the source `starter` are the starter's."""
    write_raw(root, samples)
    if (root / "datasets/faces/starter").is_dir():
        (root / "datasets/faces/starter/source.json").write_text(json.dumps({"starter": True}))
    return clean(root, "faces", params, root / "build/clean/faces")


def test_the_starter_stays_and_comes_back(root, tmp_path):
    """Real samples with a label do not remove it, and it may be taken in after them; 0 removes it."""
    drawn = {"source": "starter", "starter": True}
    ingest(plant(tmp_path / "drawn"), root, "faces", BOTH, **drawn)
    first = ingest(plant(tmp_path / "real", seed=50), root, "faces", BOTH)
    there = set(read_index(root, "faces", BOTH)["source"])
    last = ingest(plant(tmp_path / "more", seed=900), root, "faces", PARAMS)
    gone = set(read_index(root, "faces", PARAMS)["source"])
    ingest(tmp_path / "drawn", root, "faces", BOTH, **drawn)

    assert (first.replaced_starter, there) == (False, {"real", "starter"})
    assert (last.replaced_starter, gone) == (True, {"real", "more"})
    assert set(read_index(root, "faces", BOTH)["source"]) == {"real", "more", "starter"}


def test_the_starter_does_not_stand_in_for_a_split(root, tmp_path):
    """Three groups are needed, as without it; and the counts are of real samples."""
    ingest(plant(tmp_path / "drawn"), root, "faces", BOTH, source="starter", starter=True)
    few = ingest(plant(tmp_path / "few", 1, seed=50), root, "faces", BOTH)
    more = ingest(plant(tmp_path / "more", seed=900), root, "faces", BOTH)

    assert "has no sample in the split" in few.problem
    assert (more.problem, sum(more.splits.values())) == ("", 14)


def test_only_a_share_of_training_is_rendered(tmp_path):
    """6 of 30, as many of each label; validation and test are real, those that clean drops too; all else is counted."""
    dark = replace(DRAWN[0], data=encode(photo(1) // 8), split="test", name="dark")
    made = cleaned(tmp_path, [*REAL, *DRAWN, dark])
    train, judged = made.kept("train"), made.table[made.table["split"] != "train"]
    drawn = train[train["source"] == "starter"]

    assert (len(train), dict(drawn["label"].value_counts())) == (30, {"happy": 3, "sad": 3})
    assert set(judged["source"]) == {"one"}
    assert len(judged) == 16
    assert made.info["left_out"] == {"pictures of starter, beside real ones": 25}
    assert (made.starter_only, made.info["starters"]) == (False, ["starter"])


def test_more_real_ones_only_add_rendered_ones(tmp_path):
    """The set of yesterday is part of today's."""
    before, after = (cleaned(tmp_path / f"{count}", [*DRAWN, *photos(count)]).kept("train")["id"] for count in (20, 40))

    assert set(before) < set(after)


def test_no_share_leaves_them_out(tmp_path):
    """A starter that lies there still, after the param was lowered."""
    made = cleaned(tmp_path, [*REAL, *DRAWN], collection_params())

    assert set(made.table["source"]) == {"one"}


@pytest.mark.parametrize("beside", [[], [replace(sample, label="") for sample in photos(4, first=300)]])
def test_the_starter_alone_is_a_set_like_any_other(tmp_path, beside):
    """Nothing changes for it, also beside pictures without a label: whole splits, and no copies withheld."""
    made = cleaned(tmp_path, [*DRAWN, *beside])
    whole = {"train": 18, "validation": 6, "test": 6}

    assert {split: len(made.kept(split)) for split in whole} == whole
    assert "starters" not in made.info
    assert made.info["left_out"] == {}


def test_withheld_samples_do_not_count(tmp_path):
    """Neither real ones without consent nor a rendered one that was."""
    write_raw(tmp_path, [*REAL, *DRAWN])
    (tmp_path / "datasets/faces/starter/source.json").write_text('{"starter": true}')
    ids = read_index(tmp_path, "faces", FACES).query("source == 'one' and split == 'train'")["id"]
    lines = "".join(f"{one},2020-01-01\n" for one in list(ids)[:12])
    (tmp_path / "datasets/faces/expired.csv").write_text(f"id,until\n{lines}")
    table = examine(tmp_path, "faces", FACES).table

    assert (table["kept"] & (table["source"] == "starter")).sum() == 3


def test_rendered_ones_get_no_copies(tmp_path):
    """Beside real ones: otherwise the copies of a rare label would raise the share."""
    few_sad = [sample for number, sample in enumerate(REAL) if sample.label == "happy" or number % 4 == 1]
    made = balance(cleaned(tmp_path, [*few_sad, *DRAWN]), AugmentParams(balance=1.0), tmp_path / "set", no_asset)
    copies = made.kept("train").query("copy")

    assert set(copies["source"]) == {"one"}
    assert "sad" in set(copies["label"])


@pytest.mark.parametrize("section", [{"medium": "script"}, {"parent": "films", "needs": "build/clean/films"}])
def test_the_param_is_for_pictures(section):
    """Any other collection would ignore it."""
    with pytest.raises(ValueError, match="starter_share is for pictures"):
        type(PARAMS)(labels=["happy"], starter_share=0.1, **section)
