"""A packed set of takes: frames of all takes of an array, and pictures of each."""

import numpy as np
import pandas as pd
import pytest

from curation.store.packing import THUMBNAILS
from curation.store.sample_set import APART, DROPPED, SPLITS, SampleSet, write_take_set

WIDTH = 5
LENGTHS = {"train": [3, 2], "validation": [], "test": [4], DROPPED: [1], APART: []}
INFO = {"labels": [], "width": WIDTH}


def table():
    rows = []
    for name, lengths in LENGTHS.items():
        for row, length in enumerate(lengths):
            reason = "" if name in SPLITS else "too short"
            where = {"row": row, "offset": sum(lengths[:row]), "length": length, "votes": None, "performer": None}
            rows.append({"id": f"{name}{row}", "split": name.removesuffix("-dropped"), "reason": reason, **where})
    return pd.DataFrame(rows).assign(
        source="one", sha256="", label="", group="g", kept=lambda rows: rows["reason"] == ""
    )


def frames():
    return {name: np.full((sum(lengths), WIDTH), sum(lengths), np.float32) for name, lengths in LENGTHS.items()}


def pictures():
    return {name: np.full((len(lengths), *THUMBNAILS), len(lengths), np.uint8) for name, lengths in LENGTHS.items()}


def test_frames_and_pictures_come_back(tmp_path):
    """Memory-mapped, an empty array among them; there are no targets without labels."""
    write_take_set(tmp_path, table(), frames(), pictures(), INFO)
    made = SampleSet(tmp_path)

    assert isinstance(made.frames("train"), np.memmap)
    assert made.frames("train").shape == (5, WIDTH)
    assert made.frames("validation").shape == (0, WIDTH)
    assert made.thumbnails("train").shape == (2, *THUMBNAILS)
    assert list(made.kept("train")["offset"]) == [0, 3]
    assert made.targets("train").shape == (2, 0)


def test_the_whole_test_split_ends_with_what_was_dropped(tmp_path):
    """Its offsets go on after the kept takes, and its pictures after theirs."""
    whole = write_take_set(tmp_path, table(), frames(), pictures(), INFO).whole

    assert list(whole.frames("test")[:, 0]) == [4, 4, 4, 4, 1]
    assert list(whole.kept("test")["offset"]) == [0, 4]
    assert whole.thumbnails("test").shape == (2, *THUMBNAILS)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda frames, _pictures: frames.update(train=frames["train"][:4]), "offset and length"),
        (lambda frames, _pictures: frames.update(train=frames["train"][:, :4]), "offset and length"),
        (lambda frames, _pictures: frames.update(train=frames["train"].astype(np.float64)), "offset and length"),
        (lambda _frames, pictures: pictures.update(train=pictures["train"][:1]), "the rows of the table"),
    ],
)
def test_an_array_of_other_takes_is_refused(tmp_path, change, message):
    """Frames or pictures too few, of another width or type: the set would be read wrong."""
    made = frames(), pictures()
    change(*made)

    with pytest.raises(ValueError, match=message):
        write_take_set(tmp_path, table(), *made, INFO)
