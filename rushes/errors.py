"""The errors of Rushes: one tree, with the meaning of each branch.

```
RushesError                    everything raised on purpose: message, remedy, exit status, kind
├── UserError                  a person can fix it                                        kind "user"
│   ├── MisuseError            the command or its input is not valid                      exit status 2
│   ├── NothingFitsError       it ran, and nothing meets what was asked     kind "unfit", exit status 3
│   ├── RefusedError           one input file is not accepted: reason and remedy
│   ├── BundleError            rushes.bundle.manifest: a bundle that is damaged or cannot be used
│   ├── DataError              curation.errors: data that cannot be used as they are
│   └── ...                    each package's own, beside the code that raises it
└── TransientError             a server away, a lock held: trying again may help               kind "transient"
```

Any other exception is a bug, a bare ValueError included: it is reported as one, with its place and the version. Code
that calls a library catches the exceptions of that call, around that call alone, and raises one of these instead.
"""

from __future__ import annotations

import traceback
from pathlib import Path
from typing import Any, ClassVar, Literal

DONE, FAILED, MISUSE, NOTHING_FITS, HELD = 0, 1, 2, 3, 4

Kind = Literal["user", "transient", "bug", "unfit"]  # unfit: it ran, and nothing it produced meets what was asked


class RushesError(Exception):
    """Base of all errors that Rushes raises on purpose.

    Args:
        message: Failure and its place, with the given value and the valid values.
        remedy: Action that fixes it, such as a command; empty if the message contains it.
        exit_status: Exit status of a command that ends with this error; by default that of the class.
        kind: Kind of the error; by default that of the class.
    """

    default_kind: ClassVar[Kind] = "user"
    default_exit_status: ClassVar[int] = FAILED

    def __init__(
        self, message: str = "", remedy: str = "", *, exit_status: int | None = None, kind: Kind | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy
        self.exit_status = self.default_exit_status if exit_status is None else exit_status
        self.kind: Kind = self.default_kind if kind is None else kind

    def __reduce__(self) -> tuple[Any, ...]:
        """Copies as they are errors whose class takes other arguments, such as from a process on another machine."""
        return _restored, (type(self), self.args, self.__dict__)

    @property
    def full_message(self) -> str:
        """Message and remedy, for a log or a terminal."""
        return "; ".join(filter(None, (str(self), self.remedy)))

    @property
    def transient(self) -> bool:
        """True if a retry may help."""
        return self.kind == "transient"


def _restored(kind: type[RushesError], given: tuple[Any, ...], state: dict[str, Any]) -> RushesError:
    error = kind.__new__(kind)
    error.args = given
    error.__dict__.update(state)
    return error


class UserError(RushesError):
    """Error that a person can fix: input, settings, a disk, a registry with other contents."""


class MisuseError(UserError):
    """Invalid command or input."""

    default_exit_status = MISUSE


class NothingFitsError(UserError):
    """Result of a run that works but finds nothing that meets the request."""

    default_kind = "unfit"
    default_exit_status = NOTHING_FITS


class RefusedError(UserError):
    """Rejection of one input file: the reason and the remedy.

    Args:
        reason: Words that follow the name of the file, such as `is empty`.
        remedy: Action that fixes it.
    """

    def __init__(self, reason: str, remedy: str) -> None:
        super().__init__(reason, remedy)
        self.reason = reason


class TransientError(RushesError):
    """Error that a retry may fix: a server is not available, or another process holds a lock."""

    default_kind = "transient"


def plain(text: object) -> str:
    """Makes external text safe as part of one line: a line break or an escape in it could forge lines of output."""
    return "".join(character if character.isprintable() else "?" for character in str(text))


def bug_report(error: BaseException, version: str) -> str:
    """Line for an unexpected exception: its type and text, the line of code, and a request to report it."""
    return f"this is a bug in rushes {version}, please report it: {type(error).__name__}: {error}{place_of(error)}"


def place_of(error: BaseException) -> str:
    """Last line of the project's code in a traceback, as ` (rushes/faces/crops.py:31)`; empty if there is none."""
    if not (frames := traceback.extract_tb(error.__traceback__)):
        return ""
    ours = [frame for frame in frames if "site-packages" not in frame.filename] or list(frames)
    return f" ({'/'.join(Path(ours[-1].filename).parts[-3:])}:{ours[-1].lineno})"
