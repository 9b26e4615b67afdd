import numpy as np
import pytest

from rushes.collect.unsure import Selection, is_unsure
from tests.support.collected import face_frame


@pytest.mark.parametrize(
    ("probabilities", "margin", "unsure"),
    [
        ((0.5, 0.4, 0.1), 0.2, True),
        ((0.1, 0.55, 0.35), 0.2, False),  # a margin of 0.2 is enough
        ((0.6, 0.3, 0.1), 0.2, False),
        ((0.6, 0.3, 0.1), 0.4, True),
        ((0.39, 0.11, 0.1, 0.1, 0.1, 0.1, 0.1), 0.2, True),  # the most likely one is not likely
        ((0.41, 0.09, 0.1, 0.1, 0.1, 0.1, 0.1), 0.2, False),
        ((0.99, 0.01), 0.2, False),
        ((1.0,), 0.2, False),
    ],
)
def test_a_frame_is_unsure_by_margin_or_probability(probabilities, margin, unsure):
    """In any order of the labels."""
    assert is_unsure(probabilities, margin) is unsure
    assert is_unsure(probabilities[::-1], margin) is unsure


@pytest.mark.parametrize(("rate", "expected"), [(6, [0, 10, 20, 30]), (20, list(range(0, 31, 3))), (1, [0])])
def test_pictures_are_spaced_by_the_rate(rate, expected):
    """By the time of the frames; here two a second, of which each could be kept."""
    selection, kept = Selection(rate), []
    for number in range(61):
        if selection.is_due(number / 2):
            selection.keep(face_frame(number), number / 2)
            kept.append(number / 2)

    assert kept == expected


def test_a_clock_that_is_set_back_does_not_end_it():
    """The next picture counts from the new time."""
    selection = Selection(6)
    selection.keep(face_frame(0), 1000.0)

    assert not selection.is_due(1009.0)
    assert selection.is_due(3.0)


def test_pictures_that_are_alike_are_passed_over():
    """Noise and light do not make a picture new, nor does another one in between."""
    first, second = face_frame(0), face_frame(1)
    noise = np.random.default_rng(0).integers(-6, 6, first.shape)
    again = np.clip(first * 0.9 + noise, 0, 255).astype(np.uint8)
    selection = Selection()
    for time_s, picture in enumerate((first, second)):
        assert selection.is_new(picture[30:90, 10:70])
        selection.keep(picture[30:90, 10:70], time_s)

    assert not selection.is_new(again[30:90, 10:70])
    assert selection.is_new(face_frame(2)[30:90, 10:70])
