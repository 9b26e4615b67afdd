"""Channels that a network can do without taken out, with all that depends on them: its layers really get narrower."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import torch_pruning
from torch import nn

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from curation.store.sample_set import SampleSet
    from models.family import FineTuning, Prune

ROUND_TO = 8  # channels; kernels of int8 work on so many at a time
MOST = 0.9  # of the channels of one layer

Widths = dict[str, tuple[int, int]]


def narrowed(
    network: nn.Module,
    share: float,
    fine_tuning: FineTuning,
    samples: SampleSet,
    params: Prune,
    tune: Callable[[nn.Module, int], None],
) -> nn.Module:
    """A copy of a network without a share of its channels, in rounds, each with fine-tuning after it.

    Which channels have to go together follows from the graph of the network (Fang et al. 2023, DepGraph, arXiv
    2301.12900): what a residual sum adds up stays equally wide on all ways.

    Args:
        network: In float; it stays as it is.
        share: Of the channels, 0 to 1; each layer keeps a tenth at least.
        fine_tuning: The family's own part of fine-tuning.
        samples: What the network has learned from.
        params: How a channel's worth is found, and in how many rounds.
        tune: (network, round) -> trains it on, in place.
    """
    narrow = copy.deepcopy(network).requires_grad_().eval()
    pruner = torch_pruning.pruner.BasePruner(
        narrow,
        fine_tuning.example(samples),
        _importance(params),
        global_pruning=params.scope == "global",
        pruning_ratio=share,
        max_pruning_ratio=MOST,
        iterative_steps=params.rounds,
        ignored_layers=fine_tuning.kept(narrow),
        round_to=ROUND_TO,
    )
    for number in range(params.rounds):
        _look_at_loss(narrow, fine_tuning, samples, params)
        pruner.step()
        narrow.zero_grad(set_to_none=True)
        tune(narrow, number)
        narrow.requires_grad_().eval()
    return narrow


def _importance(params: Prune) -> torch_pruning.importance.Importance:
    if params.importance == "taylor":
        return torch_pruning.importance.GroupTaylorImportance()
    return torch_pruning.importance.GroupMagnitudeImportance(p=2)


def _look_at_loss(network: nn.Module, fine_tuning: FineTuning, samples: SampleSet, params: Prune) -> None:
    """Leaves in each weight the gradient by which it is judged."""
    network.zero_grad(set_to_none=True)
    if params.importance == "taylor":
        fine_tuning.loss(network, samples, params.samples).backward()  # type: ignore[no-untyped-call]  # PyTorch's own


def widths_of(network: nn.Module) -> Widths:
    """Input and output widths of each layer, by its name; a state dict has them only as shapes."""
    return {name: (_ins(layer), _outs(layer)) for name, layer in network.named_modules() if isinstance(layer, LAYERS)}


def with_widths(network: nn.Module, widths: Mapping[str, tuple[int, int]]) -> nn.Module:
    """A copy of a network with these widths, so that the state dict of a narrowed one loads.

    Raises:
        ValueError: The network has no such layer, or a convolution by groups would change.
    """
    resized, layers = copy.deepcopy(network), dict(network.named_modules())
    for name, (ins, outs) in widths.items():
        layer = layers.get(name)
        if layer is None:
            message = f"the network has no layer {name} to be made {outs} wide: it is another one than was narrowed"
            raise ValueError(message)
        if (_ins(layer), _outs(layer)) != (ins, outs):
            parent, _, own = name.rpartition(".")
            setattr(resized.get_submodule(parent), own, _resized(layer, ins, outs))
    return resized


LAYERS = (nn.Conv2d, nn.Linear, nn.BatchNorm2d)


def _ins(layer: nn.Module) -> int:
    return int(layer.weight.shape[1] if not isinstance(layer, nn.BatchNorm2d) else layer.num_features)  # type: ignore[index]  # of LAYERS


def _outs(layer: nn.Module) -> int:
    return int(layer.weight.shape[0])  # type: ignore[index]  # of LAYERS


def _resized(layer: nn.Module, ins: int, outs: int) -> nn.Module:
    """A layer of the same kind; its weights are to be loaded."""
    if isinstance(layer, nn.BatchNorm2d):
        return nn.BatchNorm2d(outs, eps=layer.eps, momentum=layer.momentum)
    has_bias = layer.bias is not None
    if isinstance(layer, nn.Linear):
        return nn.Linear(ins, outs, bias=has_bias)
    if not isinstance(layer, nn.Conv2d) or layer.groups != 1:
        message = f"{layer} cannot be made {outs} wide: only convolutions of one group can"
        raise ValueError(message)
    sizes = (layer.kernel_size, layer.stride, layer.padding, layer.dilation)
    return nn.Conv2d(ins, outs, *sizes, bias=has_bias)  # type: ignore[arg-type]  # as they were given
