"""Pruned networks: layers with fewer channels, the important ones kept, and a state dict that can be loaded."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest
import torch
from pydantic import ValidationError
from torch import nn

from compression.methods.prune import narrowed, widths_of, with_widths
from models.expression.definition import family
from models.family import Prune
from tests.support.sets import small_set
from tests.support.trained import quickly_trained

HALF = Prune(shares=(0.5,), rounds=2)


@pytest.fixture(scope="module")
def samples(tmp_path_factory):
    """Stripes under noise."""
    return small_set(tmp_path_factory.mktemp("prune") / "set", {"train": 64, "validation": 32})


@pytest.fixture(scope="module")
def network(samples):
    """16 and 32 channels, one block each."""
    return quickly_trained(samples)


def narrow(network, samples, fine_tuning=family.fine_tuning, share=0.5, params=HALF):
    """Prunes without fine-tuning; returns the number of rounds that would have had some."""
    tuned = []
    narrow = narrowed(network, share, fine_tuning, samples, params, lambda _network, number: tuned.append(number))
    return narrow, tuned


@pytest.mark.parametrize("importance", ["taylor", "magnitude"])
@pytest.mark.parametrize("scope", ["global", "layer"])
def test_layers_get_narrower(network, samples, importance, scope):
    """By channels, in rounds; the shapes of input and output are kept, and the original network is unchanged."""
    before = widths_of(network)
    small, tuned = narrow(network, samples, params=Prune(importance=importance, scope=scope, rounds=2))
    after = widths_of(small)

    assert tuned == [0, 1]
    assert widths_of(network) == before
    assert after["stem.1"][0] == before["stem.1"][0]
    assert after["head"][1] == before["head"][1]
    assert sum(outs for _, outs in after.values()) < 0.75 * sum(outs for _, outs in before.values())
    assert small(torch.zeros(2, 1, 16, 16)).shape == (2, 3)


def test_widths_are_whole_eights(network, samples):
    """Each layer keeps a multiple of the kernels' block size."""
    small, _ = narrow(network, samples, params=Prune(scope="layer"))

    assert {outs % 8 for name, (_, outs) in widths_of(small).items() if name != "head"} == {0}


@pytest.mark.parametrize("importance", ["taylor", "magnitude"])
def test_dead_channels_go_first(network, samples, importance):
    """Planted: half of a layer's channels do nothing. They are removed, and the outputs do not change."""
    planted = copy.deepcopy(network)
    first, norm, second = planted.body[0].first, planted.body[0].first_norm, planted.body[0].second
    with torch.no_grad():
        for weight in (first.weight[::2], norm.weight[::2], norm.bias[::2], second.weight[:, ::2]):
            weight.zero_()

    def others(narrow):
        return [
            layer
            for name, layer in narrow.named_modules()
            if isinstance(layer, nn.Conv2d | nn.Linear) and name != "body.0.first"
        ]

    fine_tuning = replace(family.fine_tuning, kept=others)
    small, _ = narrow(planted, samples, fine_tuning, params=Prune(scope="layer", importance=importance, rounds=1))
    pictures = torch.randn(8, 1, 16, 16, generator=torch.Generator().manual_seed(0))

    assert widths_of(small)["body.0.first"] == (16, 8)
    torch.testing.assert_close(small(pictures), planted(pictures), rtol=1e-4, atol=1e-4)


def test_a_narrowed_state_dict_loads(network, samples):
    """It fits layers of the stored widths, and not the original network."""
    small, _ = narrow(network, samples)
    again = with_widths(network, widths_of(small))
    again.load_state_dict(small.state_dict())
    pictures = torch.randn(4, 1, 16, 16, generator=torch.Generator().manual_seed(0))

    torch.testing.assert_close(again.eval()(pictures), small(pictures))
    with pytest.raises(RuntimeError, match="size mismatch"):
        copy.deepcopy(network).load_state_dict(small.state_dict())


def test_widths_of_another_network_are_refused(network):
    """Planted: an unknown layer, and a grouped convolution, whose width has another meaning."""
    with pytest.raises(ValueError, match=r"no layer body\.9\.first to be made 8 wide"):
        with_widths(network, {"body.9.first": (16, 8)})
    with pytest.raises(ValueError, match="only convolutions of one group"):
        with_widths(nn.Sequential(nn.Conv2d(8, 8, 3, groups=2)), {"0": (4, 4)})


@pytest.mark.parametrize("share", [0.0, 1.0, 1.5])
def test_a_share_is_between_nothing_and_all(share):
    """Other values are refused in the params."""
    with pytest.raises(ValidationError, match="not a share of channels"):
        Prune(shares=(share,))
