"""Randomness from places alone."""

import traceback

import torch

from models.components.randomness import derived_seed, seed_default


def test_layers_draw_as_after_torchs_own_seeding():
    """The same numbers, so that checkpoints of before go on as they would have."""
    torch.manual_seed(derived_seed(1, "dropout"))
    expected = torch.rand(5)
    seed_default(torch.device("cpu"), 1, "dropout")

    assert torch.equal(torch.rand(5), expected)


def test_seeding_formats_no_stack(monkeypatch):
    """Planted: whoever formats one fails. Torch's own seeding does so for each kind of device, a step's millisecond."""
    monkeypatch.setattr(traceback, "format_stack", None)

    seed_default(torch.device("cpu"), 1, "dropout")
