"""What data can do wrong, said to the person who can mend it."""

from __future__ import annotations


class DataError(ValueError):
    """Data that cannot be used as it is: the message says what and where, `remedy` what to do about it."""

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(message)
        self.remedy = remedy


class TooManyDropped(DataError):  # noqa: N818  the name is a sentence that callers read
    """A source lost more samples to the checks than params.yaml allows."""

    def __init__(self, source: str, share: float, check: str, param: str) -> None:
        super().__init__(
            f"{source} loses {share:.0%} of its samples, most of them to the check {check!r}",
            f"look at the sheet of the dropped ones; if they are fit to learn from, change {param} in params.yaml, "
            f"else mend or leave out {source}",
        )
        self.source = source
        self.share = share
        self.check = check
        self.param = param
