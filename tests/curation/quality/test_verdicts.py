import hashlib
from dataclasses import replace

import cv2
import numpy as np
import pytest

from curation.errors import DataError, TooManyDropped
from curation.image import medium
from curation.image.clean import clean, examine
from curation.image.crop import fit
from tests.support.raw import Sample, collection_params, encode, photo, photos, write_raw

PARAMS = collection_params()


def cleaned(root, samples, params=PARAMS):
    write_raw(root, samples)
    return clean(root, "faces", params, root / "build" / "clean" / "faces")


def digests(folder):
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


def test_a_clean_collection_loses_nothing(tmp_path):
    """Every check runs, and every sample stays."""
    made = cleaned(tmp_path, photos(300))

    assert made.table["kept"].all()
    assert made.info["counts"] == {}
    assert made.info["not_judged"] == []


def test_every_sample_has_a_row_with_a_reason(tmp_path):
    """Five kinds of faults among good samples: each row has a listed reason, or is kept and has an index."""
    sad = Sample(photos(1)[0].data, "sad", name="again")
    faults = [Sample(encode(p)) for p in (photo(900, 20), np.zeros((48, 48), np.uint8), photo(901) // 8)]
    twin = replace(photos(9)[8], split="train", name="twin")
    made = cleaned(tmp_path, [*photos(40), sad, *faults, twin])
    dropped = made.table[~made.table["kept"]]

    assert len(made.table) == 45
    assert set(dropped["reason"]) == set(medium.reasons) & {
        "too small",
        "constant",
        "underexposed",
        "conflicting labels",
        "exact duplicate",
    }
    assert (dropped["why"] != "").all()
    assert (dropped["row"] == -1).all()
    assert sum(made.info["counts"].values()) == len(dropped) == 6


def test_rows_point_at_their_pictures(tmp_path):
    """Each row of the arrays is the sample's picture."""
    samples = photos(20)
    made = cleaned(tmp_path, samples)
    expected = {hashlib.sha256(sample.data).hexdigest(): cv2.imdecode(_bytes(sample), 0) for sample in samples}

    for split in ("train", "validation", "test"):
        for row in made.kept(split).itertuples():
            assert np.array_equal(made.array(split)[row.row][..., 0], expected[row.sha256])


def _bytes(sample):
    return np.frombuffer(sample.data, np.uint8)


def test_same_input_same_bytes(tmp_path):
    """DVC compares by content, so neither the date nor the order of threads affects the files."""
    first = digests(cleaned(tmp_path / "a", photos(60)).folder)
    again = digests(cleaned(tmp_path / "b", photos(60)).folder)

    assert first == again


def test_a_source_that_loses_too_much_stops_the_stage(tmp_path):
    """The error names the source, the check and the param; nothing is written."""
    dark = [Sample(encode(photo(500 + n) // 8), source="night-shoot") for n in range(3)]
    samples = [*photos(20), *photos(7, first=100, source="night-shoot"), *dark]

    with pytest.raises(TooManyDropped) as caught:
        cleaned(tmp_path, samples)

    assert caught.value.source == "night-shoot"
    assert caught.value.check == "underexposed"
    assert caught.value.param == "collections.faces.clean.min_p95_brightness"
    assert not (tmp_path / "build").exists()


def test_the_share_is_a_param(tmp_path):
    """The same source passes with a larger share."""
    dark = [Sample(encode(photo(500 + n) // 8)) for n in range(3)]
    made = cleaned(tmp_path, [*photos(7), *dark], collection_params(max_dropped_share=0.4))

    assert made.info["sources"]["one"] == {"samples": 10, "kept": 7, "reasons": {"underexposed": 3}}


def test_an_empty_split_is_an_error(tmp_path):
    """A collection whose test split is all broken cannot be used, however good the rest."""
    broken = Sample(encode(np.zeros((48, 48), np.uint8)), split="test")
    samples = [sample for sample in photos(40) if sample.split != "test"]

    with pytest.raises(DataError, match="no sample of faces is left in test"):
        cleaned(tmp_path, [*samples, broken])


def test_findings_separate_copies_within_from_copies_across(tmp_path):
    """A copy in train of a test picture leaks; one beside its original only has double weight."""
    samples = photos(40)
    within = replace(samples[0], name="beside")
    across = replace(samples[4], split="train", name="leak")
    made = cleaned(tmp_path, [*samples, within, across])

    assert made.info["findings"]["exact duplicate"] == {"within splits": 1, "across splits": 1}


def test_votes_come_through(tmp_path):
    """Soft labels are in the packed set, in the taxonomy's order."""
    samples = [replace(sample, label="sad", votes={"happy": 2, "sad": 8}) for sample in photos(10)]
    made = cleaned(tmp_path, samples)

    assert np.allclose(made.targets("train"), [0.2, 0.8])


def test_pictures_are_cropped_never_stretched():
    """A circle stays a circle: a wide picture is cropped to its middle square."""
    wide_hwc = np.zeros((100, 200, 1), np.uint8)
    cv2.circle(wide_hwc, (100, 50), 40, 255, -1)
    fitted_hwc = fit(wide_hwc, 50)
    lit = fitted_hwc[..., 0] > 127

    assert fitted_hwc.shape == (50, 50, 1)
    assert abs(int(lit.any(0).sum()) - int(lit.any(1).sum())) <= 1


def test_colour_is_rgb(tmp_path):
    """A red image is red in the first channel, and set.json records that."""
    red = [cv2.merge([photo(n) // 4, photo(n) // 4, photo(n)]) for n in range(10)]  # OpenCV's order is BGR
    samples = [replace(sample, data=encode(p)) for sample, p in zip(photos(10), red, strict=True)]
    made = cleaned(tmp_path, samples, PARAMS.model_copy(update={"channels": 3}))
    mean_c = made.array("train").mean((0, 1, 2))

    assert made.info["colours"] == "rgb"
    assert mean_c[0] > 2 * mean_c[2]


def test_the_order_of_checks_spares_good_copies(tmp_path):
    """A blurred near copy is dropped for its blur, and the sharp one is kept."""
    blurred = Sample(encode(cv2.GaussianBlur(photo(1), (0, 0), 3)), "sad", "test")
    write_raw(tmp_path, [*photos(40), blurred])
    table = examine(tmp_path, "faces", PARAMS).table

    assert table["reason"].tolist().count("") == 40
    assert table.loc[table["reason"] != "", "reason"].tolist() == ["blurred"]


def test_a_source_of_nothing_but_faults_is_reported_too(tmp_path):
    """Checks accept an empty remainder."""
    write_raw(tmp_path, [Sample(encode(np.zeros((48, 48), np.uint8)), name=f"{n}") for n in range(30)])

    assert (examine(tmp_path, "faces", PARAMS).table["reason"] == "constant").all()
