"""Params that apply to starter data alone."""

from pathlib import Path

import pytest

from models.components.load import load_params, params_for
from models.families import FAMILIES, by_name
from tests.support.sets import small_set

ROOT = Path(__file__).parents[3]


def a_set(folder, *, starter_only):
    """A packed set that holds starter data alone, or not."""
    samples = small_set(folder, {"train": 2})
    samples.info["starter_only"] = starter_only
    return samples


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_a_studio_gets_the_params_as_they_are(family, tmp_path):
    """Also with the params.yaml of the checkout."""
    params = load_params(ROOT / "params.yaml", family)[1]

    assert params_for(a_set(tmp_path, starter_only=False), params) == params


def test_starter_data_alone_are_learned_from_for_a_shorter_time(tmp_path):
    """Without students; params that name nothing for the starter stay."""
    samples = a_set(tmp_path, starter_only=True)
    params = load_params(ROOT / "params.yaml", by_name("expression"))[1]
    applied = params_for(samples, params)

    assert applied.train.epochs == params.train.starter_epochs < params.train.epochs
    assert params.compress.students
    assert not applied.compress.students
    assert params_for(samples, type(params)()) == type(params)()
