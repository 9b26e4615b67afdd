"""A disk that fills up, without a file system of its own."""

import contextlib
import resource


@contextlib.contextmanager
def disk_of(most_bytes):
    """Files of this process fail beyond a size, part of the last write taken, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
