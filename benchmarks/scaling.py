"""Training on several processes, on Ray, and the cost of its checkpoints.

    python -m benchmarks.scaling [--quick]

Each side is a training of the expression family on the same invented pictures, in a process of its own, in turns; the
first epoch, which has the start-up, does not count.

- processes: samples per second of two processes with half of the threads each, over one process with all.
- ray: samples per second of one process on a Ray cluster of this machine, over the same one by Lightning alone.
- checkpoints: seconds that an epoch spends on checkpoints, over those of the epoch.

Beyond two processes nothing can be measured on one machine. The efficiency there is modelled, and printed to standard
error: a step of N nodes takes c/N + 2(N-1)(l + b/(N w)), with c the measured step of one thread, b the bytes of the
gradients, and a ring all-reduce (Patarasuk and Yuan 2009) over a network of latency l and bandwidth w. These are those
measured between the two processes here, and those of a network of 10 Gbit/s and 50 us.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from benchmarks.support.command import new_parser
from benchmarks.support.figures import Figure, report
from benchmarks.support.made_up_sets import faces
from benchmarks.support.scaling_work import ROOT, child

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

PROCESSES, RAY, CHECKPOINTS = 0.95, 0.97, 0.02
NETWORK_BYTES_PER_S, NETWORK_LATENCY_S = 10e9 / 8, 50e-6
NODES = (2, 4, 8, 16)


def efficiency(nodes: int, step_s: float, gradient_bytes: float, latency_s: float, bytes_per_s: float) -> float:
    """Modelled efficiency of N nodes: their speed over N times that of one.

    Args:
        nodes: N.
        step_s: Step of one node, in seconds.
        gradient_bytes: Bytes that a step averages.
        latency_s: Of a message.
        bytes_per_s: Of the network.
    """
    message_s = latency_s + gradient_bytes / nodes / bytes_per_s
    return step_s / (step_s + nodes * 2 * (nodes - 1) * message_s)


def run(folder: Path, out: Path, epochs: int, way: str, threads: int, processes: int = 1) -> dict[str, Any]:
    """The figures of one training, in a process of its own."""
    words = ["-m", "benchmarks.scaling", "--folder", str(folder), "--out", str(out), "--epochs", str(epochs)]
    words += ["--way", way, "--threads", str(threads)]
    if processes > 1:
        words = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}", *words]
    env = {**os.environ, "OMP_NUM_THREADS": str(threads), "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, *words], cwd=ROOT, env=env, check=False, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(done.stdout + done.stderr)
    figures: dict[str, Any] = json.loads(out.read_text(encoding="utf-8"))
    shutil.rmtree(out.with_suffix(".checkpoints"), ignore_errors=True)
    return figures


def measure(pictures: int, epochs: int, rounds: int) -> list[Figure]:
    """The three figures; prints the model."""
    cores = os.cpu_count() or 1
    half = max(1, cores // 2)
    with tempfile.TemporaryDirectory() as scratch:
        folder, out = Path(scratch) / "set", Path(scratch) / "figures.json"
        faces(folder, pictures, pictures // 8)
        ways = {
            "one": partial(run, folder, out, epochs, "here", cores),
            "two": partial(run, folder, out, epochs, "here", half, 2),
            "ray": partial(run, folder, out, epochs, "ray", cores),
        }
        found: dict[str, list[dict[str, Any]]] = {name: [] for name in ways}
        for place in tqdm(range(rounds), desc="rounds", disable=None, leave=False):
            for name in list(ways)[:: 1 if place % 2 else -1]:
                found[name].append(ways[name]())
        single = run(folder, out, epochs, "here", 1)
        link = run(folder, out, epochs, "link", 1, 2)
    _print_model(single, link)
    one, two, on_ray = (_rates(found[name]) for name in ways)
    return [
        Figure("samples a second, two processes/one", two, one, PROCESSES, at_most=False),
        Figure("samples a second, Ray/local", on_ray, one, RAY, at_most=False),
        Figure(
            "seconds of an epoch, its checkpoints/all",
            [sum(figures["checkpoints_s"]) for figures in found["one"]],
            [sum(figures["epochs_s"]) for figures in found["one"]],
            CHECKPOINTS,
            at_most=True,
        ),
    ]


def _rates(found: Sequence[Mapping[str, Any]]) -> list[float]:
    return [one["samples"] / statistics.median(one["epochs_s"]) for one in found]


def _print_model(single: Mapping[str, Any], link: Mapping[str, float]) -> None:
    step_s = statistics.median(single["epochs_s"]) / (single["samples"] / single["batch_size"])
    networks = {
        "as between processes here": (link["latency_s"], link["bytes_per_s"]),
        "10 Gbit/s, 50 us": (NETWORK_LATENCY_S, NETWORK_BYTES_PER_S),
    }
    for name, (latency_s, bytes_per_s) in networks.items():
        modelled = [efficiency(nodes, step_s, single["gradient_bytes"], latency_s, bytes_per_s) for nodes in NODES]
        shown = ", ".join(f"{nodes}: {value:.2f}" for nodes, value in zip(NODES, modelled, strict=True))
        network = f"{name} ({1e6 * latency_s:.0f} us, {bytes_per_s / 1e9:.2f} GB/s)"
        size = f"step {1e3 * step_s:.0f} ms, gradients {single['gradient_bytes'] / 1e6:.2f} MB"
        print(f"# model, network {network}, {size}: efficiency by nodes {shown}", file=sys.stderr)


def main(words: list[str] | None = None) -> int:
    """Measures and prints."""
    parser = new_parser("scaling", __doc__)
    for name in ("--folder", "--out", "--way"):
        parser.add_argument(name, default="", help=argparse.SUPPRESS)
    for name in ("--epochs", "--threads"):
        parser.add_argument(name, type=int, default=1, help=argparse.SUPPRESS)
    choices = parser.parse_args(words)
    if choices.way:
        child(choices)
        return 0
    return report(measure(256, 2, 1) if choices.quick else measure(2048, 4, 5))


if __name__ == "__main__":
    sys.exit(main())
