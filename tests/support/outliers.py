"""A fault that only int8 feels: a channel that is loud going in and quiet coming out, so the float answers stay."""

from __future__ import annotations

import copy

import torch

LOUDER = 2048.0


def with_loud_channel(network: torch.nn.Module) -> torch.nn.Module:
    """A copy of an expression network whose first block has one channel that takes the whole range for itself."""
    loud = copy.deepcopy(network)
    block = loud.body[0]
    with torch.no_grad():
        block.first_norm.weight[0] *= LOUDER
        block.first_norm.bias[0] *= LOUDER
        block.second.weight[:, 0] /= LOUDER
    return loud.eval()
