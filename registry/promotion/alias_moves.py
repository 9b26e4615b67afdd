"""Moves of the alias `champion` in a registry that has no compare-and-set.

One tag of the model, `rushes.champions`, is the history, the lease and the record of the last move at once. A mover
reads that nobody holds the lease, writes the tag, waits, reads it back, moves the alias and reads again. Of those who
read at the same moment only the last writer proceeds, since the others have waited for its write (Fischer's algorithm;
Lamport, "A fast mutual exclusion algorithm", 1987). The wait is a second, or a quarter longer than the mover took from
that first read to the end of its write: a server with passwords takes seconds for that.

- If the tag has another mover before the alias is moved, this one waits for it.
- If the tag has another mover afterwards, who is done or who rolls back, this one's move is reverted.
- If this one is killed in between, its version is promoted but lacks `rushes.settled`, and `repaired` sets the alias by
the tag.

A rollback waits for nobody. Times are for people; the order of champions is that of the list.
"""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING

from registry.mlflow import model_versions, runs
from registry.mlflow.model_versions import CHAMPION, CHAMPIONS, DECIDED_ON, DECISION, AliasLog

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from mlflow import MlflowClient

    from registry.mlflow.model_versions import Standing, Version

LEASE_S = 60.0  # a lease unchanged for so long belongs to a dead process elsewhere
POLL_S = 0.5
HANDOVER_S = 1.0  # minimum time between writing a lease and reading it back
SLACK = 1.25  # factor on the time that a mover took to write its own
LENGTH = 500  # champions in the history; a tag of MLflow has at most 5,000 characters


def promote(
    mlflow: MlflowClient, version: Version, champion: Version | None, allowed: Callable[[Standing], bool]
) -> bool:
    """Makes a version champion, and reverts that if another process has moved the alias in the meantime.

    Args:
        mlflow: The client.
        version: The version.
        champion: The champion so far, as it was read before.
        allowed: Returns whether the decision still holds for the family's current state, in which the tags of the
            champion may be outdated.

    Returns:
        True if it became champion; otherwise the family's state has changed, and the decision must be made again.
    """
    lease = _Lease(mlflow, version.family, version.number)
    standing = lease.take(version, champion)
    if not allowed(standing):
        lease.leave(standing, standing.champion)
        return False
    mlflow.set_registered_model_alias(version.family, CHAMPION, str(version.number))
    after = model_versions.standing(mlflow, version.family, (version, standing.champion))
    if after.log.token != lease.token:
        if _overrules(after.log, version.number):
            _put_back(mlflow, after)
        return False
    lease.leave(standing, after.champion)
    return after.champion is not None and after.champion.number == version.number


def restore(mlflow: MlflowClient, standing: Standing, target: int) -> None:
    """Points the alias at an earlier champion, whoever else is moving it."""
    lease = _Lease(mlflow, standing.family, target, act="rollback")
    lease.write(standing.log.history)
    mlflow.set_registered_model_alias(standing.family, CHAMPION, str(target))
    after = model_versions.standing(mlflow, standing.family)
    if after.champion is None or after.champion.number != target:
        mlflow.set_registered_model_alias(standing.family, CHAMPION, str(target))
    lease.write(standing.log.history, done=True)


def repaired(mlflow: MlflowClient, family: str, known: Collection[Version | None] = ()) -> Standing:
    """State of a family, after reverting the move of a process that was killed before it could do so itself.

    `known` are versions that were read before; see `registry.mlflow.model_versions.standing`.
    """
    standing = model_versions.standing(mlflow, family, known)
    champion = standing.champion
    if champion is None or not _overrules(standing.log, champion.number):
        return standing
    if champion in known:  # its tags decide, so they must be those of now
        champion = model_versions.find_version(mlflow, family, champion.number)
    if champion is None or champion.tags.get(DECISION) != "promoted" or champion.tags.get(DECIDED_ON):
        return standing
    _put_back(mlflow, standing)
    return model_versions.standing(mlflow, family)


def enter(mlflow: MlflowClient, standing: Standing, champion: Version) -> None:
    """Adds a champion to the history that another action, or a person, has set."""
    _Lease(mlflow, standing.family, champion.number).write(extended(standing.log.history, champion), done=True)


def extended(history: list[int], champion: Version | None, to: int | None = None) -> list[int]:
    """The history after the current champion is followed by another.

    It is cut behind the champion: versions that a rollback or a person has abandoned cannot be restored.
    """
    if champion is not None and champion.number in history:
        last = len(history) - 1 - history[::-1].index(champion.number)
        history = history[: last + 1]
    elif champion is not None:  # set by a person in MLflow's pages
        history = [*history, champion.number]
    return [*history, *([to] if to is not None and history[-1:] != [to] else [])][-LENGTH:]


def _overrules(log: AliasLog, number: int) -> bool:
    """True if the recorded last move is another's and final: one in progress may still be given up."""
    return log.to not in (None, number) and (log.done or log.act == "rollback")


def _put_back(mlflow: MlflowClient, standing: Standing) -> None:
    mlflow.set_registered_model_alias(standing.family, CHAMPION, str(standing.log.to))


@dataclass
class _Lease:
    mlflow: MlflowClient
    family: str
    to: int
    act: str = "promotion"

    def __post_init__(self) -> None:
        self.token = uuid.uuid4().hex

    def take(self, *known: Version | None) -> Standing:
        """Waits until no other process moves the alias; returns the family's state."""
        seen, since = "", time.monotonic()
        while True:
            asked = time.monotonic()
            standing = repaired(self.mlflow, self.family, known)
            log = standing.log
            if log.token != seen:
                seen, since = log.token, time.monotonic()
            if not (log.done or runs.is_dead(log.owner) or time.monotonic() - since >= LEASE_S):
                time.sleep(POLL_S)
                continue
            self.write(log.history)
            time.sleep(max(HANDOVER_S, SLACK * (time.monotonic() - asked)))
            after = model_versions.standing(self.mlflow, self.family, (*known, standing.champion))
            if after.log.token == self.token:
                return after

    def leave(self, standing: Standing, champion: Version | None) -> None:
        """Records the champion, and releases the lease."""
        if champion is None or champion.number != self.to:
            self.to = champion.number if champion else 0
            self.write(extended(standing.log.history, champion), done=True)
        else:
            self.write(extended(standing.log.history, standing.champion, self.to), done=True)

    def write(self, history: list[int], *, done: bool = False) -> None:
        """Replaces the tag."""
        log = AliasLog(history=history, to=self.to or None, act=self.act, token=self.token, owner=runs.me(), done=done)
        self.mlflow.set_registered_model_tag(self.family, CHAMPIONS, log.model_dump_json())
