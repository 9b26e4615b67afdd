"""What went wrong, in words: kind, message, remedy. Only what is transient is tried again."""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING

from pydantic import ValidationError

from flows.servers import tail_of
from steps.failures import Failure as Fault
from steps.failures import clear_failure, describe, failure_path

if TYPE_CHECKING:
    from pathlib import Path

    from registry.pipeline import StageNode

TRIES = 3  # after the first
BACKOFF_S = 10.0  # doubled from try to try


class ActError(Exception):
    """An act of the night that failed: why, and where its log is."""

    def __init__(self, fault: Fault, log: Path | None = None) -> None:
        super().__init__(fault.message)
        self.fault = fault
        self.log = log

    @property
    def transient(self) -> bool:
        """Whether trying again may help."""
        return self.fault.kind == "transient"

    def tail(self) -> list[str]:
        """The last lines of its log."""
        return tail_of(self.log) if self.log else []


def user_error(message: str, remedy: str, act: str) -> ActError:
    """A failure that only a person can mend."""
    stage, _, item = act.partition("@")
    return ActError(Fault(stage=stage, item=item, kind="user", message=message, remedy=remedy))


def act_error(act: str, error: Exception, logs: Path) -> ActError:
    """What an exception in one of the flow's own acts means to the person who is paged.

    The traceback of a bug is kept in LOGS/ACT.log; of what a person can mend, the words are enough.
    """
    stage, _, item = act.partition("@")
    fault = describe(stage, item, error)
    if getattr(error, "transient", False):
        fault = fault.model_copy(update={"kind": "transient"})
    if fault.kind != "bug":
        return ActError(fault)
    log = logs / f"{act}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_text("".join(traceback.format_exception(error)), encoding="utf-8")
    return ActError(fault, log)


def forget(tree: Path, node: StageNode) -> None:
    """Drops what an earlier run said about a stage."""
    clear_failure(tree, node.stage, node.item)


def stage_error(tree: Path, node: StageNode, status: int, log: Path) -> ActError:
    """What a stage left in build/failures, since DVC's exit status says nothing."""
    try:
        fault = Fault.model_validate_json(failure_path(tree, node.stage, node.item).read_text(encoding="utf-8"))
    except (OSError, ValidationError):
        message = f"ended with status {status} and left no word; killed, or DVC refused it"
        remedy = "the log says more; if it says nothing, see whether the memory ran out: dmesg | tail"
        fault = Fault(stage=node.stage, item=node.item, kind="bug", message=message, remedy=remedy)
    return ActError(fault, log)
