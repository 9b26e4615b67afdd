"""The module: whole-batch transforms, batches, and the schedule."""

from __future__ import annotations

import re
from itertools import chain

import numpy as np
import pytest
import torch

from models.components.batches import InOrder, Shuffled
from models.components.randomness import derived_seed, generator_for
from models.expression.module import ExpressionModule, labelled_share, smoothed, warmed_cosine
from models.expression.network import ExpressionNetwork
from models.expression.params import TrainParams
from models.expression.transforms import augment_batch, mixup
from rushes.errors import MisuseError


def pictures(count: int = 8) -> torch.Tensor:
    return torch.randn(count, 1, 16, 16, generator=torch.Generator().manual_seed(1))


def test_transforms_are_decided_by_their_generator():
    """The same generator, the same pictures; another step, others."""
    first, again, other = (augment_batch(pictures(), TrainParams(), generator_for("cpu", 0, 0, s)) for s in (1, 1, 2))

    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_no_transform_asked_for_is_the_picture_or_its_mirror():
    """With every amount at zero only the flip is left."""
    params = TrainParams(rotation_deg=0, scale=0, shift=0, contrast=0, noise=0, occlusion=0)
    before = pictures()

    after = augment_batch(before, params, generator_for("cpu", 0))

    for one, two in zip(before, after, strict=True):
        assert torch.allclose(one, two, atol=1e-5) or torch.allclose(one.flip(2), two, atol=1e-5)


def test_mixup_blends_targets_as_it_blends_pictures():
    """A target's shares are those of the pictures in the blend."""
    targets = torch.eye(8)
    mixed, shares = mixup(torch.eye(8).reshape(8, 1, 2, 4), targets, 1.0, generator_for("cpu", 3))

    assert torch.allclose(mixed.reshape(8, 8), shares)
    assert torch.allclose(shares.sum(1), torch.ones(8))


def shuffled(rank: int = 0, world_size: int = 1, epoch: int = 0) -> Shuffled:
    rows = torch.arange(70).reshape(70, 1, 1, 1)
    return Shuffled(rows, rows[:, 0, 0], 16, 4, 0, rank, world_size, lambda: epoch)


def seen(batches: Shuffled) -> list[list[int]]:
    return [batch.pictures_nhwc.flatten().tolist() for batch in batches]


def flat(batches: Shuffled) -> list[int]:
    return list(chain.from_iterable(seen(batches)))


def test_an_epoch_visits_samples_once_in_an_order_of_its_own():
    """No sample twice in an epoch; another epoch, another order; the same epoch, the same."""
    first = flat(shuffled())

    assert len(set(first)) == len(first) == 64
    assert first == flat(shuffled())
    assert first != flat(shuffled(epoch=1))


def test_two_processes_share_a_batch_without_overlap():
    """Together, in order, they hold what one process would."""
    zero, one = seen(shuffled(0, 2)), seen(shuffled(1, 2))

    assert [a + b for a, b in zip(zero, one, strict=True)] == seen(shuffled())
    assert [batch.first_chunk for batch in shuffled(1, 2)] == [2] * 4


def test_a_batch_that_cannot_be_shared_is_refused():
    """With the params to change."""
    with pytest.raises(MisuseError, match="does not divide into chunks") as refused:
        shuffled(0, 3)

    assert re.search(r"train\.batch_size .* to a multiple of \d+, or change train\.norm_samples", refused.value.remedy)


def test_validation_is_shared_out_whole():
    """Every sample once, whatever the number of processes."""
    rows = torch.arange(1030).reshape(1030, 1, 1, 1)
    parts = [batch.pictures_nhwc.flatten() for rank in range(2) for batch in InOrder(rows, rows[:, 0, 0], rank, 2)]

    assert sorted(torch.cat(parts).tolist()) == list(range(1030))


def test_the_schedule_warms_up_and_ends_at_zero():
    """Up linearly, then down."""
    values = [warmed_cosine(step, 10, 100) for step in range(101)]

    assert values[0] == pytest.approx(0.1)
    assert values[9] == values[10] == 1.0
    assert values[100] == pytest.approx(0.0)
    assert np.all(np.diff(values[10:]) < 0)


