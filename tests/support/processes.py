"""What tests ask of processes that may end at any moment, and how they kill them."""

from contextlib import suppress

import psutil


def runs(pid):
    """False once it has ended, also where nobody has asked for its status yet."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def kill_all(processes):
    """SIGKILL to each, in order; one that has ended in the meantime is what was wanted."""
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.kill()


def kill_tree(pid):
    """Kills a process, then all that it had started; the latter are gone when this returns."""
    process = psutil.Process(pid)
    below = process.children(recursive=True)
    kill_all([process, *below])
    psutil.wait_procs(below, timeout=30)
