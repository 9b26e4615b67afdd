"""Memory that is freed and asked for again: kept by this process, not returned to the system each time.

glibc maps every block above 32 MiB each time, and returns free memory at the end of the heap. The system then zeroes
each page once more, on its first use: a sixth of a step of an LSTM with activations of 33 MiB, and a tenth of the
rendering of a face. Kept memory changes no result; a process needs as much as at its peak until it ends.
"""

from __future__ import annotations

import ctypes
import os
from contextlib import suppress

# Of glibc's malloc.h. Unlike M_MMAP_THRESHOLD, older versions limit neither of them.
M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4
NEVER = -1


def keep_freed_memory() -> None:
    """Applies to this process from now on; does nothing without glibc, or where a user has set its malloc."""
    if any(name.startswith("MALLOC_") for name in os.environ):
        return
    with suppress(OSError, AttributeError, TypeError):  # another C library
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(M_MMAP_MAX, 0)
        mallopt(M_TRIM_THRESHOLD, NEVER)
