"""Failure of a step: its kind decides whether the flow tries again."""

from __future__ import annotations

import errno
import os
import traceback
from contextlib import suppress
from pathlib import Path

from pydantic import BaseModel, field_validator

from common.commands import python, show_access
from rushes import __version__
from rushes.errors import Kind, RushesError, place_of
from rushes.redaction import redact

TRANSIENT_TYPES = (ConnectionError, TimeoutError)
TRANSIENT_CODES = {errno.ECONNRESET, errno.ECONNREFUSED, errno.ETIMEDOUT, errno.EHOSTUNREACH, errno.ENETUNREACH}
# Libraries that wrap a broken connection in a type of their own; by name, so that no step must import them.
TRANSIENT_NAMES = {"ConnectionError", "ReadTimeout", "ConnectTimeout", "Timeout", "ChunkedEncodingError"}


# As registry.dvc.faults has it, which no stage may import: `--workspace` alone would delete what tagged versions need.
UNWRITABLE = {errno.EROFS: "the disk is mounted read-only", errno.EACCES: "this user may not use it"}
TRAINING = ("train", "compress")  # stages whose memory goes by the size of a batch
TRY_AGAIN = "it is tried again by itself; if it stays, see whether the servers answer: make status"
FULL = f"{python()} -m dvc gc --workspace --all-branches --all-tags   # or make room yourself; then run again"


class StageFailure(BaseModel):
    """Content of build/failures/STAGE@ITEM.json."""

    stage: str
    item: str
    kind: Kind
    message: str
    remedy: str
    traceback: str = ""

    @field_validator("message", "remedy", "traceback")
    @classmethod
    def _without_secrets(cls, text: str) -> str:
        return redact(text)


def failure_path(root: Path, stage: str, item: str) -> Path:
    """Path of the description of a stage's failure."""
    return root / "build" / "failures" / f"{stage}@{item}.json"


def clear_failure(root: Path, stage: str, item: str) -> None:
    """Forgets an earlier failure of the stage."""
    failure_path(root, stage, item).unlink(missing_ok=True)


def write_failure(root: Path, stage: str, item: str, error: BaseException) -> StageFailure:
    """Describes an error for the flow and for whoever is paged.

    If another process of the stage has described its own, that one stays and is returned: it failed first, and this
    process because of it, such as the agent of torchrun, or one that lost the connection to the other.
    """
    failure = describe(stage, item, error)
    path = failure_path(root, stage, item)
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(failure.model_dump_json(indent=2) + "\n")
    except FileExistsError:
        with suppress(ValueError):  # being written
            return StageFailure.model_validate_json(path.read_bytes())
    return failure


def describe(stage: str, item: str, error: BaseException) -> StageFailure:
    """The kind, message and remedy of an error."""
    text = "".join(traceback.format_exception(error))
    kind, message, remedy = _judged(stage, item, error)
    return StageFailure(stage=stage, item=item, kind=kind, message=message, remedy=remedy, traceback=text)


def _judged(stage: str, item: str, error: BaseException) -> tuple[Kind, str, str]:
    words = str(error).strip() or type(error).__name__
    if isinstance(error, RushesError):
        return error.kind, words, error.remedy or (TRY_AGAIN if error.kind == "transient" else "")
    if _out_of_memory(error):
        smaller = f"lower {item}.train.batch_size in params.yaml" if stage in TRAINING else "end other programs"
        return "user", "out of memory", f"{smaller}, or run on a larger machine"
    if isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return "user", words, FULL
    if isinstance(error, OSError) and error.errno in UNWRITABLE:
        place = Path(os.fsdecode(error.filename or "."))
        return "user", f"{UNWRITABLE[error.errno]}: {place}", show_access(place)
    if _transient(error):
        return "transient", words, TRY_AGAIN
    remedy = f"this is a bug in rushes {__version__}{place_of(error)}: please report it, with its log"
    return "bug", f"{type(error).__name__}: {words}", remedy


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
