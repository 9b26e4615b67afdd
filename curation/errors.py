"""Errors of data, addressed to the person who can fix them."""

from __future__ import annotations

import errno
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rushes.errors import RefusedError, UserError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["REMEDIES", "DataError", "RefusedError", "TooManyDropped", "explained"]

# What each refusal by the file system means to the user.
REMEDIES = {
    errno.EACCES: "allow this user to read it, and to write and remove where that is meant",
    errno.EPERM: "allow this user to read it, and to write and remove where that is meant",
    errno.EROFS: "its disk is mounted read-only: remount it writable, or move the files elsewhere",
    errno.ENOSPC: "free space on that disk, then run again: what is already ingested is not ingested twice",
    errno.EDQUOT: "free space in this user's quota, then run again: what is already ingested is not ingested twice",
}


class DataError(UserError):
    """Data that cannot be used as it is: the message names the problem and the place, `remedy` the fix."""


class TooManyDropped(DataError):  # noqa: N818  the name reads as the condition
    """A source lost more samples to the checks than params.yaml allows."""

    def __init__(self, source: str, share: float, check: str, params: Mapping[str, object]) -> None:
        changes = " and ".join(f"{path} (now {value})" for path, value in params.items())
        super().__init__(
            f"{source} loses {share:.0%} of its samples, most of them to the check {check!r}",
            f"look at the sheet of the dropped ones; if they are fit to learn from, change {changes} in "
            f"params.yaml, else fix or leave out {source}",
        )
        self.source = source
        self.share = share
        self.check = check
        self.params = list(params)
        self.param = self.params[0]


@contextmanager
def explained() -> Iterator[None]:
    """Turns an OSError of work on users' files into a DataError.

    Raises:
        DataError: The disk is full, read-only, or closed to this user.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in REMEDIES:
            raise
        message = f"{error.filename or 'a file'}: {error.strerror}"
        raise DataError(message, REMEDIES[error.errno]) from error