def test_widths_and_depths_must_match():
    """A clear error, not a zip cut short."""
    with pytest.raises(MisuseError, match="one length"):
        ExpressionNetwork(3, 1, (8, 16), (1,), 0.0)


def test_seeds_differ_wholly():
    """Neighbouring places have unrelated seeds that fit torch's range."""
    seeds = {derived_seed(0, epoch, step) for epoch in range(20) for step in range(20)}

    assert len(seeds) == 400
    assert max(seeds) < 2**63


def test_smoothing_is_that_of_pytorch():
    """To the last digits that count; a picture without a target has no loss at all."""
    logits = torch.randn(4, 7, generator=torch.Generator().manual_seed(2))
    targets = torch.eye(7)[:4]
    theirs = torch.nn.functional.cross_entropy(logits, targets, label_smoothing=0.1)

    assert torch.allclose(torch.nn.functional.cross_entropy(logits, smoothed(targets, 0.1)), theirs)
    assert smoothed(torch.zeros(2, 7), 0.1).abs().sum() == 0


@pytest.fixture
def judging():
    """A module whose network has learned nothing, in use: batch statistics stay out of it."""
    network = ExpressionNetwork(7, 1, (8, 8), (1, 1), 0.0).eval()
    return ExpressionModule(network, TrainParams(), 0.5, 0.25, 7)


def test_pictures_without_a_label_dilute_no_loss(judging):
    """It is that of those with one, however many lie beside them; of none it is nothing, and can be trained by."""
    labelled, more = pictures(8)[:2], pictures(8)
    targets = torch.eye(7)[:2]
    alone, _ = judging.model_step(labelled, targets, 0.1)
    beside, _ = judging.model_step(more, torch.cat([targets, torch.zeros(6, 7)]), 0.1)
    nothing, _ = judging.model_step(more, torch.zeros(8, 7), 0.1)

    torch.testing.assert_close(beside, alone)
    assert nothing == 0
    assert nothing.requires_grad


class OneAnswer(torch.nn.Module):
    """The same logits for every picture."""

    def __init__(self, labels: int) -> None:
        super().__init__()
        self.logits_l = torch.nn.Parameter(torch.zeros(labels))

    def forward(self, pictures_nchw: torch.Tensor) -> torch.Tensor:
        """Logits N,L."""
        return self.logits_l.expand(len(pictures_nchw), -1)


@pytest.mark.parametrize(("balance", "wanted"), [(0.0, [0.9, 0.1]), (0.5, [0.75, 0.25]), (1.0, [0.5, 0.5])])
def test_label_balance_takes_out_how_common_a_label_is(balance, wanted):
    """Of pictures that show nothing, nine in ten of one label: the network learns so much of that as is asked for."""
    shares = [0.9, 0.1, 0.0]
    module = ExpressionModule(OneAnswer(3), TrainParams(label_balance=balance), 0.5, 0.25, 3, shares)
    targets = torch.eye(3)[[0] * 9 + [1]]
    optimiser = torch.optim.LBFGS(module.network.parameters(), max_iter=100)

    def loss() -> torch.Tensor:
        optimiser.zero_grad()
        value, _ = module.model_step(pictures(10), targets, 0.0, module.offsets_l)
        value.backward()
        return value

    optimiser.step(loss)
    learned = torch.softmax(module.network.logits_l.detach(), 0)

    assert learned.tolist() == pytest.approx([*wanted, 0.0], abs=0.01)
    assert not [name for name in module.state_dict() if "offsets" in name]


@pytest.mark.parametrize("kind", ["labels", "votes", "blends"])
def test_where_all_have_a_label_the_loss_is_the_same_to_the_bit(judging, kind):
    """Votes and blends sum to almost 1, and almost would make another training of each."""
    random = torch.Generator().manual_seed(3)
    targets = torch.eye(7)[torch.randint(7, (32,), generator=random)]
    if kind == "votes":
        targets = torch.softmax(torch.randn(32, 7, generator=random), 1)
    elif kind == "blends":
        _, targets = mixup(pictures(32), targets, 0.2, random)
    loss, logits = judging.model_step(pictures(32), targets)

    assert labelled_share(targets) == 1
    assert torch.equal(loss, torch.nn.functional.cross_entropy(logits, targets))
