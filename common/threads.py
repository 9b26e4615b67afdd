"""Spin of OpenMP's threads: shortened as long as something else keeps this machine's cores busy.

The threads of a parallel step spin while they wait for each other. Alone on a machine that is fastest. Beside anything
else they wait for a thread that cannot run, because they themselves keep its core busy: on two cores next to one busy
process a step of 100 ms takes 2 s. A spin that is always short costs a step alone 16 %.

libgomp has both: it spins for 3 ms, and 1/3,000 of that while it manages more threads than there are cores (libgomp's
env.c, `gomp_throttled_spin_count_var`; config/linux/wait.h). It looks at each wait, so idle threads that are added and
taken away switch between the two.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, MutableMapping

OF_A_USER = ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")
SHORT_SPIN = "2000"
WINDOW_S = 0.5
WAITING = 0.1  # share of a window; 0.7 to 1.1 next to one busy process, under 0.03 alone
AGAIN_S = 30.0  # until the long spin is tried again: beside a busy process that costs half a second in 30
POOL = "idle pool of OpenMP"
GRAIN = 32_768  # elements per thread below which PyTorch does not use a thread (at::internal::GRAIN_SIZE)


def bound_spin(environment: MutableMapping[str, str]) -> None:
    """Makes the spin short for good, for processes that always run beside others, such as tests.

    libgomp reads it once, when it is loaded: this has to be called before PyTorch is imported. Children inherit it.

    Args:
        environment: `os.environ`, or that of a process yet to be started.
    """
    if not any(name in environment for name in OF_A_USER):
        environment["GOMP_SPINCOUNT"] = SHORT_SPIN


def waited_s() -> float | None:
    """Seconds that this process's living threads were ready to run and had no core; None if the kernel counts none.

    Second field of schedstat; all are 0 where they are not counted (Linux, Documentation/scheduler/sched-stats).
    """
    ran_ns = waited_ns = 0
    for task in Path("/proc/self/task").glob("*/schedstat"):
        try:
            fields = task.read_text(encoding="ascii").split()
        except (FileNotFoundError, ProcessLookupError):
            continue  # the thread has ended
        except OSError:
            return None
        ran_ns += int(fields[0])
        waited_ns += int(fields[1])
    return waited_ns / 1e9 if ran_ns else None


class SpinThrottle(threading.Thread):
    """Shortens the spin as long as this process's threads have to wait for a core.

    It does nothing until PyTorch is imported, on one thread, or where a user has set the spin. Where the kernel does
    not count the time waited, the spin is short throughout.

    Args:
        waited: Returns the seconds waited for a core so far; see `waited_s`.
        clock: Returns the time in seconds.
    """

    def __init__(
        self, waited: Callable[[], float | None] = waited_s, clock: Callable[[], float] = time.monotonic
    ) -> None:
        super().__init__(name="spin throttle", daemon=True)
        self._waited, self._clock = waited, clock
        self._before_s, self._at_s = waited(), clock()
        self._idle: threading.Event | None = None  # set to end the idle threads
        self._since_s = 0.0

    @property
    def short(self) -> bool:
        """The spin is short now."""
        return self._idle is not None

    def run(self) -> None:
        """Looks twice a second."""
        while True:
            time.sleep(WINDOW_S)
            if "torch" in sys.modules:
                self.look()

    def look(self) -> None:
        """Compares the time waited since the last look with the time passed, and switches."""
        before_s, at_s = self._before_s, self._at_s
        self._before_s, self._at_s = self._waited(), self._clock()
        if before_s is None or self._before_s is None:
            share = 1.0
        else:
            share = (self._before_s - before_s) / max(1e-9, self._at_s - at_s)
        if self._idle is None:
            if share > WAITING:
                self._shorten()
        elif self._at_s - self._since_s > AGAIN_S:
            self._idle.set()
            self._idle = None

    def _shorten(self) -> None:
        """Adds idle threads until libgomp manages more than there are cores."""
        import torch  # noqa: PLC0415  # is loaded by now; a stage without it does not load it for this

        threads, cores = torch.get_num_threads(), len(os.sched_getaffinity(0))
        if threads < 2:  # noqa: PLR2004  # nothing waits for another thread
            return
        # Each pool has one thread of its own and adds the others to libgomp's count.
        pools = max(0, cores - threads) // (threads - 1) + 1
        self._idle, self._since_s = threading.Event(), self._clock()
        for _ in range(pools):
            threading.Thread(target=_keep_pool, args=(self._idle, threads), name=POOL, daemon=True).start()


def _keep_pool(end: threading.Event, threads: int) -> None:
    """Starts this thread's OpenMP pool with a parallel operation; the pool ends with the thread."""
    import torch  # noqa: PLC0415  # see SpinThrottle

    torch.zeros(threads * GRAIN + 1).add_(1)
    end.wait()


def throttle_spin() -> None:
    """Starts the throttle of this process, unless a user has set the spin."""
    if not any(name in os.environ for name in OF_A_USER):
        SpinThrottle().start()
