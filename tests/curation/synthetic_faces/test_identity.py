"""People are drawn at random: of every age, all different, with visible brows."""

import numpy as np
import pytest

from curation.synthetic_faces.identity import AGE_YEARS, draw_person, linear

NAMES = ("chin-width-decr", "chin-width-incr", "l-eye-bag-decr", "l-eye-bag-incr", "r-eye-bag-decr", "r-eye-bag-incr")


@pytest.fixture(scope="module")
def people():
    """A crowd."""
    return [draw_person(NAMES, np.random.default_rng([0, number])) for number in range(200)]


def test_macro_shapes_of_a_kind_sum_to_one(people):
    """Otherwise the head would grow or shrink."""
    for person in people:
        universal = sum(weight for name, weight in person.macros.items() if name.startswith("universal"))
        assert universal == pytest.approx(1)
        assert sum(person.macros.values()) == pytest.approx(2)


def test_the_crowd_is_adult_and_mixed(people):
    """Young and old, dark and light, of both genders and between."""
    ages, skins = [person.age for person in people], [person.skin_rgb.mean() for person in people]

    assert AGE_YEARS[0] <= min(ages) < 25
    assert 70 < max(ages) <= AGE_YEARS[1]
    assert min(skins) < 0.12
    assert max(skins) > 0.4
    assert 0.3 < np.mean([person.masculine for person in people]) < 0.7


def test_opposite_details_are_never_both_pulled(people):
    """A chin is wider or narrower."""
    for person in people:
        assert min(person.details["chin-width-decr"], person.details["chin-width-incr"]) == 0
        assert max(person.details.values()) <= 0.9


def test_left_follows_right_but_not_quite(people):
    """Faces are slightly asymmetric."""
    left, right = (np.array([person.details[f"{side}-eye-bag-incr"] for person in people]) for side in "lr")

    assert np.corrcoef(left, right)[0, 1] > 0.8
    assert not np.array_equal(left, right)


def test_brows_and_lips_are_darker_than_the_skin(people):
    """They carry the expression."""
    for person in people:
        assert person.brow_rgb.mean() < 0.5 * person.skin_rgb.mean()
        assert person.lips_rgb.mean() < 0.9 * person.skin_rgb.mean()


def test_white_and_black_are_the_ends_of_linear_light():
    """Middle grey lies far below the middle."""
    assert linear((0, 255, 128)).tolist() == pytest.approx([0, 1, 0.2195], abs=1e-3)
