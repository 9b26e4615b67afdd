"""The spin of OpenMP's threads is short as long as the threads of a stage wait for a core, as libgomp really spins."""

import os
import subprocess
import sys
import textwrap
import threading

import pytest

from common.threads import AGAIN_S, OF_A_USER, POOL, SHORT_SPIN, WAITING, SpinThrottle, bound_spin, waited_s
from tests.support.repos import ROOT

# Prints the seconds of CPU that the second thread of 200 parallel operations spends, 2 ms of one thread between each:
# with libgomp's own spin, in the throttle, and after it.
SPINS = """
    import time, torch
    from common.threads import AGAIN_S, GRAIN, SpinThrottle

    torch.set_num_threads(2)
    numbers = torch.zeros(2 * GRAIN + 1)

    def spun_s():
        others_s = time.process_time() - time.thread_time()
        for _ in range(200):
            numbers.add_(1)
            end_s = time.thread_time() + 0.002
            while time.thread_time() < end_s:
                pass
        return time.process_time() - time.thread_time() - others_s

    waited_s, now_s = 0.0, 0.0
    throttle = SpinThrottle(lambda: waited_s, lambda: now_s)
    spun_s()
    print(spun_s())
    waited_s, now_s = 0.9, 1.0
    throttle.look()
    spun_s()
    print(spun_s())
    now_s += AGAIN_S + 1
    throttle.look()
    spun_s()
    print(spun_s())
"""
# Runs `python -m steps`, which fails on an unknown family, and prints the threads that are left.
STAGE = """
    import runpy, sys, threading

    sys.argv = ["steps", "train", "nobody"]
    try:
        runpy.run_module("steps", run_name="__main__")
    except SystemExit:
        print(*[thread.name.replace(" ", "-") for thread in threading.enumerate()])
"""


def run(code, folder, **own):
    """Lines that the code prints in a process with these variables, which no other variable of OpenMP disturbs."""
    environment = {name: value for name, value in os.environ.items() if name not in OF_A_USER} | own
    environment["PYTHONPATH"] = str(ROOT)
    words = [sys.executable, "-c", textwrap.dedent(code)]
    return subprocess.run(words, env=environment, cwd=folder, capture_output=True, text=True, check=True).stdout.split()


class Kernel:
    """A clock, and the time that threads have waited for a core."""

    def __init__(self):
        self.waited_s, self.now_s = 0.0, 0.0
        self.throttle = SpinThrottle(lambda: self.waited_s, lambda: self.now_s)

    def short_after(self, seconds, share):
        """The spin is short after so many seconds of such a share."""
        self.now_s += seconds
        if self.waited_s is not None:
            self.waited_s += seconds * share
        self.throttle.look()
        return self.throttle.short


@pytest.fixture(autouse=True)
def two_threads(monkeypatch):
    """Idle threads of a throttle do nothing here; PyTorch has two threads."""
    monkeypatch.setattr("torch.get_num_threads", lambda: 2)
    monkeypatch.setattr("common.threads._keep_pool", lambda _end, _threads: None)


def test_libgomp_spins_shortly_while_it_is_throttled(tmp_path):
    """The measure is CPU time, which other load does not change. On one core the spin is always short: it takes two."""
    own_s, throttled_s, after_s = map(float, run(SPINS, tmp_path))

    assert throttled_s < own_s / 4
    assert throttled_s < after_s / 4


def test_the_spin_is_short_while_threads_wait():
    """It is tried again after a while, and stays long when nothing else runs."""
    kernel = Kernel()

    assert not kernel.short_after(0.5, WAITING / 2)
    assert kernel.short_after(0.5, WAITING * 2)
    assert kernel.short_after(AGAIN_S / 2, 0.0), "the share falls since the spin is short"
    assert not kernel.short_after(AGAIN_S, WAITING * 2)
    assert kernel.short_after(0.5, WAITING * 2), "the machine is still busy"
    assert not kernel.short_after(AGAIN_S + 1, 0.0)
    assert not kernel.short_after(0.5, 0.0)


def test_the_spin_is_short_where_nobody_counts():
    """A kernel without schedstat."""
    kernel = Kernel()
    kernel.waited_s = None

    assert kernel.short_after(0.5, 1.0)


def test_one_thread_is_left_alone(monkeypatch):
    """It waits for no other."""
    monkeypatch.setattr("torch.get_num_threads", lambda: 1)

    assert not Kernel().short_after(0.5, 1.0)


@pytest.mark.parametrize(("cores", "threads", "pools"), [(2, 2, 1), (8, 8, 1), (8, 4, 2), (8, 2, 7), (4, 8, 1)])
def test_there_are_more_threads_than_cores(cores, threads, pools, monkeypatch):
    """The fewest idle pools with which libgomp manages more threads than there are cores."""
    started = []
    monkeypatch.setattr("os.sched_getaffinity", lambda _process: range(cores))
    monkeypatch.setattr("torch.get_num_threads", lambda: threads)
    monkeypatch.setattr("common.threads._keep_pool", lambda _end, threads: started.append(threads))

    assert Kernel().short_after(0.5, 1.0)
    for thread in threading.enumerate():
        if thread.name == POOL:
            thread.join()
    assert started == [threads] * pools
    assert threads + pools * (threads - 1) > cores


def test_the_time_waited_is_that_of_the_kernel():
    """In seconds, summed over threads that are alive: it may fall when one ends."""
    waits = waited_s()

    assert waits is None or waits > 0


@pytest.mark.parametrize(
    ("own", "throttled"), [({}, True), ({"GOMP_SPINCOUNT": "77"}, False), ({"OMP_WAIT_POLICY": "passive"}, False)]
)
def test_a_stage_is_throttled_unless_a_user_has_set_the_spin(own, throttled, tmp_path):
    """In either of the two variables; by hand as well as from a flow."""
    assert ("spin-throttle" in run(STAGE, tmp_path, **own)) is throttled


def test_a_short_spin_for_good_is_inherited():
    """By the children of a process that always runs beside others."""
    environment = {}
    bound_spin(environment)

    assert environment == {"GOMP_SPINCOUNT": SHORT_SPIN}
