"""A packed set of texts: concatenated bytes, and a row with the position of each."""

import numpy as np
import pandas as pd
import pytest

from curation.store.sample_set import APART, DROPPED, SampleSet, write_text_set

TEXTS = {"train": ["INT. A\n", "Été\n"], "test": ["x\n"], DROPPED: ["yy\n"], APART: []}


def table():
    rows = []
    for name, texts in TEXTS.items():
        offset = 0
        for row, text in enumerate(texts):
            length = len(text.encode())
            kept = name in {"train", "test"}
            reason = "" if kept else "too short"
            split = name.removesuffix("-dropped")
            where = {"row": row, "offset": offset, "length": length, "votes": None, "performer": None}
            rows.append({"id": text, "split": split, "kept": kept, "reason": reason, **where})
            offset += length
    return pd.DataFrame(rows).assign(source="one", sha256="", label="a", group="g")


def arrays():
    return {name: np.frombuffer("".join(texts).encode(), np.uint8) for name, texts in TEXTS.items()}


def test_texts_come_back(tmp_path):
    """Including multi-byte letters, and an empty array."""
    made = write_text_set(tmp_path, table(), arrays(), {"labels": ["a"]})

    assert list(made.texts("train")) == TEXTS["train"]
    assert list(made.texts(APART)) == []
    assert isinstance(made.text("train"), np.memmap)
    assert list(SampleSet(tmp_path).kept("train")["offset"]) == [0, 7]


def test_the_test_split_as_it_was_given_ends_with_what_was_dropped(tmp_path):
    """With offsets into both."""
    made = write_text_set(tmp_path, table(), arrays(), {"labels": ["a"]})

    assert list(made.whole.texts("test")) == ["x\n", "yy\n"]
    assert list(made.texts("test")) == ["x\n"]


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [("offset", 1, "offset and length"), ("length", 3, "offset and length"), ("row", 5, "the rows of the table")],
)
def test_a_row_that_points_beside_its_text_is_refused(tmp_path, column, value, message):
    """Nothing is written."""
    wrong = table()
    wrong.loc[0, column] = value

    with pytest.raises(ValueError, match=message):
        write_text_set(tmp_path / "set", wrong, arrays(), {"labels": ["a"]})
    assert not (tmp_path / "set").exists()
