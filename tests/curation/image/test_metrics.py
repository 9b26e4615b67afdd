import cv2
import numpy as np
import pandas as pd
import pytest

from curation.image.metrics import mark_blurred, mark_outliers, mark_pictures, measure, measure_all
from curation.params import CleanParams
from tests.support.raw import encode, photo

PARAMS = CleanParams()
SIZE_PX = 48


def look_at(pictures, sources=None):
    """The table and the features of pictures, given as arrays or as bytes."""
    coded = [picture if isinstance(picture, bytes) else encode(picture) for picture in pictures]
    looks = measure_all(enumerate(coded), pd.RangeIndex(len(coded)), "test")
    table = looks.columns.assign(source=sources or "one", split="train", reason="", why="")
    return table, looks


def placeholder(size_px=48):
    """The placeholder of a web site for a missing image: a symbol on one tone."""
    sign_hw = np.zeros((size_px, size_px), np.uint8)
    cv2.fillPoly(sign_hw, [np.array([[12, 36], [36, 36], [24, 12]])], 255)
    return sign_hw


@pytest.mark.parametrize(
    ("reason", "fault"),
    [
        ("unreadable", b"this is text"),
        ("too small", photo(1, 24)),
        ("too narrow", np.tile(photo(1), (4, 1))),
        ("constant", np.full((48, 48), 128, np.uint8)),
        ("underexposed", photo(1) // 8),
        ("overexposed", 222 + photo(1) // 8),
    ],
)
def test_planted_fault_is_found(reason, fault):
    """Each check finds its fault, reports the figure, and does not affect the others."""
    table, _ = look_at([photo(2), fault, photo(3)])

    mark_pictures(table, PARAMS)

    assert table["reason"].tolist() == ["", reason, ""]
    assert table["why"][1]


def test_limits_come_from_params():
    """An image that is too small for one set fits another."""
    table, _ = look_at([photo(1, 24)])

    mark_pictures(table, CleanParams(min_size_px=24))

    assert table["reason"][0] == ""


def test_a_reason_stays():
    """A picture that is small and constant has the first of the two reasons."""
    table, _ = look_at([np.zeros((8, 8), np.uint8)])

    mark_pictures(table, PARAMS)

    assert table["reason"][0] == "too small"


def test_blurred_picture_is_found():
    """One picture out of focus among sharp ones."""
    pictures = [photo(seed) for seed in range(30)]
    pictures[7] = cv2.GaussianBlur(pictures[7], (0, 0), 3)
    table, _ = look_at(pictures)

    mark_blurred(table, PARAMS, SIZE_PX)

    assert table.index[table["reason"] == "blurred"].tolist() == [7]


def test_blur_is_judged_against_its_own_source():
    """A soft camera is not a fault: the same blur is dropped from a sharp source and kept in a soft one."""
    soft = [cv2.GaussianBlur(photo(seed), (0, 0), 3) for seed in range(31)]
    sharp = [photo(seed) for seed in range(100, 130)]
    table, _ = look_at([*soft, *sharp], ["sharp"] + ["soft"] * 30 + ["sharp"] * 30)

    mark_blurred(table, PARAMS, SIZE_PX)

    assert table.index[table["reason"] == "blurred"].tolist() == [0]


def test_dark_faces_are_not_called_blurred():
    """Variance of the Laplacian alone would drop all pictures of low contrast."""
    pictures = [photo(seed) for seed in range(30)]
    pictures[7] = (pictures[7] * 0.15 + 40).astype(np.uint8)
    table, _ = look_at(pictures)

    mark_blurred(table, PARAMS, SIZE_PX)

    assert table["blur"][7] < 0.1 * table["blur"].median()
    assert table["reason"][7] == ""


def test_softness_that_scaling_removes_is_not_blur():
    """At 192 px a radius of 3 is half a pixel of the 48 px that are trained on."""
    pictures = [photo(seed, 192) for seed in range(25)]
    pictures[7] = cv2.GaussianBlur(pictures[7], (0, 0), 3)

    for size_px, reason in ((48, ""), (192, "blurred")):
        table, _ = look_at(pictures)
        mark_blurred(table, PARAMS, size_px)

        assert table["reason"][7] == reason


def test_blur_is_measured_at_native_size():
    """The column is the variance of the Laplacian of the original picture."""
    picture = photo(5, 100)

    assert measure(encode(picture)).blur == pytest.approx(cv2.Laplacian(picture, cv2.CV_64F).var(), rel=1e-6)


def test_outlier_is_found():
    """Only a placeholder among photographs is dropped."""
    pictures = [photo(seed) for seed in range(260)]
    pictures[100] = placeholder()
    table, looks = look_at(pictures)

    mark_outliers(table, looks, PARAMS)

    assert table.index[table["reason"] == "outlier"].tolist() == [100]


def test_a_small_source_is_not_judged_and_that_is_reported():
    """Ten pictures are not enough for a statistic."""
    pictures = [photo(seed) for seed in range(10)]
    pictures[3] = placeholder()
    table, looks = look_at(pictures)

    output = mark_blurred(table, PARAMS, SIZE_PX) + mark_outliers(table, looks, PARAMS)

    assert (table["reason"] == "").all()
    assert ["sharpness" in output[0], "outliers" in output[1]] == [True, True]


def test_clean_pictures_lose_nothing():
    """No check reports a fault."""
    table, looks = look_at([photo(seed) for seed in range(1000, 1300)])

    mark_pictures(table, PARAMS)
    mark_blurred(table, PARAMS, SIZE_PX)
    mark_outliers(table, looks, PARAMS)

    assert (table["reason"] == "").all()


def test_same_pixels_in_two_formats():
    """The hash is that of the picture, not the file; another shape of the same pixels is another picture."""
    picture = photo(1)

    assert measure(encode(picture, ".png")).pixels == measure(encode(picture, ".bmp")).pixels
    assert measure(encode(picture)).pixels != measure(encode(picture.reshape(24, 96))).pixels
