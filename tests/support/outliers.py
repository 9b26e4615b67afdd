"""A fault that affects only int8: a channel that is loud on input and quiet on output, with the same float outputs."""

from __future__ import annotations

import copy

import torch

LOUDER = 2048.0


def with_loud_channel(network: torch.nn.Module) -> torch.nn.Module:
    """A copy of an expression network in whose first block one channel takes the whole range."""
    loud = copy.deepcopy(network)
    block = loud.body[0]
    with torch.no_grad():
        block.first_norm.weight[0] *= LOUDER
        block.first_norm.bias[0] *= LOUDER
        block.second.weight[:, 0] /= LOUDER
    return loud.eval()
