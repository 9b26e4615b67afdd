"""CPU time of a frame, over MediaPipe's and `fer`'s: units, label alone, and frames without a face."""

from __future__ import annotations

import statistics
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.support.capture.bench import SEARCHED, SIZES, cpu_ms, in_turns
from benchmarks.support.capture.clips import FPS, given_films, keep, read_film
from benchmarks.support.figures import Figure
from rushes.capture.analysis import Tracking, open_analyser
from rushes.inference.tflite_network import backends

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from benchmarks.support.capture.bench import Bench, Runs
    from rushes.inference.tflite_network import Backend

COST_GOALS = {"litert": 0.8, "onnx": 1.3, "opencv": 1.3}
LABEL_GOALS = {50: 1 / 40, 99: 1 / 10}
EMPTY_GOAL = 1.0
FER_STEP = 4  # every so manieth frame: one takes as long as 40 of ours


def cost_figures(bench: Bench, data: Path | None) -> list[Figure]:
    """Label, units and pose of tracked faces."""
    figures: list[Figure] = []
    for size in SIZES:
        for faces in (1, 3):
            figures += _costs(
                bench, f"{size[0]}x{size[1]}, {faces} face{'s' * (faces > 1)}", bench.clip(size, faces), faces
            )
    for path in given_films(data, bench.scratch / "given") if data else ():
        frames = keep(read_film(path), bench.size.frames, bench.scratch / f"{path.name}.npy")
        figures += _costs(bench, path.name, frames, 1)
    return figures


def _costs(bench: Bench, name: str, frames: np.ndarray, faces: int) -> Iterator[Figure]:
    def ours(backend: Backend) -> list[float]:
        return cpu_ms(open_analyser(bench.model, Tracking(faces, backend=backend)), frames)[SEARCHED:]

    answers: list[dict[str, Any]] = []
    calls: dict[str, Callable[[], list[float]]] = {backend: partial(ours, backend) for backend in backends()}
    if bench.peer is not None:
        calls["peer"] = lambda: _asked(bench, answers, "landmarker", frames, faces=faces)[SEARCHED:]
    runs = in_turns(calls, bench.size.rounds, f"cost, {name}")
    _print_medians(f"cost, {name}", runs)
    if answers:
        share = sum(min(found, faces) for found in answers[-1]["faces"]) / faces / len(frames)
        wall_ms = answers[-1]["wall_ms"] / len(frames)
        print(f"# cost, {name}: the peer has {answers[-1]['threads']} threads, takes {wall_ms:.2f} ms a frame by the "
              f"clock, and finds {share:.3f} of the faces", file=sys.stderr, flush=True)  # fmt: skip
    for backend, goal in COST_GOALS.items():
        if {backend, "peer"} <= set(runs):
            named = f"CPU-ms a frame, units, {backend}/FaceLandmarker, {name}"
            yield from _compared(named, runs, backend, "peer", {50: goal, 99: goal})


def label_figures(bench: Bench) -> list[Figure]:
    """The label alone, of a tracked face."""
    return [figure for size in SIZES for figure in _labels(bench, f"{size[0]}x{size[1]}", bench.clip(size, 1))]


def _labels(bench: Bench, name: str, frames: np.ndarray) -> Iterator[Figure]:
    calls = {"label": lambda: cpu_ms(open_analyser(bench.model), frames)[SEARCHED:]}
    if bench.peer is not None and bench.peer.has("fer"):
        calls["fer"] = lambda: _asked(bench, [], "fer", frames, step=FER_STEP)
    runs = in_turns(calls, bench.size.rounds, f"label, {name}")
    _print_medians(f"label, {name}", runs)
    if "fer" in runs:
        yield from _compared(f"CPU-ms a frame, label, ours/fer, {name}", runs, "label", "fer", LABEL_GOALS)


def empty_figures(bench: Bench) -> list[Figure]:
    """Frames without a face: with tracking, and for the label alone."""
    size = SIZES[-1]
    frames = bench.clip(size, 0)
    calls = {
        "units": lambda: [statistics.mean(cpu_ms(open_analyser(bench.model, Tracking()), frames)[SEARCHED:])],
        "label": lambda: [statistics.mean(cpu_ms(open_analyser(bench.model), frames)[SEARCHED:])],
    }
    if bench.peer is not None:
        calls["peer"] = lambda: [statistics.mean(_asked(bench, [], "detector", frames)[SEARCHED:])]
    runs = in_turns(calls, bench.size.rounds, "empty")
    _print_medians("empty, mean of a frame", runs)
    figures = []
    for ours in ("units", "label") if "peer" in runs else ():
        named = f"CPU-ms a frame without a face, mean, {ours}/FaceDetection, {size[0]}x{size[1]}"
        means, peers = ([mean for [mean] in runs[one]] for one in (ours, "peer"))
        figures.append(Figure(named, means, peers, EMPTY_GOAL, at_most=True))
    return figures


def _asked(
    bench: Bench, answers: list[dict[str, Any]], peer: str, frames: np.ndarray, faces: int = 1, step: int = 1
) -> list[float]:
    """CPU time of the peer's frames; its whole answer is appended to `answers`."""
    assert bench.peer is not None
    assert isinstance(frames.base, np.memmap)
    answers.append(bench.peer.run(peer, Path(str(frames.base.filename)), len(frames), FPS, faces, step))
    taken_ms: list[float] = answers[-1]["cpu_ms"]
    return taken_ms


def _print_medians(name: str, runs: dict[str, Runs]) -> None:
    for one, rounds in runs.items():
        p50, p99 = (statistics.median(np.percentile(rounds, percent, axis=1).tolist()) for percent in (50, 99))
        print(f"# {name}: {one} p50 {p50:.2f}, p99 {p99:.2f} CPU-ms", file=sys.stderr, flush=True)


def _compared(name: str, runs: dict[str, Runs], ours: str, peer: str, goals: Mapping[int, float]) -> Iterator[Figure]:
    """A figure for each percentile of the frames of a round."""
    for percent, goal in goals.items():
        values, peers = (np.percentile(runs[one], percent, axis=1).tolist() for one in (ours, peer))
        yield Figure(f"{name}, p{percent}", values, peers, goal, at_most=True)
