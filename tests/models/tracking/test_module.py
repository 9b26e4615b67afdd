"""The module: unknown targets cost nothing, and augmentation changes a take and what is known of it together."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from models.components.randomness import generator_for
from models.tracking.data import ShuffledTakes, TakeBatch
from models.tracking.definition import module
from models.tracking.encode import takes_of
from models.tracking.geometry import ANGLES
from rushes.tracking.face import UNITS
from tests.support.tracked_takes import OTHER, SMALL

COUNT = len(UNITS)
SIGNS = [1.0, -1.0, 1.0, -1.0]
INFO = {"signs": SIGNS, "deviation": [0.5] * (COUNT + ANGLES)}
ALONE = {"mirror": 0.0, "identity_mix": 0.0, "noise": 0.0, "max_stretch": 1}
EYES = {0: -1, 1: 1, 2: -1}


def small(**changes):
    """A new module without augmentation but this."""
    return module(INFO, SMALL.model_copy(update=ALONE | changes))


def takes(count: int = 4, frames: int = 10) -> tuple[torch.Tensor, torch.Tensor]:
    """Random inputs and targets."""
    random = torch.Generator().manual_seed(0)
    sizes = len(SIGNS) + ANGLES, COUNT + ANGLES
    inputs, targets = (torch.randn(count, frames, size, generator=random) for size in sizes)
    return inputs, targets


def augmented(learner, inputs_nti, targets_ntc, seed=0):
    """As a training step does it."""
    return learner._augmented(inputs_nti, targets_ntc, generator_for("cpu", seed))


def test_the_loss_is_the_mean_over_what_is_known_by_its_deviation():
    """By hand: a unit that hardly moves counts as much as one that moves a lot; angles by their weight."""
    learner = small(angle_weight=0.25)
    inputs_nti, targets_ntc = takes()
    targets_ntc[0] = np.nan
    learner.deviation[3] = 0.1
    loss, outputs_ntc = learner.model_step(inputs_nti, targets_ntc)
    gaps_ntc = ((outputs_ntc - targets_ntc) / learner.deviation)[1:].square()
    wanted = (gaps_ntc[..., :COUNT].sum() + 0.25 * gaps_ntc[..., COUNT:].sum()) / gaps_ntc.numel()

    torch.testing.assert_close(loss, wanted)


def test_what_is_not_known_gives_no_gradient():
    """Outputs of unknown targets do not move; with none known the loss is 0, and can be trained by."""
    learner = small()
    inputs_nti, targets_ntc = takes()
    targets_ntc[..., 5] = np.nan
    loss, _ = learner.model_step(inputs_nti, targets_ntc)
    loss.backward()
    units = learner.network.units
    nothing, _ = learner.model_step(inputs_nti, torch.full_like(targets_ntc, np.nan))
    nothing.backward()

    assert not units.weight.grad[5].any()
    assert not units.bias.grad[5].any()
    assert units.weight.grad[6].any()
    assert all(parameter.grad.isfinite().all() for parameter in learner.parameters())
    assert nothing == 0


def test_a_mirrored_take_is_that_of_the_other_side():
    """Inputs by their signs, units and eyes change sides; twice mirrored it is as it was."""
    learner = small(mirror=1.0)
    inputs_nti, targets_ntc = takes()
    inputs, targets = augmented(learner, inputs_nti, targets_ntc)
    again = augmented(learner, inputs, targets)

    torch.testing.assert_close(inputs[..., :4], inputs_nti[..., :4] * torch.tensor(SIGNS))
    torch.testing.assert_close(targets[..., :COUNT], targets_ntc[..., OTHER])
    for place, sign in EYES.items():
        torch.testing.assert_close(targets[..., COUNT + place], sign * targets_ntc[..., COUNT + place])
    torch.testing.assert_close(targets[..., COUNT + 3], -targets_ntc[..., COUNT + 5])  # yaw of the left eye
    torch.testing.assert_close(targets[..., COUNT + 4], targets_ntc[..., COUNT + 6])
    torch.testing.assert_close(inputs[..., 4 + 3], -inputs_nti[..., 4 + 5])
    for one, before in zip(again, (inputs_nti, targets_ntc), strict=True):
        torch.testing.assert_close(one, before)


def test_half_of_the_takes_are_mirrored():
    """Whole takes: no frame of one is another way round."""
    learner = small(mirror=0.5)
    inputs_nti, targets_ntc = takes(200, 3)
    inputs, _ = augmented(learner, inputs_nti, targets_ntc)
    changed_nt = inputs[..., 1] != inputs_nti[..., 1]

    assert (changed_nt.all(1) == changed_nt.any(1)).all()
    assert 70 < changed_nt.all(1).sum() < 130


def test_a_motion_is_put_on_another_face():
    """The constant part is between that of two takes; the motion, the angles and the targets stay."""
    learner = small(identity_mix=1.0)
    inputs_nti, targets_ntc = takes()
    inputs_nti = inputs_nti + 10 * torch.arange(4.0)[:, None, None]
    inputs, targets = augmented(learner, inputs_nti, targets_ntc)
    shift_nti = inputs - inputs_nti
    before, after = (one[..., :4].mean(1) for one in (inputs_nti, inputs))

    assert torch.equal(targets, targets_ntc)
    assert not shift_nti[..., 4:].any()
    torch.testing.assert_close(shift_nti, shift_nti[:, :1].expand_as(shift_nti), atol=1e-4, rtol=0)
    assert shift_nti.abs().max() > 1
    assert (after >= before.min(0).values - 1e-4).all()
    assert (after <= before.max(0).values + 1e-4).all()


def test_a_slowed_take_is_interpolated_and_so_are_its_targets():
    """Planted: a take that moves evenly. A part of it moves slower, inputs and targets by the same rate."""
    learner = small(max_stretch=4)
    evenly_t1 = torch.arange(33.0)[:, None]
    inputs_nti, targets_ntc = (evenly_t1.expand(2, 33, size).clone() for size in (4 + ANGLES, COUNT + ANGLES))
    targets_ntc[1, :, 7] = np.nan
    rates = set()
    for seed in range(20):
        inputs, targets = augmented(learner, inputs_nti, targets_ntc, seed)
        steps_t = inputs[0, :, 0].diff()
        torch.testing.assert_close(steps_t, steps_t[:1].expand_as(steps_t), atol=1e-4, rtol=0)
        torch.testing.assert_close(targets[0, :, 0], inputs[0, :, 0])
        assert targets[1, :, 7].isnan().all()
        assert inputs.min() >= 0
        assert inputs.max() <= 32
        rates.add(round(float(steps_t[0]), 2))

    assert min(rates) < 0.4
    assert 0.25 <= min(rates) < max(rates) <= 1.0


def test_noise_is_on_landmarks_alone():
    """So much of it as is asked for; the same generator, the same noise."""
    learner = small(noise=0.1)
    inputs_nti, targets_ntc = takes(50, 40)
    first, again, other = (augmented(learner, inputs_nti, targets_ntc, seed)[0] for seed in (0, 0, 1))

    assert (first - inputs_nti)[..., :4].std().item() == pytest.approx(0.1, rel=0.1)
    assert torch.equal(first[..., 4:], inputs_nti[..., 4:])
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_the_same_seed_gives_the_same_steps(samples):
    """Order, augmentation and loss, whatever the global state is."""
    params = SMALL.model_copy(update={"dropout": 0.5})
    losses = []
    for number, seed in enumerate((0, 0, 1)):
        torch.rand(number)
        learner = module(samples.info, params.model_copy(update={"seed": seed}))
        learner.log = lambda *_args, **_words: None
        learner._set_rate = lambda _step: None
        learner.trainer = SimpleNamespace(current_epoch=2)
        batches = ShuffledTakes(takes_of(samples, "train"), 4, 16, seed)
        losses.append([learner.training_step(batch).item() for batch in batches])

    assert losses[0] == losses[1]
    assert losses[0] != losses[2]


def test_validation_figures_are_those_of_all_batches_together(samples):
    """The correlation over two batches is that over all frames, with outputs within 0 and 1 as the graph gives them."""
    learner, logged = module(samples.info, SMALL).eval(), {}
    learner.log = lambda name, value, **_words: logged.__setitem__(name, float(value))
    learner.trainer = SimpleNamespace(world_size=1)
    learned = takes_of(samples, "train")
    inputs_nti, targets_ntc = (torch.from_numpy(part[None]) for part in (learned.inputs_ti, learned.targets_tc))
    halves = [slice(0, 100), slice(100, None)]
    for half in halves:
        with torch.no_grad():  # as Lightning validates
            learner.validation_step(TakeBatch(inputs_nti[:, half], targets_ntc[:, half]))
    learner.on_validation_epoch_end()
    outputs_tu = torch.cat([learner.model_step(inputs_nti[:, half], targets_ntc[:, half])[1][0] for half in halves])
    outputs_tu = outputs_tu[:, :COUNT].clamp(0, 1).detach().numpy()
    truth_tu = targets_ntc[0, :, :COUNT].numpy()
    known = [~np.isnan(truth_tu[:, unit]) for unit in range(COUNT)]
    wanted = [np.corrcoef(outputs_tu[seen, unit], truth_tu[seen, unit])[0, 1] for unit, seen in enumerate(known)]

    assert logged["val/mean_r"] == pytest.approx(np.mean(wanted), abs=1e-5)
    learner.on_validation_epoch_end()
    assert logged["val/mean_r"] == 0.0  # the next epoch begins with nothing
