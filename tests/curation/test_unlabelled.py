"""Unlabelled pictures: ingested and cleaned like the others, packed separately, for students."""

from dataclasses import replace

import numpy as np
import pytest

from curation.image.clean import clean
from curation.ingest import inbox, ingest
from curation.store.index import read_index
from curation.store.taxonomy import means_none
from models.expression.copies import balance
from models.expression.params import AugmentParams
from tests.curation.planted import LATER, PARAMS, plant
from tests.support.exported import no_asset
from tests.support.raw import Sample, collection_params, encode, photo, photos, write_raw

FACES = collection_params()


def without_label(*numbers, split="train"):
    return [Sample(encode(photo(number)), "", split) for number in numbers]


def cleaned(root, samples):
    write_raw(root, samples)
    return clean(root, "faces", FACES, root / "build" / "clean" / "faces")


@pytest.mark.parametrize(("name", "none"), [("unlabelled", True), ("Unlabeled", True), ("happy", False), ("", False)])
def test_some_words_mark_a_missing_label(name, none):
    """In both spellings and any case; an empty name is an error."""
    assert means_none(name, ["happy"]) is none


def test_a_taxonomy_may_use_the_word():
    """It is then an ordinary label."""
    assert not means_none("unlabelled", ["happy", "unlabelled"])


def test_a_folder_of_them_comes_in(root, tmp_path):
    """Beside class folders, with a split each, and counted under the word."""
    result = ingest(plant(tmp_path / "set", labels=("happy", "sad", "unlabelled")), root, "faces", PARAMS)
    rows = read_index(root, "faces", PARAMS)

    assert result.labels == {"happy": 6, "sad": 6, "unlabelled": 6}
    assert not result.refused
    assert (rows["label"] == "").sum() == 6


def test_they_come_in_by_themselves_too(root, tmp_path):
    """A folder with a single class of labelled pictures is still an error."""
    ingest(plant(tmp_path / "set"), root, "faces", PARAMS)
    alone = ingest(plant(tmp_path / "more", labels=("unlabelled",), seed=9), root, "faces", PARAMS)

    assert (alone.added, alone.problem) == (6, "")


def test_an_inbox_takes_the_folder(root):
    """As one of its loose class folders."""
    plant(root / "inbox" / "faces", labels=("happy", "sad", "unlabelled"))
    results = inbox(root, "faces", PARAMS, now=LATER)

    assert [(one.source, one.added) for one in results] == [("inbox", 18)]


