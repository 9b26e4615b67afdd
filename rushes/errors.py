"""The errors of Rushes: one tree, with the meaning of each branch.

```
RushesError                    everything raised on purpose: message, remedy, exit status, kind
├── UserError                  a person can fix it                                        kind "user"
│   ├── MisuseError            the command or its input is not valid                      exit status 2
│   ├── NothingFitsError       it ran, and nothing meets what was asked     kind "unfit", exit status 3
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
from typing import ClassVar, Literal

DONE, FAILED, MISUSE, NOTHING_FITS, HELD = 0, 1, 2, 3, 4

Kind = Literal["user", "transient", "bug", "unfit"]  # unfit: it ran, and nothing it produced meets what was asked


class RushesError(Exception):
    """Something could not be done.

    Args:
        message: What failed and where: the value that was given, and the values that would do.
        remedy: What to do about it; a command where one helps. Empty where the message has it.
        exit_status: Of a command that ends with it; by default that of the class.
        kind: Who can do something about it; by default that of the class.
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

    @property
    def transient(self) -> bool:
        """True if trying again may help."""
        return self.kind == "transient"


class UserError(RushesError):
    """A person can fix it: input, settings, a disk, a registry that holds something else."""


class MisuseError(UserError):
    """The command or its input is not valid."""

    default_exit_status = MISUSE


class NothingFitsError(UserError):
    """It ran, but nothing meets the request."""

    default_kind = "unfit"
    default_exit_status = NOTHING_FITS


class TransientError(RushesError):
    """Trying again may help: a server is away, or another process holds a lock."""

    default_kind = "transient"


def plain(text: object) -> str:
    """Text from outside as part of one line: a line break or an escape in it could forge lines of output."""
    return "".join(character if character.isprintable() else "?" for character in str(text))


def bug_report(error: BaseException, version: str) -> str:
    """One line for an unexpected exception: its type and text, the line of code, and the request to report it.

    Args:
        error: The exception, with its traceback.
        version: Of Rushes.
    """
    return f"this is a bug in rushes {version}, please report it: {type(error).__name__}: {error}{place_of(error)}"


def place_of(error: BaseException) -> str:
    """` (rushes/expression/crops.py:31)`: the last line of ours that an exception passed; empty without a traceback."""
    if not (frames := traceback.extract_tb(error.__traceback__)):
        return ""
    ours = [frame for frame in frames if "site-packages" not in frame.filename] or list(frames)
    return f" ({'/'.join(Path(ours[-1].filename).parts[-3:])}:{ours[-1].lineno})"
