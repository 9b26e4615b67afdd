"""Votes are found by the name of a picture."""

import pytest

from curation.annotations.votes import find_votes, parse_votes, read_votes
from curation.errors import DataError

HEADER = "image,neutral,happiness,sadness,contempt,unknown,NF\n"


def written(folder, *rows, name="votes.csv"):
    """A file of votes."""
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(HEADER + "\n".join(rows) + "\n", encoding="utf-8")
    return folder / name


def test_votes_go_by_path_then_by_its_end(tmp_path):
    """A name shared by two pictures is ambiguous, in the file and in the set."""
    file = written(tmp_path, "a/1.jpg,10,0,0,0,0,0", "b/1.jpg,0,10,0,0,0,0", "c/2.jpg,0,4,5,0,1,0", "3.jpg,1,0,0,0,0,0")
    votes = read_votes(file, ["a/3.jpg", "b/3.jpg"])

    assert votes.of("b/1.jpg") == votes.of("deep/b/1.jpg") == {"happiness": 10}
    assert votes.of("else/1.jpg") is None
    assert votes.of("else/2.jpg") == {"happiness": 4, "sadness": 5, "unknown": 1}
    assert votes.of("a/3.jpg") is None


def test_nobody_voted(tmp_path):
    """FER+ leaves the counts, or the name, of some pictures empty."""
    votes = read_votes(written(tmp_path, "1.jpg,,,,,,", ",1,0,0,0,0,0"))

    assert votes.of("1.jpg") == {}


@pytest.mark.parametrize("row", ["1.jpg,x,0,0,0,0,0", "1.jpg,-1,0,0,0,0,0", "1.jpg,nan,0,0,0,0,0", "1.jpg,1"])
def test_a_bad_count_is_reported_with_its_line(tmp_path, row):
    """Not a number, below zero, none at all, a short row."""
    with pytest.raises(DataError, match="line 2"):
        read_votes(written(tmp_path, row))


def test_votes_are_found_in_the_folder_or_beside_it(tmp_path):
    """Beside it only under a matching name."""
    folder = tmp_path / "set"
    folder.mkdir()
    written(tmp_path, name="other.csv")
    assert find_votes([folder], tmp_path, ["neutral", "happy"]) is None

    beside = written(tmp_path, name="my_ferplus.csv")
    assert find_votes([folder], tmp_path, ["neutral", "happy"]) == beside

    inside = written(folder, name="any.csv")
    assert find_votes([folder], tmp_path, ["neutral", "happy"]) == inside


def test_votes_in_one_value():
    """Written by hand or as JSON."""
    assert parse_votes("happy:7, sad=3") == parse_votes('{"happy": 7, "sad": 3}') == {"happy": 7, "sad": 3}
    assert parse_votes("") is None
    for text in ("many", "happy:7 and more", "happy:-1", '{"happy": "x"}', "{", '{"happy":' * 10_000):
        with pytest.raises(DataError, match="not of the form"):
            parse_votes(text)
