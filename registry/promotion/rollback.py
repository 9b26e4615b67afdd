"""Champions past and present, and the way back: rollback, hold, release.

The history is a list on the model, `rushes.champions`; an older registry has the chain of `rushes.champion_before` on
its versions. A rollback restores the last entry before the champion that still exists and was not rejected. Clocks do
not matter.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from common.settings import load_settings
from registry.mlflow import model_versions, runs
from registry.mlflow.artifacts import log_signature
from registry.mlflow.model_versions import (
    CHAMPION,
    CHAMPION_SINCE,
    HOLD,
    REJECTED,
    REJECTED_WHY,
    RELEASED,
    RESTORED,
    ROLLBACK,
    SIGNED,
    Begun,
)
from registry.mlflow.model_versions import Hold as Hold  # noqa: PLC0414  part of this file's interface
from registry.mlflow.runs import RegistryError
from registry.promotion import alias_moves
from registry.signing import load_signer
from rushes.errors import NOTHING_FITS
from rushes.suggest import did_you_mean

if TYPE_CHECKING:
    from pathlib import Path

    from mlflow import MlflowClient

    from registry.mlflow.model_versions import Standing, Version


class NothingToRestoreError(RegistryError):
    """Raised if there is no earlier version to go back to; nothing was changed."""

    default_exit_status = NOTHING_FITS


@dataclass(frozen=True)
class Champion:
    """The version of a family in use. `version` is None if nothing was ever promoted."""

    family: str
    version: int | None
    digest: str
    since: str
    hold: Hold | None


@dataclass(frozen=True)
class Rollback:
    """Result of a rollback.

    Attributes:
        broken: Earlier champions that were skipped because they did not load.
        is_signed: True if the restored version has a signature; machines that require one accept nothing else.
    """

    family: str
    rejected: int
    restored: int
    broken: list[str]
    is_signed: bool


def champions(mlflow: MlflowClient | None = None) -> list[Champion]:
    """Every family in the registry with its champion and its hold."""
    mlflow = mlflow or runs.client()
    return [_champion(model_versions.standing(mlflow, family)) for family in model_versions.families(mlflow)]


def _champion(standing: Standing) -> Champion:
    if standing.champion is None:
        return Champion(standing.family, None, "", "", standing.hold)
    tags = standing.champion.tags
    since = max(tags.get(CHAMPION_SINCE, ""), tags.get(RESTORED, ""))
    return Champion(standing.family, standing.champion.number, standing.champion.digest, since, standing.hold)


def on_hold(family: str, mlflow: MlflowClient | None = None) -> Hold | None:
    """The hold on a family, or None."""
    return model_versions.standing(mlflow or runs.client(), family).hold


def release(family: str, mlflow: MlflowClient | None = None) -> Hold | None:
    """Ends the hold: the next run may move the champion again.

    An unreadable tag holds a family as well, and is removed.

    Returns:
        The hold that was ended; None if there was none.

    Raises:
        NothingToRestoreError: The registry has no such family.
    """
    mlflow = mlflow or runs.client()
    standing = _known(mlflow, family)
    if standing.hold is not None:
        ended = {"at": model_versions.now(), **standing.hold.model_dump()}
        mlflow.set_registered_model_tag(family, RELEASED, json.dumps(ended))
        for name in dict.fromkeys([*standing.unreadable, *([HOLD] if HOLD in standing.tags else [])]):
            mlflow.delete_registered_model_tag(family, name)
    return standing.hold


def rollback(family: str, reason: str, mlflow: MlflowClient | None = None, state: Path | None = None) -> Rollback:
    """Rejects the champion for good, puts its family on hold and restores the previous champion.

    The restored version is fetched, checked and run first. If no version can be restored, nothing is changed: the alias
    stays and the family is not held, so that the next run may still replace the bad champion. A rollback that was
    killed is finished by the next one, which then takes no second step back.

    Args:
        family: The family.
        reason: For later readers of the registry.
        mlflow: A client; that of the environment if omitted.
        state: Folder of fetched bundles; that of the settings if omitted.

    Raises:
        NothingToRestoreError: There is no champion, or no earlier one that still loads.
        ValueError: The reason is empty.
    """
    if not reason.strip():
        message = "a rollback needs a reason: it is all that later readers of the registry have"
        raise ValueError(message)
    mlflow = mlflow or runs.client()
    standing = _known(mlflow, family)
    done = _finished(mlflow, standing)
    if done is not None:
        return done
    champion = _champion_of(standing)
    state = state or load_settings().state
    target, broken = _earlier(mlflow, standing, champion, state)
    _sign_again(mlflow, target, state)  # before the alias moves, so that a kill in between changes nothing visible
    _write(mlflow, standing, champion, target, reason.strip())
    return Rollback(family, champion.number, target.number, broken, SIGNED in target.tags)


def _known(mlflow: MlflowClient, family: str) -> Standing:
    standing = alias_moves.repaired(mlflow, family)
    if not standing.exists:
        known = model_versions.families(mlflow)
        there = ", ".join(known) or "none yet"
        message = f"the registry has no model {family!r}; there are: {there}.{did_you_mean(family, known)}"
        raise NothingToRestoreError(message, "make nightly registers a first version")
    return standing


def _champion_of(standing: Standing) -> Version:
    if standing.champion is not None:
        return standing.champion
    if standing.last is not None:
        message = f"{standing.family} has no champion: its alias is missing. {standing.last} was the last champion"
        raise NothingToRestoreError(message, by_hand(standing.last.number))
    message = f"{standing.family} has no champion: there is nothing to roll back"
    raise NothingToRestoreError(message, "make nightly promotes a first one if its floors hold")


def by_hand(number: int | str) -> str:
    """Instruction for a person to make a version champion."""
    return f"open version {number} in MLflow's pages and give it the alias {CHAMPION}"


def _finished(mlflow: MlflowClient, standing: Standing) -> Rollback | None:
    """Ends a rollback that was killed after it had moved the alias."""
    begun: Begun | None = model_versions.read_tag(standing.tags, ROLLBACK, Begun) or None
    if begun is None or standing.champion is None or standing.champion.number != begun.restored:
        return None  # killed before the alias moved: repeat it all; or others have moved it since: a new one
    mlflow.delete_registered_model_tag(standing.family, ROLLBACK)
    restored = standing.champion
    return Rollback(standing.family, begun.rejected, restored.number, [], SIGNED in restored.tags)


def _earlier(mlflow: MlflowClient, standing: Standing, champion: Version, state: Path) -> tuple[Version, list[str]]:
    broken: list[str] = []
    for version in _past(mlflow, standing, champion):
        try:
            model_versions.prove(model_versions.fetch(mlflow, version, state))
        except RegistryError as error:
            broken.append(f"{version}: {error}")
            continue
        return version, broken
    message = f"{champion} has no champion before it to go back to; it stays in use, and nothing was changed"
    if broken:
        message += f". Skipped: {'; '.join(broken)}"
    raise NothingToRestoreError(message, _way_on(mlflow, champion, state))


def _way_on(mlflow: MlflowClient, champion: Version, state: Path) -> str:
    """Remedy for a champion without a predecessor: if its files are damaged, no later version is compared with it."""
    try:
        model_versions.prove(model_versions.fetch(mlflow, champion, state))
    except RegistryError:
        later = [one for one in model_versions.versions(mlflow, champion.family) if one.digest != champion.digest]
        usable = [one.number for one in later if REJECTED not in one.tags]
        return f"its files are damaged: {by_hand(max(usable)) if usable else 'make nightly, then try this again'}"
    return "fix data or params and run make nightly: a better version replaces it"


def _sign_again(mlflow: MlflowClient, target: Version, state: Path) -> None:
    """Renews the signature of the restored version: consumers that have seen a newer signature then go back to it.

    Only if this very key has signed it before: the files in the registry may have been changed, and must not be signed
    unseen.
    """
    signer = load_signer(load_settings())
    if signer is None or target.tags.get(SIGNED) != signer.fingerprint:
        return
    bundle = model_versions.fetch(mlflow, target, state)
    if signer.has_signed(bundle):
        log_signature(mlflow, target.run_id, bundle, signer, target.number, model_versions.now())


def _past(mlflow: MlflowClient, standing: Standing, champion: Version) -> list[Version]:
    """Earlier champions that exist and were not rejected, the latest first."""
    known = {version.number: version for version in model_versions.versions(mlflow, champion.family)}
    never = {version.digest for version in known.values() if REJECTED in version.tags} | {champion.digest}
    earlier = alias_moves.extended(standing.log.history, champion)[:-1]
    past = [known[number] for number in dict.fromkeys(reversed(earlier)) if number in known]
    return [version for version in past if version.digest not in never]


def _write(mlflow: MlflowClient, standing: Standing, champion: Version, target: Version, reason: str) -> None:
    """Executes a rollback, in an order in which the next rollback repairs a kill between any two actions."""
    family, at = champion.family, model_versions.now()
    begun = Begun(rejected=champion.number, restored=target.number, at=at)
    mlflow.set_registered_model_tag(family, ROLLBACK, begun.model_dump_json())
    hold = Hold(reason=reason, since=at, rejected=champion.number)
    mlflow.set_registered_model_tag(family, HOLD, hold.model_dump_json())
    model_versions.tag_version(mlflow, champion, {REJECTED_WHY: reason, REJECTED: at})
    model_versions.tag_version(mlflow, target, {RESTORED: at})
    alias_moves.restore(mlflow, standing, target.number)
    mlflow.delete_registered_model_tag(family, ROLLBACK)
