"""What the commands of the wheel can say no with: one line, and the exit status that goes with it."""

from __future__ import annotations

DONE, FAILED, MISUSE, NOTHING_FITS = 0, 1, 2, 3


class RushesError(Exception):
    """It could not be done. The message says what, where and what to do."""

    status = FAILED


class MisuseError(RushesError):
    """The command was given something that makes no sense."""

    status = MISUSE


class NothingFitsError(RushesError):
    """It ran, but nothing there is what was asked for."""

    status = NOTHING_FITS


def plain(text: object) -> str:
    """What somebody else wrote, as a part of one line: a line break or an escape in it could forge lines of ours."""
    return "".join(sign if sign.isprintable() else "?" for sign in str(text))
