"""Time of a training step on a busy machine.

    python -m benchmarks.busy_machine [--quick]

OpenMP's threads spin while they wait for each other; next to another process that costs many times the step, and so a
stage shortens the spin as long as its threads wait for a core (common/threads.py). Each side is a separate
process that trains the small network of `benchmarks.train_step` on as many threads as there are cores; milliseconds per
step, in turns.

- alone: with the throttle, over libgomp's own spin. Other load at that moment disturbs both.
- next to one busy process (a loop on one core): with the throttle, over the fair share's time, which is that of the
  same step on one thread less, next to the same process: no thread has to wait for a core there.

The time with libgomp's own spin next to the busy process goes to standard error.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import TYPE_CHECKING

import torch

from benchmarks.support.command import new_parser
from benchmarks.support.figures import Figure, interleave, report
from benchmarks.train_step import LABELS, SMALL
from common.threads import OF_A_USER, SpinThrottle
from models.expression.definition import family
from models.expression.module import ExpressionModule
from models.expression.params import TrainParams

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ALONE, BESIDE = 1.1, 1.5
LOOP = "while True: pass"
OF_LIBGOMP = "300000"  # its default: some 3 ms
WARM_UP = 3
PARAMS = TrainParams(**SMALL)


def step() -> Callable[[], None]:
    """Training step of the small network on invented pictures, for repeated calls."""
    module = family.module({"labels": LABELS, "size_px": 48, "channels": 1, "mean": 0.5, "std": 0.25}, PARAMS)
    assert isinstance(module, ExpressionModule)
    optimiser = torch.optim.SGD(module.network.train().parameters(), lr=0.01, momentum=0.9)
    pictures_nhwc = torch.randint(0, 255, (PARAMS.batch_size, 48, 48, 1), dtype=torch.uint8)
    targets_nl = torch.eye(len(LABELS))[torch.arange(PARAMS.batch_size) % len(LABELS)]

    def once() -> None:
        optimiser.zero_grad(set_to_none=True)
        module.model_step(module.normalised(pictures_nhwc), targets_nl)[0].backward()  # type: ignore[no-untyped-call]  # torch's own
        optimiser.step()

    return once


def work(threads: int, *, throttled: bool) -> None:
    """The measured process: reads numbers of steps, one per line, and prints milliseconds per step for each."""
    torch.set_num_threads(threads)
    if throttled:
        SpinThrottle().start()
    once = step()
    for _ in range(WARM_UP):
        once()
    print("ready", flush=True)
    for line in sys.stdin:
        start = time.perf_counter()
        for _ in range(int(line)):
            once()
        print(1e3 * (time.perf_counter() - start) / int(line), flush=True)


@contextmanager
def worker(threads: int, *, throttled: bool) -> Iterator[Callable[[int], float]]:
    """Starts such a process; returns (steps) -> milliseconds per step."""
    environment = {name: value for name, value in os.environ.items() if name not in OF_A_USER}
    environment["GOMP_SPINCOUNT"] = OF_LIBGOMP
    words = [sys.executable, "-m", "benchmarks.busy_machine", "--work", str(threads)]
    words += ["--throttled"] if throttled else []
    with subprocess.Popen(words, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdout.readline()
        yield partial(_ask, process)
        process.stdin.close()


def _ask(process: subprocess.Popen[str], steps: int) -> float:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(f"{steps}\n")
    process.stdin.flush()
    return float(process.stdout.readline())


@contextmanager
def busy() -> Iterator[None]:
    """Keeps one core busy meanwhile."""
    with subprocess.Popen([sys.executable, "-c", LOOP]) as process:
        try:
            yield
        finally:
            process.kill()


def measure(steps: int, rounds: int) -> list[Figure]:
    """Both figures."""
    cores = os.cpu_count() or 1
    with ExitStack() as stack:
        ours, plain, fair = (
            stack.enter_context(worker(threads, throttled=throttled))
            for threads, throttled in ((cores, True), (cores, False), (max(1, cores - 1), True))
        )
        alone = interleave(lambda: ours(steps), lambda: plain(steps), rounds, "alone")
        with busy():
            beside = interleave(lambda: ours(steps), lambda: fair(steps), rounds, "beside one busy process")
            unbounded_ms = statistics.median(plain(max(1, steps // 4)) for _ in range(rounds))
    print(f"# beside one busy process, spin of libgomp: {unbounded_ms:.4g} ms", file=sys.stderr)
    return [
        Figure("step alone in ms, throttled spin/spin of libgomp", *alone, ALONE, at_most=True),
        Figure("step beside one busy process in ms, throttled spin/fair share", *beside, BESIDE, at_most=True),
    ]


def main(words: list[str] | None = None) -> int:
    """Measures and prints."""
    parser = new_parser("busy_machine", __doc__)
    parser.add_argument("--work", type=int, default=0, help=argparse.SUPPRESS)
    parser.add_argument("--throttled", action="store_true", help=argparse.SUPPRESS)
    choices = parser.parse_args(words)
    if choices.work:
        work(choices.work, throttled=choices.throttled)
        return 0
    return report(measure(2, 2) if choices.quick else measure(25, 9))


if __name__ == "__main__":
    sys.exit(main())
