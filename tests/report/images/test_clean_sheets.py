import pytest

from curation.image.clean import examine
from curation.store.sample_set import NO_LABEL
from report.images import clean_sheets
from report.images.clean_sheets import dropped_sheet, kept_sheet
from tests.support.raw import Sample, collection_params, encode, photo, photos, write_raw


@pytest.fixture
def drawn(monkeypatch):
    """Arguments of each sheet: (pictures, captions, title)."""
    asked = []
    monkeypatch.setattr(clean_sheets, "sheet", lambda p, c, path, *, title, **_: asked.append((p, c, title)) or path)
    return asked


@pytest.fixture
def examined(tmp_path):
    faults = [
        Sample(encode(photo(900) // 8), source="two"),
        Sample(encode(photo(4)), "happy", "train", name="leak"),  # of the test split
        Sample(b"no picture", source="two"),
    ]
    write_raw(tmp_path, [*photos(40), *faults])
    return examine(tmp_path, "faces", collection_params())


def test_dropped_ones_stand_in_the_order_of_the_checks(tmp_path, examined, drawn):
    """Each has its reason, and a copy stands next to its original, even if a file cannot be read."""
    dropped_sheet(examined, "faces", tmp_path / "x.jpg")
    ((pictures, captions, title),) = drawn

    assert [caption.split("\n")[0] for caption in captions] == ["unreadable", "underexposed", "exact duplicate"]
    assert captions[2] == "exact duplicate\nhappy, train\nof happy, test"
    assert pictures[2].shape == (54, 112, 3)
    assert title == "faces: 3 of 43 pictures dropped"


def test_a_sheet_of_one_source(tmp_path, examined, drawn):
    """A failure that stops the stage concerns one source, and its sheet shows only that source."""
    dropped_sheet(examined, "faces", tmp_path / "x.jpg", "two")

    assert [len(drawn[0][0]), drawn[0][2]] == [2, "two: 2 of 2 pictures dropped"]


def test_those_kept_apart_are_not_dropped(tmp_path, examined, drawn):
    """A picture without a label may still be of use, and is packed apart."""
    examined.table.loc[examined.table["kept"].idxmax(), ["kept", "reason"]] = False, NO_LABEL
    dropped_sheet(examined, "faces", tmp_path / "x.jpg")

    assert drawn[0][2] == "faces: 3 of 43 pictures dropped"


def test_the_test_split_stays_shut(tmp_path, examined, drawn):
    """Only kept samples of train and validation are shown."""
    kept_sheet(examined, "faces", tmp_path / "x.jpg")
    captions = drawn[0][1]

    assert {caption.split(", ")[1] for caption in captions} == {"train", "validation"}
    assert {caption.split("\n")[0] for caption in captions} == {"happy", "sad"}