def test_they_are_packed_apart(tmp_path):
    """They are in no split's array; checks apply to them; they are not a loss of their source."""
    faint = Sample(encode(photo(901) // 40), "")
    made = cleaned(tmp_path, [*photos(20), *without_label(*range(100, 140)), faint])
    rows = made.table[made.table["label"] == ""]

    assert rows["reason"].value_counts().to_dict() == {"unlabelled": 40, "constant": 1}
    assert (made.table["kept"].sum(), len(np.load(made.folder / "apart.npy"))) == (20, 40)
    assert not made.kept("train")["label"].eq("").any()
    assert made.info["findings"]["kept apart"] == {"without a label": 40}
    assert made.info["counts"] == {"constant": 1}
    apart = rows[rows["reason"] == "unlabelled"].sort_values("row")
    assert apart["row"].tolist() == list(range(40))


def test_those_that_are_dropped_are_not_losses(tmp_path):
    """Planted: a source without labels, half of it dark and the rest one picture over and over. The stage goes on."""
    dark = [Sample(encode(photo(300 + number) // 8), "", source="collected") for number in range(4)]
    alike = [Sample(encode(photo(310)), "", source="collected", name=f"again {number}") for number in range(4)]
    made = cleaned(tmp_path, [*photos(20), *dark, *alike])

    assert made.info["sources"]["collected"]["reasons"] == {"underexposed": 4, "exact duplicate": 3}
    assert len(np.load(made.folder / "apart.npy")) == 1


def test_the_starter_stays_beside_them(root, tmp_path):
    """Nothing could be trained from them alone; the first picture with a label replaces it."""
    ingest(plant(tmp_path / "drawn"), root, "faces", PARAMS, source="starter", starter=True)
    alone = ingest(plant(tmp_path / "more", labels=("unlabelled",), seed=9), root, "faces", PARAMS)
    assert (alone.added, alone.problem, alone.replaced_starter) == (6, "", False)
    assert len(read_index(root, "faces", PARAMS)) == 18

    real = ingest(plant(tmp_path / "set", seed=50), root, "faces", PARAMS)
    assert real.replaced_starter
    assert set(read_index(root, "faces", PARAMS)["source"]) == {"more", "set"}


@pytest.mark.parametrize("split", ["train", "test"])
def test_a_copy_of_a_labelled_picture_goes(tmp_path, split):
    """Planted: a labelled picture of each split, once more without its label. The labelled one stays in any case."""
    labelled = next(sample for sample in photos(20) if sample.split == split)
    copy = replace(labelled, label="", split="test" if split == "train" else "train", name="copy")
    made = cleaned(tmp_path, [*photos(20), copy])

    assert made.table["kept"].sum() == 20
    assert made.table.loc[~made.table["kept"], "reason"].tolist() == ["exact duplicate"]
    assert "conflicting labels" not in made.info["counts"]


def test_the_set_takes_none_of_a_tested_group(tmp_path):
    """Planted: the same performer is in the test split."""
    made = cleaned(tmp_path, [*photos(20), *without_label(*range(100, 110))])
    table = made.table
    apart = table.index[table["reason"] == "unlabelled"]
    table.loc[apart[0], "group"] = table.loc[table["split"].eq("test") & table["kept"], "group"].iloc[0]
    made_of = balance(made, AugmentParams(), tmp_path / "set", no_asset)

    assert len(made_of.kept("train")) == made_of.info["copies"] + 12
    more = made_of.and_unlabelled
    assert len(more.kept("train")) == len(made_of.kept("train")) + 9
    assert table.loc[apart[0], "id"] not in set(more.kept("train")["id"])
    assert len(more.array("train")) == len(more.kept("train")) == len(more.targets("train"))
    assert more.targets("train").sum() == len(made_of.kept("train"))
    assert np.array_equal(more.array("train")[-1], np.load(made.folder / "apart.npy")[table.loc[apart[-1], "row"]])
    assert len(more.kept("validation")) == len(made_of.kept("validation"))


def test_of_many_as_many_are_drawn_as_have_a_label(tmp_path):
    """Or a limit from params, since a day's frames would take days of training. Seeded; each with its image."""
    made = cleaned(tmp_path, [*photos(20), *without_label(*range(100, 140))])

    def drawn(**params):
        taken = balance(made, AugmentParams(**params), tmp_path / "set", no_asset)
        rows = taken.and_unlabelled.kept("train").iloc[len(taken.kept("train")) :]
        pictures_nhwc = taken.and_unlabelled.array("train")[len(taken.kept("train")) :]
        where = made.table.set_index("id").loc[rows["id"], "row"]
        assert np.array_equal(pictures_nhwc, np.load(made.folder / "apart.npy")[where])
        assert taken.info["without_label"] == 40
        return set(rows["id"])

    first = drawn()
    assert len(first) == 12 == len(made.kept("train"))
    assert drawn() == first != drawn(seed=1)
    assert len(drawn(max_unlabelled_ratio=2.5)) == 30
    assert len(drawn(max_unlabelled_ratio=100.0)) == 40
    assert drawn(max_unlabelled_ratio=0.0) == set()


def test_without_any_the_set_is_the_same(tmp_path):
    """Nothing is added."""
    made = balance(cleaned(tmp_path, photos(20)), AugmentParams(), tmp_path / "set", no_asset)

    assert np.array_equal(made.and_unlabelled.array("train"), made.array("train"))
    assert made.info["unlabelled"] == made.info["without_label"] == 0
