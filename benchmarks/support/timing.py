"""Times per face of networks in different engines, measured in turns."""

from __future__ import annotations

import statistics
import time
from typing import TYPE_CHECKING

import numpy as np
from tqdm import tqdm

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def rounds_ms(calls: Mapping[str, Callable[[], object]], rounds: int, runs: int) -> dict[str, list[list[float]]]:
    """Milliseconds of every call as name -> round -> run.

    In a round each network has one warm-up run, then some runs in a row, as on the faces of a film; the order rotates
    from round to round. A warm-up round precedes all others.

    Args:
        calls: One face each.
        rounds: Number of rounds, without the warm-up.
        runs: Of each network in a round.
    """
    taken_ms: dict[str, list[list[float]]] = {name: [] for name in calls}
    names = list(calls)
    for number in tqdm(range(rounds + 1), desc="latency", unit="round", disable=None, leave=False):
        first = number % len(names)
        for name in names[first:] + names[:first]:
            taken_ms[name].append(_in_a_row_ms(calls[name], runs))
    return {name: taken[1:] for name, taken in taken_ms.items()}


def _in_a_row_ms(call: Callable[[], object], runs: int) -> list[float]:
    call()
    at_ns = [time.perf_counter_ns()]
    for _ in range(runs):
        call()
        at_ns.append(time.perf_counter_ns())
    return [float(taken_ns) / 1e6 for taken_ns in np.diff(at_ns)]


def medians(taken_ms: list[list[float]]) -> list[float]:
    """That of each round."""
    return [statistics.median(taken) for taken in taken_ms]


def percentile(taken_ms: list[list[float]], part: float) -> float:
    """Over all rounds."""
    return float(np.percentile(taken_ms, part))
