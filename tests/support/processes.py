"""Checks and kills of processes that may end at any moment."""

from contextlib import suppress

import psutil


def runs(pid):
    """False once it has ended, even if its status has not been collected."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def kill_all(processes):
    """Sends SIGKILL to each, in order; one that has already ended is skipped."""
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.kill()


def kill_tree(pid):
    """Kills a process, then all its descendants; they are gone when this returns."""
    process = psutil.Process(pid)
    below = process.children(recursive=True)
    kill_all([process, *below])
    psutil.wait_procs(below, timeout=30)
