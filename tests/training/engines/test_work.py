"""Numbers of processes among which the batches of a family can be divided, found before anything starts."""

from __future__ import annotations

import pytest

from common.settings import TrainingSettings
from models.expression.definition import family
from models.expression.params import TrainParams
from models.scene import definition as scene
from models.scene.params import AugmentParams as CropParams
from models.scene.params import TrainParams as SceneParams
from rushes.errors import MisuseError
from tests.support.places import TRAIN as SCENE
from tests.support.places import place_set
from tests.support.sets import small_set
from training.engines.work import check_counts, check_strategy


@pytest.fixture
def samples(tmp_path):
    """A set of faces."""
    return small_set(tmp_path / "set", {"train": 48, "validation": 16})


PARAMS = TrainParams(batch_size=64, norm_samples=16)  # four chunks, each for one process


@pytest.mark.parametrize(
    ("settings", "counts"),
    [
        ({}, [1]),
        ({"devices": 2}, [2]),
        ({"engine": "torchrun", "devices": 2, "num_nodes": 2}, [4]),
        ({"engine": "ray", "workers": 4}, [4]),
        ({"engine": "ray", "workers": 4, "min_workers": 1}, [1, 2, 4]),
    ],
)
def test_counts_that_divide_a_batch(samples, settings, counts):
    """An elastic training leaves out those that do not."""
    assert check_counts(family, PARAMS, samples, TrainingSettings(**settings)) == counts


def test_a_count_that_does_not(samples):
    """The family refuses it, with the batch that would do."""
    with pytest.raises(
        MisuseError, match=r"a batch of 64 does not divide into chunks of 16 for 3 processes"
    ) as refused:
        check_counts(family, PARAMS, samples, TrainingSettings(engine="ray", workers=3))
    assert "a multiple of 48" in refused.value.remedy


def test_more_processes_at_least_than_at_most(samples):
    """With the largest value that would do."""
    with pytest.raises(MisuseError, match=r"training.min_workers is 3, more than the 2 processes") as refused:
        check_counts(family, PARAMS, samples, TrainingSettings(engine="ray", workers=2, min_workers=3))

    least = int(refused.value.remedy.split()[-1])
    assert check_counts(family, PARAMS, samples, TrainingSettings(engine="ray", workers=2, min_workers=least)) == [2]


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"engine": "ray"}, "the engine ray has no fsdp"),
        ({"gpu": {"compile": "on"}}, "sharded weights move, so training.gpu.compile"),
        ({"gpu": {"cuda_graphs": "on"}}, "sharded weights move, so training.gpu.compile"),
    ],
)
def test_settings_that_fsdp_does_not_suit(samples, settings, reason):
    """Refused, with the strategy that does."""
    with pytest.raises(MisuseError, match=f"training.strategy is fsdp: {reason}") as refused:
        check_strategy(family, PARAMS, samples, TrainingSettings(strategy="fsdp", **settings))
    advised = refused.value.remedy.split('"')[1]
    check_strategy(family, PARAMS, samples, TrainingSettings(strategy=advised, **settings))
    check_strategy(family, PARAMS, samples, TrainingSettings(strategy="fsdp"))


def test_a_family_that_cannot_be_sharded(tmp_path, monkeypatch):
    """One with two networks, each with an optimiser of its own."""
    places = place_set(tmp_path, params=CropParams(), monkeypatch=monkeypatch)

    with pytest.raises(MisuseError, match=r"scene trains two networks in turns"):
        check_strategy(scene.family, SceneParams(**SCENE), places, TrainingSettings(strategy="fsdp"))
