"""What was champion, what is, and the way back: champions, rollback, hold, release.

The history stands on the versions themselves: `rushes.champion_since` says when one became champion. Going back means
the version with the latest such time before the champion's own that was not rejected.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from registry import catalogue, tracking
from registry.catalogue import (
    CHAMPION,
    CHAMPION_SINCE,
    HOLD,
    REJECTED,
    REJECTED_WHY,
    RELEASED,
    RESTORED,
    ROLLBACK,
    SIGNED,
)
from registry.catalogue import Hold as Hold  # noqa: PLC0414  part of this file's interface
from registry.settings import load_settings
from registry.tracking import RegistryError

if TYPE_CHECKING:
    from pathlib import Path

    from mlflow import MlflowClient

    from registry.catalogue import Standing, Version


class NothingToRestoreError(RegistryError):
    """There is no earlier version to go back to; nothing was changed."""

    status = 3


@dataclass(frozen=True)
class Champion:
    """What a family has in use. `version` is None where nothing was ever promoted."""

    family: str
    version: int | None
    digest: str
    since: str
    hold: Hold | None


@dataclass(frozen=True)
class Rollback:
    """What a rollback did.

    Attributes:
        broken: Earlier champions that were passed over because they did not load.
        is_signed: Whether what was restored has a signature; machines that trust keys take nothing else.
    """

    family: str
    rejected: int
    restored: int
    broken: list[str]
    is_signed: bool


def champions(mlflow: MlflowClient | None = None) -> list[Champion]:
    """Every family in the registry with its champion and its hold."""
    mlflow = mlflow or tracking.client()
    return [_champion(catalogue.standing(mlflow, family)) for family in catalogue.families(mlflow)]


def _champion(standing: Standing) -> Champion:
    if standing.champion is None:
        return Champion(standing.family, None, "", "", standing.hold)
    tags = standing.champion.tags
    since = max(tags.get(CHAMPION_SINCE, ""), tags.get(RESTORED, ""))
    return Champion(standing.family, standing.champion.number, standing.champion.digest, since, standing.hold)


def on_hold(family: str, mlflow: MlflowClient | None = None) -> Hold | None:
    """Why a family is on hold, or None."""
    return catalogue.standing(mlflow or tracking.client(), family).hold


def release(family: str, mlflow: MlflowClient | None = None) -> Hold | None:
    """Ends the hold: the next nightly may move the champion again.

    Returns:
        The hold that was ended; None if there was none.

    Raises:
        NothingToRestoreError: The registry has no such family.
    """
    mlflow = mlflow or tracking.client()
    standing = _known(mlflow, family)
    if standing.hold is not None:
        mlflow.set_registered_model_tag(family, RELEASED, json.dumps({"at": catalogue.now(), **asdict(standing.hold)}))
        mlflow.delete_registered_model_tag(family, HOLD)
    return standing.hold


def rollback(family: str, reason: str, mlflow: MlflowClient | None = None, state: Path | None = None) -> Rollback:
    """Rejects the champion for good, puts its family on hold and brings back the champion before it.

    What is brought back is fetched, checked and run first. Where nothing can be brought back, nothing is changed: the
    alias stays and the family is not held, so that the next nightly may still replace the bad champion. A rollback
    that was killed is finished by the next one, which then does no second step back.

    Args:
        family: Which.
        reason: For those who read the registry later.
        mlflow: A client; that of the environment if left out.
        state: Where fetched bundles are kept; that of the settings if left out.

    Raises:
        NothingToRestoreError: There is no champion, or none before it that still loads.
        ValueError: The reason is empty.
    """
    if not reason.strip():
        message = "a rollback needs a reason: those who read the registry later have nothing else"
        raise ValueError(message)
    mlflow = mlflow or tracking.client()
    standing = _known(mlflow, family)
    done = _finished(mlflow, standing)
    if done is not None:
        return done
    champion = _champion_of(standing)
    target, broken = _earlier(mlflow, champion, state or load_settings().state)
    _write(mlflow, champion, target, reason.strip())
    return Rollback(family, champion.number, target.number, broken, SIGNED in target.tags)


def _known(mlflow: MlflowClient, family: str) -> Standing:
    standing = catalogue.standing(mlflow, family)
    if not standing.exists:
        there = ", ".join(catalogue.families(mlflow)) or "none yet"
        message = f"the registry has no model {family!r}; there are: {there}"
        raise NothingToRestoreError(message, "make nightly registers a first version")
    return standing


def _champion_of(standing: Standing) -> Version:
    if standing.champion is None:
        message = f"{standing.family} has no champion: there is nothing to roll back"
        raise NothingToRestoreError(message, "make nightly promotes a first one if its floors hold")
    return standing.champion


def _finished(mlflow: MlflowClient, standing: Standing) -> Rollback | None:
    """Ends a rollback that was killed after it had moved the alias."""
    if not standing.tags.get(ROLLBACK) or standing.champion is None:
        return None
    begun = json.loads(standing.tags[ROLLBACK])
    if standing.champion.number != begun.get("restored"):
        return None  # killed before it moved the alias: do it all again; or others have moved it since: a new one
    mlflow.delete_registered_model_tag(standing.family, ROLLBACK)
    restored = standing.champion
    return Rollback(standing.family, int(begun["rejected"]), restored.number, [], SIGNED in restored.tags)


def _earlier(mlflow: MlflowClient, champion: Version, state: Path) -> tuple[Version, list[str]]:
    broken: list[str] = []
    for version in _past(mlflow, champion):
        try:
            catalogue.prove(catalogue.fetch(mlflow, version, state))
        except RegistryError as error:
            broken.append(f"{version}: {error}")
            continue
        return version, broken
    message = f"{champion} has no champion before it to go back to; it stays in use, and nothing was changed"
    if broken:
        message += f". Passed over: {'; '.join(broken)}"
    raise NothingToRestoreError(message, "mend data or params and run make nightly: a better version replaces it")


def _past(mlflow: MlflowClient, champion: Version) -> list[Version]:
    """Earlier champions that were not rejected, the latest first."""
    known = catalogue.versions(mlflow, champion.family)
    rejected = {version.digest for version in known if REJECTED in version.tags}
    limit = champion.tags.get(CHAMPION_SINCE, "~")  # moved by hand, it has no time: then all others lie before it
    past = [
        version
        for version in known
        if "" < version.tags.get(CHAMPION_SINCE, "") < limit
        and version.number != champion.number
        and version.digest not in rejected | {champion.digest}
    ]
    return sorted(past, key=lambda version: version.tags[CHAMPION_SINCE], reverse=True)


def _write(mlflow: MlflowClient, champion: Version, target: Version, reason: str) -> None:
    """The acts, in an order in which a kill between any two is mended by the next rollback."""
    family, at = champion.family, catalogue.now()
    begun = {"rejected": champion.number, "restored": target.number, "at": at}
    mlflow.set_registered_model_tag(family, ROLLBACK, json.dumps(begun))
    hold = Hold(reason, at, champion.number)
    mlflow.set_registered_model_tag(family, HOLD, json.dumps(asdict(hold), ensure_ascii=False))
    catalogue.tag_version(mlflow, champion, {REJECTED_WHY: reason, REJECTED: at})
    catalogue.tag_version(mlflow, target, {RESTORED: at})
    mlflow.set_registered_model_alias(family, CHAMPION, str(target.number))
    mlflow.delete_registered_model_tag(family, ROLLBACK)
