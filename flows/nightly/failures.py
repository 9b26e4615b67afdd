"""Failures of a run: kind, message, remedy. Only transient ones are retried."""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING

from pydantic import ValidationError

from flows.servers.servers import tail_of
from registry.dvc.faults import classify
from rushes.errors import Kind, RushesError
from steps.runtime.failures import StageFailure, clear_failure, describe, failure_path

if TYPE_CHECKING:
    from pathlib import Path

    from registry.dvc.pipeline import StageNode

TRIES = 3  # after the first
BACKOFF_S = 10.0  # doubled with each retry
LOG_BYTES = 20_000  # of a log's end, which has DVC's reason


class TaskError(RushesError):
    """A failed task of the run: its fault and its log."""

    def __init__(self, fault: StageFailure, log: Path | None = None) -> None:
        super().__init__(fault.message, fault.remedy, kind=fault.kind)
        self.fault = fault
        self.log = log

    def tail(self) -> list[str]:
        """The last lines of its log."""
        return tail_of(self.log) if self.log else []


def user_error(message: str, remedy: str, task: str) -> TaskError:
    """A failure that only a person can fix."""
    stage, _, item = task.partition("@")
    return TaskError(StageFailure(stage=stage, item=item, kind="user", message=message, remedy=remedy))


def task_error(task: str, error: Exception, logs: Path) -> TaskError:
    """The failure as which an exception in one of the flow's own tasks is reported.

    The traceback of a bug is kept in LOGS/TASK.log; for an error that a person can fix, the message suffices.
    """
    stage, _, item = task.partition("@")
    fault = describe(stage, item, error)
    if fault.kind != "bug":
        return TaskError(fault)
    log = logs / f"{task}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_text("".join(traceback.format_exception(error)), encoding="utf-8")
    return TaskError(fault, log)


def forget(tree: Path, node: StageNode) -> None:
    """Removes an earlier run's failure record of a stage."""
    clear_failure(tree, node.stage, node.item)


def stage_error(tree: Path, node: StageNode, status: int, log: Path) -> TaskError:
    """The failure of a stage: its record in build/failures, else DVC's message in the log; its status is always 255."""
    try:
        fault = StageFailure.model_validate_json(failure_path(tree, node.stage, node.item).read_text(encoding="utf-8"))
    except (OSError, ValidationError):
        fault = _without_word(tree, node, status, log)
    return TaskError(fault, log)


def _without_word(tree: Path, node: StageNode, status: int, log: Path) -> StageFailure:
    """Failure of a stage that left no record: it did not start, or was killed before it could write one."""
    text = log.read_bytes()[-LOG_BYTES:].decode("utf-8", "replace") if log.is_file() else ""
    kind: Kind = "bug"
    message = f"ended with status {status} and no record; it was killed, or DVC refused it"
    remedy = "see the log; if it has no reason, check whether memory ran out: dmesg | tail"
    if known := classify(tree, text):
        kind, message, remedy = known.kind, known.message, known.remedy
    elif status < 0:
        kind, message = "user", f"DVC was ended by signal {-status}, from a person or the system"
        remedy = "run again: finished steps are not repeated   # if memory ran out: dmesg | tail"
    return StageFailure(stage=node.stage, item=node.item, kind=kind, message=message, remedy=remedy)
