import cv2
import imagehash
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from curation.image.metrics import measure_all
from curation.image.near_duplicates import close_pairs, mark_copies, phashes
from curation.params import CleanParams
from tests.support.raw import encode, photo

LABELS = ["happy", "sad"]


def marked(*samples, **params):
    """The table after the search for copies; a sample is (picture or bytes, label, split[, votes])."""
    coded = [sample[0] if isinstance(sample[0], bytes) else encode(sample[0]) for sample in samples]
    looks = measure_all(enumerate(coded), pd.RangeIndex(len(coded)), "test")
    output = {"id": [f"id{n}" for n in range(len(coded))], "source": "one", "reason": "", "why": ""}
    table = looks.columns.assign(**output, label=[s[1] for s in samples], split=[s[2] for s in samples])
    table["votes"] = pd.Series([s[3] if len(s) > 3 else None for s in samples], dtype=object)
    table["copy_of"] = None
    mark_copies(table, looks.smalls_nhw, CleanParams(**params), LABELS)
    return table


def test_hashes_are_those_of_imagehash():
    """In one batch, and bit for bit equal to the library's results."""
    pictures = [photo(seed, 32 + seed) for seed in range(60)]
    smalls_nhw = measure_all(enumerate(map(encode, pictures)), pd.RangeIndex(60), "test").smalls_nhw
    expected = [int(str(imagehash.phash(Image.fromarray(picture))), 16) for picture in pictures]

    assert phashes(smalls_nhw).tolist() == expected


@pytest.mark.parametrize("distance", [0, 1, 6, 9])
def test_search_finds_every_pair(distance):
    """Across tiles, the pairs are the same as by counting bits."""
    random = np.random.default_rng(distance)
    first_n = random.integers(0, 2**64, 5000, dtype=np.uint64)
    flips_n = [sum(1 << int(bit) for bit in random.choice(64, n % 20, replace=False)) for n in range(60)]
    second_n = first_n[::83][:60] ^ np.array(flips_n, np.uint64)
    expected = {(83 * n, n) for n, flips in enumerate(flips_n) if flips.bit_count() <= distance}

    assert expected
    assert {tuple(pair) for pair in close_pairs(first_n, second_n, distance).tolist()} == expected


@pytest.mark.parametrize(
    ("splits", "kept"),
    [
        (("train", "train"), None),
        (("train", "validation"), 1),
        (("train", "test"), 1),
        (("test", "validation"), 0),
        (("validation", "test"), 1),
    ],
)
def test_exact_duplicate_goes_from_the_lesser_split(splits, kept):
    """Train's copy is dropped, then validation's: test samples are never trained on."""
    table = marked(*[(photo(1), "happy", split) for split in splits], (photo(2), "happy", "train"))
    left = table.index[table["reason"] == ""].tolist()

    assert table["reason"].tolist().count("exact duplicate") == 1
    assert 2 in left
    assert kept is None or kept in left


def test_copy_names_what_it_copies():
    """The row has the id of the sample that stays, and its split."""
    table = marked((photo(1), "happy", "train"), (encode(photo(1), ".bmp"), "happy", "test"))

    assert table["copy_of"][0] == "id1"
    assert table["why"][0] == "same pixels as id1, happy in test"
    assert table["copy_of"][1] is None


def test_near_duplicate_is_found_across_splits():
    """Moved by a pixel, brighter, and saved as a poor JPEG, it is still the same picture."""
    other = np.clip(np.roll(photo(1), 1, axis=1) * 1.1 + 5, 0, 255).astype(np.uint8)
    poor = encode(other, ".jpg")
    table = marked((photo(1), "happy", "test"), (poor, "happy", "train"), (photo(2), "happy", "train"))

    assert table["reason"].tolist() == ["", "near duplicate", ""]


def test_similar_outlines_alone_are_not_duplicates():
    """Faces in one pose and light have similar hashes; their pixels do not correlate."""
    outline_hw = cv2.resize(photo(1, 8), (64, 64), interpolation=cv2.INTER_CUBIC).astype(float)
    grain_nhw = np.random.default_rng(0).normal(0, 60, (2, 64, 64))
    first, second = (np.clip(outline_hw + grain, 0, 255).astype(np.uint8) for grain in grain_nhw)
    loose = marked((first, "happy", "test"), (second, "happy", "train"), near_distance=16, near_correlation=0.0)
    table = marked((first, "happy", "test"), (second, "happy", "train"), near_distance=16)

    assert loose["reason"][1] == "near duplicate"
    assert table["reason"][1] == ""


def test_a_chain_loses_only_what_copies_one_that_stays():
    """If A copies B and B copies C, A and C are not copies: only copies of a kept sample are dropped."""
    steps = [np.roll(photo(1, 96), 2 * n, axis=1) for n in range(12)]
    table = marked(*[(step, "happy", "train") for step in steps])
    left = table.index[table["reason"] == ""]

    assert 1 < len(left) < 12
    assert set(table["copy_of"].dropna()) <= set(table["id"][left])


def test_a_static_shot_leaves_one_frame():
    """The shot has more similar frames than are compared at a time."""
    frames = [np.clip(photo(1).astype(int) + n % 5, 0, 255).astype(np.uint8) for n in range(600)]
    for n, frame in enumerate(frames):
        frame.flat[n] ^= 1
    table = marked(*[(frame, "happy", "train") for frame in frames], (photo(2), "happy", "train"))

    assert (table["reason"] == "").sum() == 2


def test_conflicting_labels_all_go():
    """Either label may be wrong, so the copy in the test split is dropped too."""
    table = marked((photo(1), "happy", "test"), (photo(1), "sad", "train"), (photo(1), "happy", "train"))

    assert (table["reason"] == "conflicting labels").all()
    assert table["copy_of"].tolist() == ["id1", "id0", "id1"]


def test_votes_resolve_a_conflict():
    """The majority's label stays, once."""
    votes = [0.8, 0.2]
    table = marked(
        (photo(1), "sad", "test", votes), (photo(1), "happy", "train", votes), (photo(1), "happy", "train", votes)
    )

    assert table["reason"][0] == "conflicting labels"
    assert sorted(table["reason"][1:]) == ["", "exact duplicate"]


@pytest.mark.parametrize("votes", [[0.5, 0.5], None])
def test_votes_that_disagree_resolve_nothing(votes):
    """Half of the votes is not agreement."""
    table = marked((photo(1), "sad", "train", votes), (photo(1), "happy", "train", votes))

    assert (table["reason"] == "conflicting labels").all()


def test_a_dropped_picture_takes_no_copy_along():
    """The dropped sample is not a reason to drop its copy."""
    table = marked((photo(1), "happy", "train"), (photo(2), "happy", "train"))
    table["reason"] = ["blurred", ""]
    smalls_nhw = np.stack([photo(1, 32), photo(1, 32)])

    mark_copies(table, smalls_nhw, CleanParams(), LABELS)

    assert table["reason"].tolist() == ["blurred", ""]
