"""Latency of one sample, measured in turns (A, B, A, B), so that a busy machine slows all models alike."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np

from rushes.inference.session import example_feed, open_graph, run_graph

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

WARM_UPS = 3
THREADS = (1, 2)
PERCENTILES = (50, 95, 99)


def interleaved_latency_ms(
    paths: Mapping[str, Path], feeds: Mapping[str, Mapping[str, np.ndarray]] | None = None, runs: int = 30
) -> dict[str, float]:
    """Median time of one call of each graph on one thread, measured in turns.

    Args:
        paths: The graphs, by name.
        feeds: Inputs of each graph, by the same names; by default `example_feed`.
        runs: Number of measured turns; three warm-up turns precede them.

    Returns:
        Milliseconds by name.
    """
    return {name: float(np.median(taken_ms)) for name, taken_ms in _turns_ms(paths, feeds, 1, runs).items()}


def interleaved_percentiles_ms(
    paths: Mapping[str, Path],
    feeds: Mapping[str, Mapping[str, np.ndarray]] | None = None,
    threads: Sequence[int] = THREADS,
    runs: int = 200,
) -> dict[str, dict[str, dict[str, float]]]:
    """Percentiles of the time of one call of each graph, measured in turns.

    All turns run with one number of threads, then with the next: an idle thread pool would slow the others.

    Args:
        paths: The graphs, by name.
        feeds: Inputs of each graph, by the same names; by default `example_feed`.
        threads: Numbers of threads.
        runs: Number of measured turns for each number of threads; of 200, two are above the 99th percentile.

    Returns:
        Milliseconds as name -> threads ("1", "2") -> "p50", "p95", "p99".
    """
    spread: dict[str, dict[str, dict[str, float]]] = {name: {} for name in paths}
    for count in threads:
        for name, taken_ms in _turns_ms(paths, feeds, count, runs).items():
            spread[name][str(count)] = {f"p{part}": float(np.percentile(taken_ms, part)) for part in PERCENTILES}
    return spread


def _turns_ms(
    paths: Mapping[str, Path], feeds: Mapping[str, Mapping[str, np.ndarray]] | None, threads: int, runs: int
) -> dict[str, list[float]]:
    # Open all graphs, and choose their inputs.
    sessions = {name: open_graph(path, threads) for name, path in paths.items()}
    fed = {name: (feeds or {}).get(name) or example_feed(session) for name, session in sessions.items()}
    # Time one call of each graph per turn.
    taken_ms: dict[str, list[float]] = {name: [] for name in sessions}
    for _ in range(WARM_UPS + runs):
        for name, session in sessions.items():
            start = time.perf_counter_ns()
            run_graph(session, None, fed[name], paths[name])
            taken_ms[name].append((time.perf_counter_ns() - start) / 1e6)
    # Discard the warm-up turns.
    return {name: times[WARM_UPS:] for name, times in taken_ms.items()}
