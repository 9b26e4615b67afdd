"""Each label has its own performance, within the limits of a face."""

import numpy as np
import pytest

from curation.synthetic_faces.takes import EXPRESSIONS, LABELS, LIMIT, LIMITS, LOOSE, SIDED, express

TELLING = {
    "angry": "browDownLeft",
    "disgust": "noseSneerLeft",
    "fear": "mouthStretchLeft",
    "happy": "mouthSmileLeft",
    "sad": "mouthFrownLeft",
    "surprise": "browOuterUpLeft",
}


def performances(label, count=40):
    """Many performances of a label."""
    return [express(label, np.random.default_rng([1, number])) for number in range(count)]


@pytest.mark.parametrize("label", LABELS)
def test_a_performance_stays_within_its_limits(label):
    """One side may slightly exceed them, since faces are asymmetric."""
    for weights in performances(label):
        limits = [LIMITS.get(unit.removesuffix("Left").removesuffix("Right"), LIMIT) for unit in weights]
        assert all(0 <= weight <= 1.5 * limit for weight, limit in zip(weights.values(), limits, strict=True))


@pytest.mark.parametrize(("label", "unit"), TELLING.items())
def test_a_label_is_recognised_by_its_unit(label, unit):
    """Averaged over many performances, it is stronger than in any other label."""
    mean = {other: np.mean([weights.get(unit, 0) for weights in performances(other)]) for other in LABELS}

    assert max(mean, key=mean.get) == label


def test_a_face_at_rest_hardly_moves():
    """It never stays quite still."""
    for weights in performances("neutral"):
        assert 0 < sum(weights.values()) < 2.5


def test_a_performance_is_drawn_from_its_seed_alone():
    """The same seed gives the same one, another seed another."""
    first, again, other = (express("happy", np.random.default_rng(seed)) for seed in (1, 1, 2))

    assert first == again != other


def test_units_with_sides_are_given_both():
    """No weight is lost to a name that the head does not have."""
    names = {name for label in LABELS for weights in performances(label, 3) for name in weights}
    units = {unit for takes in EXPRESSIONS.values() for take in takes for unit in take} | set(LOOSE)

    assert names == {f"{unit}{side}" for unit in units for side in (("Left", "Right") if unit in SIDED else ("",))}


def test_an_unknown_label_is_an_error():
    """It is the caller's mistake."""
    with pytest.raises(KeyError):
        express("bored", np.random.default_rng(0))
