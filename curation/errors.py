"""What data can do wrong, said to the person who can mend it."""

from __future__ import annotations

import errno
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rushes.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

# What a disk refuses, and who can mend it.
REMEDIES = {
    errno.EACCES: "allow this user to read it, and to write and remove where that is meant",
    errno.EPERM: "allow this user to read it, and to write and remove where that is meant",
    errno.EROFS: "its disk is mounted read-only: mount it to be written to, or take what lies there away",
    errno.ENOSPC: "make room on that disk, then run again: what is in already is not taken in twice",
    errno.EDQUOT: "make room in this user's quota, then run again: what is in already is not taken in twice",
}


class DataError(UserError):
    """Data that cannot be used as it is: the message says what and where, `remedy` what to do about it."""


class TooManyDropped(DataError):  # noqa: N818  the name is a sentence that callers read
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
    """Around work on files of other people: what the disk refuses is said as a DataError.

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


class RefusedError(UserError):
    """A sample that is not taken in: why, and what to do about it."""

    def __init__(self, reason: str, remedy: str) -> None:
        super().__init__(reason, remedy)
        self.reason = reason
