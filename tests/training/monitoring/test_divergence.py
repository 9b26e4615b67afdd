"""A training that diverges fails with a user error that names the epoch and the param, and leaves no files."""

from __future__ import annotations

import math

import pytest
import torch

from models.expression.definition import family as expression
from models.expression.module import ExpressionModule
from models.scene.definition import family as scene
from models.scene.params import AugmentParams
from models.script.definition import family as script
from models.tracking.definition import family as tracking
from steps.runtime.failures import describe
from tests.models.script.conftest import packed
from tests.support.places import TRAIN, place_set
from tests.support.script_project import LEARNING
from tests.support.sets import small_set
from tests.support.tracked_takes import LEARNING as TAKES
from tests.support.tracked_takes import learned_takes
from tests.training.test_fit import CPU, SMALL
from training.fit import fit
from training.monitoring.divergence import DivergedError, not_finite, not_finite_weight

SCRIPT = LEARNING | {"epochs": 2, "epoch_characters": 2000}


def set_of(family, folder, monkeypatch):
    """A small set of a family, and its fine-tuning config."""
    if family is scene:
        return place_set(folder, params=AugmentParams(), monkeypatch=monkeypatch), TRAIN
    if family is script:
        clean = packed(folder / "clean")
        return script.augment(clean, family.params().augment, folder / "set", lambda _: b""), SCRIPT
    if family is tracking:
        return learned_takes(folder / "set"), TAKES
    return small_set(folder / "set", {"train": 48, "validation": 16}), SMALL


@pytest.mark.parametrize("family", [expression, scene, script, tracking], ids=lambda family: family.name)
def test_a_learning_rate_of_a_million_is_named(family, tmp_path, monkeypatch):
    """In the epoch in which it happens; no file is kept, and the remedy works."""
    samples, config = set_of(family, tmp_path, monkeypatch)
    wild, tame = (
        family.params.model_validate({"train": config | changes}).train for changes in ({"learning_rate": 1e6}, {})
    )
    with pytest.raises(DivergedError, match=r"training diverged in epoch \d") as caught:
        fit(family, wild, samples, tmp_path / "ck", devices=CPU)
    failure = describe("train", family.name, caught.value)

    assert failure.kind == "user"
    assert failure.remedy.startswith(f"lower {family.name}.train.learning_rate in params.yaml (the learning rate was")
    assert not list((tmp_path / "ck").glob("*.ckpt")) or "epoch 1" not in failure.message
    assert fit(family, tame, samples, tmp_path / "tame", devices=CPU).history


def test_a_loss_of_one_step_is_enough(tmp_path, monkeypatch):
    """Planted: one step's loss is infinite. The mean over the epoch shows it."""
    samples, params = small_set(tmp_path / "set", {"train": 48, "validation": 16}), SMALL
    real = ExpressionModule.training_step

    def step(self, batch, number=0):
        loss = real(self, batch, number)
        return loss * math.inf if (self.current_epoch, number) == (1, 2) else loss

    monkeypatch.setattr(ExpressionModule, "training_step", step)
    train = expression.params.model_validate({"train": params}).train
    with pytest.raises(DivergedError, match="training diverged in epoch 2: train/loss became NaN or infinite"):
        fit(expression, train, samples, tmp_path / "ck", devices=CPU)


def test_weights_and_figures_are_looked_at_one_by_one():
    """The first one that is not finite is named."""
    state = {"a": torch.ones(2), "count": torch.ones(1, dtype=torch.int64), "b": torch.tensor([1.0, math.nan])}

    assert not_finite_weight(state) == "weight b"
    assert not_finite_weight({"a": torch.ones(2)}) == ""
    assert not_finite({"x": 1.0, "y": -math.inf}) == "y"
