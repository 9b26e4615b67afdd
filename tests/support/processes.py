"""Whether a process still does anything."""

import psutil


def runs(pid):
    """False once it has ended, also where nobody has asked for its status yet."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
