"""Why a step failed: its kind decides whether the flow tries again."""

from __future__ import annotations

import errno
import traceback
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel

if TYPE_CHECKING:
    from pathlib import Path

Kind = Literal["user", "transient", "bug", "unfit"]  # unfit: it ran, and nothing it made is what was asked for

TRANSIENT_TYPES = (ConnectionError, TimeoutError)
TRANSIENT_CODES = {errno.ECONNRESET, errno.ECONNREFUSED, errno.ETIMEDOUT, errno.EHOSTUNREACH, errno.ENETUNREACH}
# Libraries that wrap a broken connection in a type of their own; by name, so that no step must import them.
TRANSIENT_NAMES = {"ConnectionError", "ReadTimeout", "ConnectTimeout", "Timeout", "ChunkedEncodingError"}


class Failure(BaseModel):
    """What build/failures/STAGE@ITEM.json holds."""

    stage: str
    item: str
    kind: Kind
    message: str
    remedy: str
    traceback: str = ""


def failure_path(root: Path, stage: str, item: str) -> Path:
    """Where the failure of a stage is described."""
    return root / "build" / "failures" / f"{stage}@{item}.json"


def clear_failure(root: Path, stage: str, item: str) -> None:
    """Forgets an earlier failure of the stage."""
    failure_path(root, stage, item).unlink(missing_ok=True)


def write_failure(root: Path, stage: str, item: str, error: BaseException) -> Failure:
    """Describes an error for the flow and for whoever is paged."""
    failure = describe(stage, item, error)
    path = failure_path(root, stage, item)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(failure.model_dump_json(indent=2) + "\n", encoding="utf-8")
    return failure


def describe(stage: str, item: str, error: BaseException) -> Failure:
    """The kind of an error, in words that say what to do."""
    text = "".join(traceback.format_exception(error))
    kind, message, remedy = _judged(error)
    return Failure(stage=stage, item=item, kind=kind, message=message, remedy=remedy, traceback=text)


def _judged(error: BaseException) -> tuple[Kind, str, str]:
    words = str(error).strip() or type(error).__name__
    if remedy := getattr(error, "remedy", ""):
        return "unfit" if getattr(error, "unfit", False) else "user", words, str(remedy)
    if _out_of_memory(error):
        return "user", "out of memory", "lower train.batch_size in params.yaml, or run on a larger machine"
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return "user", words, "make room on the disk, then run again"
    if _transient(error):
        return (
            "transient",
            words,
            "it is tried again by itself; if it stays, see whether the servers answer: make status",
        )
    return "bug", f"{type(error).__name__}: {words}", "the log has the whole traceback"


def _out_of_memory(error: BaseException) -> bool:
    return (
        isinstance(error, MemoryError) or "out of memory" in str(error).lower() or "DefaultCPUAllocator" in str(error)
    )


def _transient(error: BaseException | None) -> bool:
    while error is not None:
        named = type(error).__name__ in TRANSIENT_NAMES
        coded = isinstance(error, OSError) and error.errno in TRANSIENT_CODES
        status = getattr(error, "get_http_status_code", None)
        broken_server = callable(status) and status() in (429, 502, 503, 504)
        if isinstance(error, TRANSIENT_TYPES) or named or coded or broken_server:
            return True
        error = error.__cause__ or error.__context__
    return False
