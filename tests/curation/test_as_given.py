"""The test split as it was given: a score over it is comparable with published ones."""

import numpy as np
import pytest

from curation.image.clean import clean
from curation.store.sample_set import DROPPED, SampleSet, array_names, write_set
from tests.support.raw import Sample, collection_params, encode, photos, write_raw


@pytest.fixture
def made(tmp_path):
    """Good samples, and a constant one in each split; one of the test samples is not a picture."""
    constant = [
        Sample(encode(np.full((48, 48), level, np.uint8)), split=split)
        for level, split in ((90, "train"), (100, "validation"), (110, "test"))
    ]
    write_raw(tmp_path, [*photos(40), *constant, Sample(b"no picture", split="test")])
    return clean(tmp_path, "faces", collection_params(), tmp_path / "build" / "clean" / "faces")


def test_dropped_test_samples_are_at_hand_for_a_score_and_for_nothing_else(made):
    """Eight are kept and one more is shown; an undecodable one is in neither, and other splits are unchanged."""
    assert len(made.array("test")) == len(made.kept("test")) == 8
    assert len(made.whole.array("test")) == len(made.whole.kept("test")) == 9
    assert (made.whole.array("test")[8] == 110).all()
    assert made.whole.kept("test")["reason"].iloc[8] == "constant"
    for split in ("train", "validation"):
        assert made.whole.kept(split).equals(made.kept(split))
        assert len(made.whole.array(split)) == len(made.array(split))


def test_targets_have_a_row_a_picture(made):
    """This includes the whole split."""
    assert made.whole.targets("test").shape == (9, 2)


def test_nothing_dropped_is_an_empty_array(tmp_path):
    """If clean dropped nothing, the whole split is the same."""
    write_raw(tmp_path, photos(20))
    made = clean(tmp_path, "faces", collection_params(), tmp_path / "build" / "clean" / "faces")

    assert np.array_equal(made.whole.array("test"), made.array("test"))


def test_a_row_that_points_beside_its_array_is_refused(made, tmp_path):
    """Also for dropped samples."""
    table = made.table.copy()
    table.loc[array_names(table) == DROPPED, "row"] = 1
    arrays = {DROPPED: np.load(made.folder / f"{DROPPED}.npy")}

    with pytest.raises(ValueError, match=DROPPED):
        write_set(tmp_path / "again", table, arrays, made.info)


def test_it_is_read_from_disk(made):
    """Nothing of it is in memory alone."""
    assert len(SampleSet(made.folder).whole.array("test")) == 9
