"""Randomness from (seed, epoch, step) alone, so that a resumed run goes on exactly as an undisturbed one."""

from __future__ import annotations

import hashlib

import torch


def derived_seed(*parts: int | str) -> int:
    """A seed that depends on all parts, and changes wholly when one does."""
    digest = hashlib.sha256("/".join(map(str, parts)).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1  # torch wants 63 bits


def generator_for(device: torch.device | str, *parts: int | str) -> torch.Generator:
    """A generator on a device, seeded from all parts."""
    return torch.Generator(device=device).manual_seed(derived_seed(*parts))
