"""Figures in one form: medians of interleaved rounds, one tab-separated line each."""

from __future__ import annotations

import math
import statistics
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tqdm import tqdm

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


@dataclass(frozen=True)
class Figure:
    """One ratio with its goal.

    Attributes:
        name: The measured quantity, with its unit.
        ours: Each round's value.
        peer: Each round's value, measured in turn with ours.
        goal: The ratio to reach.
        at_most: True if the goal is a ceiling (a cost), False if it is a floor (a rate).
    """

    name: str
    ours: Sequence[float]
    peer: Sequence[float]
    goal: float
    at_most: bool

    @property
    def ratio(self) -> float:
        """The median of the rounds' own ratios: a slowdown of a whole round affects both."""
        return statistics.median(self.ratios)

    @property
    def ratios(self) -> list[float]:
        """Of each round; for two counts of zero it is 0, the best result."""
        pairs = zip(self.ours, self.peer, strict=True)
        return [a / b if b else (math.inf if a else 0.0) for a, b in pairs]

    @property
    def held(self) -> bool:
        """True if the goal is reached."""
        return self.ratio <= self.goal if self.at_most else self.ratio >= self.goal

    def line(self) -> str:
        """Figure, ours, peer, ratio, goal, `held` or `missed`."""
        goal = f"{'<=' if self.at_most else '>='}{self.goal:g}"
        values = (f"{statistics.median(self.ours):.4g}", f"{statistics.median(self.peer):.4g}", f"{self.ratio:.3f}")
        return "\t".join((self.name, *values, goal, "held" if self.held else "missed"))

    def spread(self) -> str:
        """The lowest and highest ratio of a round."""
        ratios = self.ratios
        return f"# {self.name}: ratios of {len(ratios)} rounds from {min(ratios):.3f} to {max(ratios):.3f}"


def interleave(
    ours: Callable[[], float], peer: Callable[[], float], rounds: int, name: str
) -> tuple[list[float], list[float]]:
    """Measures both in turn, after a warm-up round; the first one alternates."""
    first, second = [], []
    for i in tqdm(range(rounds + 1), desc=name, disable=None, leave=False):
        if i % 2:
            b, a = peer(), ours()
        else:
            a, b = ours(), peer()
        if i:
            first.append(a)
            second.append(b)
    return first, second


def report(figures: Sequence[Figure]) -> int:
    """Prints every figure, its spread to standard error; 1 if a goal is missed."""
    for figure in figures:
        print(figure.line(), flush=True)
        print(figure.spread(), file=sys.stderr)
    return 0 if all(figure.held for figure in figures) else 1
