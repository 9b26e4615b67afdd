"""Ranges of the params that `python -m flows search` varies; a family declares its own in `Family.search_space`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Range:
    """Numbers between two bounds, both included; whole ones for a param that is an integer.

    With `log` a share of the range is a share of the logarithm: for rates, whose order of magnitude is unknown.
    """

    low: float
    high: float
    log: bool = False

    def __str__(self) -> str:
        return f"{self.low:g}..{self.high:g}{',log' if self.log else ''}"


@dataclass(frozen=True)
class Choice:
    """Some values, without an order."""

    values: tuple[Any, ...]

    def __str__(self) -> str:
        return "|".join(map(str, self.values))


SearchSpace = Mapping[str, Range | Choice]  # by path below the family, such as `train.learning_rate`
