"""Registered models in MLflow: versions with their tags, champion, hold, files."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import tempfile
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, ValidationError

from common.commands import python
from registry.mlflow.runs import DIGEST, FAMILY, RegistryError, transient
from rushes.bundle.manifest import BundleError, read_bundle
from rushes.inference.session import example_feed, open_graph

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

    from rushes.bundle.manifest import Bundle

CHAMPION = "champion"  # the alias
CHAMPION_SINCE = "rushes.champion_since"  # on a version: time when it last became champion
RESTORED = "rushes.restored"  # on a version: time when a rollback restored it
REJECTED = "rushes.rejected"  # on a version: time when it was rolled back; never promoted again
REJECTED_WHY = "rushes.rejected_why"
REASONS = "rushes.reasons"  # on a version: reasons of the last decision, one a line
HOLD = "rushes.hold"  # on a model: JSON of Hold
CHAMPIONS = "rushes.champions"  # on a model: JSON of Log
BEFORE = "rushes.champion_before"  # on a version: the champion that it was compared with
DECISION = "rushes.decision"  # on a version: the last decision
DECIDED_ON = "rushes.settled"  # on a version: hash of everything that the decision depends on
ROLLBACK = "rushes.rollback"  # on a model: JSON of the rollback in progress
RELEASED = "rushes.released"  # on a model: time and hold of the last release
SIGNED = "rushes.signed_by"  # on a version: fingerprint of the key of its signature
PAGE = 200
_DIGEST = re.compile(r"[0-9a-f]{64}")  # used as a folder name


@dataclass(frozen=True)
class Version:
    """A registered version; all its figures and reasons are in its tags."""

    family: str
    number: int
    run_id: str
    source: str
    tags: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        """Its name in messages."""
        return f"{self.family} v{self.number}"

    @property
    def digest(self) -> str:
        """Digest of its bundle."""
        return self.tags.get(DIGEST, "")


class _Tag(BaseModel):
    """Content of a tag of a model; other versions of this software may add fields."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class Hold(_Tag):
    """A hold on a family: runs register, but its alias does not move."""

    reason: str
    since: str
    rejected: int

    def __str__(self) -> str:
        """As a text for a table or a notification."""
        return f"on hold{' since ' if self.since else ''}{self.since}: {self.reason}"


class Begun(_Tag):
    """A rollback in progress."""

    rejected: int
    restored: int
    at: str = ""


class AliasLog(_Tag):
    """The champions in their order, and the last move of the alias.

    Attributes:
        history: Numbers of versions, the first champion first.
        to: Target of the last move of the alias.
        act: Kind of the last move, "promotion" or "rollback".
        token: Unique token of that move.
        owner: Owner of that move: machine, process and its start.
        done: True if the alias may be moved by the next one.
    """

    history: list[int] = []
    to: int | None = None
    act: str = "promotion"
    token: str = ""
    owner: str = ""
    done: bool = True


@dataclass(frozen=True)
class Standing:
    """State of a family in the registry.

    Attributes:
        family: The family.
        exists: True if the registry has a model of that name.
        champion: Target of the alias.
        hold: The reason why the alias does not move; also set if a tag cannot be read.
        tags: Tags of the model.
        log: The history and the last move.
        last: If the alias is missing: the last champion of the history that still exists and was not rejected.
        unreadable: Tags that cannot be read.
    """

    family: str
    exists: bool
    champion: Version | None
    hold: Hold | None
    tags: Mapping[str, str] = field(default_factory=dict)
    log: AliasLog = field(default_factory=AliasLog)
    last: Version | None = None
    unreadable: tuple[str, ...] = ()

    @property
    def incumbent(self) -> Version | None:
        """The version that a challenger has to beat."""
        return self.champion or self.last


def now() -> str:
    """The time in UTC, for people: clocks differ, so nothing is ordered by it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def standing(mlflow: MlflowClient, family: str, known: Iterable[Version | None] = ()) -> Standing:
    """The champion of a family, its hold, if any, and its history.

    Args:
        mlflow: The client.
        family: The family.
        known: Versions read before. If the champion is one, it is not read again, so its tags may be outdated.
    """
    from mlflow.exceptions import MlflowException  # noqa: PLC0415  # MLflow takes seconds to import

    try:
        model = mlflow.get_registered_model(family)
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        return Standing(family, exists=False, champion=None, hold=None)
    tags = dict(model.tags)
    number = model.aliases.get(CHAMPION)
    champion = next((version for version in known if version and str(version.number) == str(number)), None)
    if champion is None and number is not None:
        champion = find_version(mlflow, family, int(number))
    hold, log, begun = read_tag(tags, HOLD, Hold), read_tag(tags, CHAMPIONS, AliasLog), read_tag(tags, ROLLBACK, Begun)
    unreadable = tuple(name for name, found in ((HOLD, hold), (CHAMPIONS, log), (ROLLBACK, begun)) if found is False)
    log, last = _history(mlflow, family, log or None, champion)
    if unreadable:
        hold = Hold(reason=f"the tag {' and '.join(unreadable)} of the model cannot be read", since="", rejected=0)
    return Standing(family, True, champion, hold or None, tags, log, last, unreadable)


def read_tag(tags: Mapping[str, str], name: str, kind: type[Any]) -> Any:  # noqa: ANN401  an instance of `kind`
    """Content of a tag: None if it is missing or empty, False if it cannot be read."""
    if not tags.get(name):
        return None
    try:
        return kind.model_validate_json(tags[name])
    except ValidationError:
        return False


def read_json(tags: Mapping[str, str], name: str) -> dict[str, Any]:
    """A table in a tag; empty if the tag is missing or cannot be read."""
    with contextlib.suppress(ValueError):
        found = json.loads(tags.get(name) or "{}")
        return found if isinstance(found, dict) else {}
    return {}


def number_of(tags: Mapping[str, str], name: str) -> int | None:
    """The number of a version in a tag; None if the tag has none."""
    text = tags.get(name, "")
    return int(text) if text.isascii() and text.isdigit() else None


def _history(
    mlflow: MlflowClient, family: str, log: AliasLog | None, champion: Version | None
) -> tuple[AliasLog, Version | None]:
    """The history, derived from the versions if the model has none, and the last champion if none is in use."""
    if log is not None and (champion is not None or not log.history):
        return log, None
    known = {version.number: version for version in versions(mlflow, family)}
    log = log or AliasLog(history=_derived(known))
    if champion is not None:
        return log, None
    rejected = {version.digest for version in known.values() if REJECTED in version.tags}
    left = [known[number] for number in log.history if number in known and known[number].digest not in rejected]
    return log, left[-1] if left else None


def _derived(known: Mapping[int, Version]) -> list[int]:
    """The champions in the order of `rushes.champion_before`, for a registry without a list of them."""
    before = {number: number_of(version.tags, BEFORE) for number, version in known.items()}
    was = {number for number, one in known.items() if CHAMPION_SINCE in one.tags and one.tags.get(DECIDED_ON)}
    found = was | {number for number in before.values() if number}

    def depth(number: int) -> int:
        steps, seen = 0, {number}
        while (link := before.get(number) if number in was else None) and link not in seen:
            seen.add(link)
            number, steps = link, steps + 1
        return steps

    return sorted(found, key=lambda number: (depth(number), number))


def families(mlflow: MlflowClient) -> list[str]:
    """Names of our registered models, sorted; a team's registry may have others."""
    names: list[str] = []
    token = None
    while True:
        page = mlflow.search_registered_models(max_results=PAGE, page_token=token)
        names += [model.name for model in page if FAMILY in model.tags]
        token = page.token
        if not token:
            return sorted(names)


def ensure_model(mlflow: MlflowClient, family: str) -> None:
    """Creates the registered model of a family if it does not exist, with an empty history.

    Raises:
        RegistryError: A prompt has that name.
    """
    from mlflow.exceptions import MlflowException  # noqa: PLC0415  # MLflow takes seconds to import

    tags = {FAMILY: family, CHAMPIONS: AliasLog().model_dump_json()}
    try:
        mlflow.create_registered_model(family, tags, f"The {family} models of Rushes; see mlflow/README.md")
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
        if not standing(mlflow, family).exists:  # MLflow hides prompts among models, but they share their names
            message = f"MLflow has a prompt called {family}, so it cannot have a model of that name"
            raise RegistryError(message, "delete the prompt in MLflow's pages, then: make nightly") from error


def read_version(mlflow: MlflowClient, family: str, number: int) -> Version:
    """One version."""
    return version_of(mlflow.get_model_version(family, str(number)))


def find_version(mlflow: MlflowClient, family: str, number: int) -> Version | None:
    """One version; None if it was deleted."""
    from mlflow.exceptions import MlflowException  # noqa: PLC0415  # MLflow takes seconds to import

    try:
        return read_version(mlflow, family, number)
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        return None


def versions(mlflow: MlflowClient, family: str, digest: str = "") -> list[Version]:
    """The versions of a family, the newest first; with a digest only those of that bundle."""
    condition = f"name = '{family}'" + (f" AND tags.`{DIGEST}` = '{digest}'" if digest else "")
    found: list[Version] = []
    token = None
    while True:
        page = mlflow.search_model_versions(condition, max_results=PAGE, page_token=token)
        found += [version_of(version) for version in page]
        token = page.token
        if not token:
            return sorted(found, key=lambda version: -version.number)


def version_of(found: ModelVersion) -> Version:
    """Converts a version of MLflow's client."""
    return Version(found.name, int(found.version), str(found.run_id or ""), str(found.source), dict(found.tags))


def tag_version(mlflow: MlflowClient, version: Version, tags: Mapping[str, str]) -> Version:
    """Sets the tags of a version that differ, and returns it with them."""
    for key, value in tags.items():
        if version.tags.get(key) != value:
            mlflow.set_model_version_tag(version.family, str(version.number), key, value)
    return replace(version, tags={**version.tags, **tags})


def fetch(mlflow: MlflowClient, version: Version, state: Path) -> Bundle:
    """Downloads the bundle of a version through its server, once, and checks every hash.

    Args:
        mlflow: The client.
        version: The version.
        state: The local state folder; bundles are in champions/FAMILY/DIGEST.

    Raises:
        RegistryError: Its files are gone or damaged.
    """
    if version.digest and not _DIGEST.fullmatch(version.digest):
        message = f"{version} has the invalid digest {version.digest[:80]!r}: its tag was changed"
        raise RegistryError(message, _way_back(version))
    folder = state / "champions" / version.family / (version.digest or f"v{version.number}")
    kept = _kept(folder, version.digest)
    if kept is not None:
        return kept
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as draft:
        bundle = _checked(version, _download(mlflow, version, Path(draft)))
        try:
            bundle.folder.rename(folder)
        except OSError:  # a concurrent run or rollback was faster
            if _kept(folder, version.digest) is None:
                raise
    return read_bundle(folder)


def _kept(folder: Path, digest: str) -> Bundle | None:
    """The bundle that was fetched before; a damaged or different one is removed."""
    if not folder.is_dir():
        return None
    with contextlib.suppress(BundleError):
        bundle = read_bundle(folder)
        if bundle.digest == (digest or bundle.digest):
            return bundle
    shutil.rmtree(folder)
    return None


def _download(mlflow: MlflowClient, version: Version, draft: Path) -> Path:
    from mlflow.artifacts import download_artifacts  # noqa: PLC0415  # MLflow takes seconds to import
    from mlflow.exceptions import MlflowException  # noqa: PLC0415  # MLflow takes seconds to import

    try:
        uri = mlflow.tracking_uri
        return Path(download_artifacts(artifact_uri=version.source, dst_path=str(draft), tracking_uri=uri))
    except (MlflowException, OSError) as error:
        if transient(error):
            raise
        message = f"the files of {version} cannot be fetched: {error}"
        raise RegistryError(message, _way_back(version)) from error


def _checked(version: Version, folder: Path) -> Bundle:
    try:
        bundle = read_bundle(folder)
    except BundleError as error:
        message = f"the bundle of {version} is damaged: {error}"
        raise RegistryError(message, _way_back(version)) from error
    if version.digest and bundle.digest != version.digest:
        message = f"the bundle of {version} is {bundle.digest[:12]}, but it was registered as {version.digest[:12]}"
        raise RegistryError(message, _way_back(version))
    return bundle


def _way_back(version: Version) -> str:
    return f'{python()} -m flows rollback {version.family} --reason "its files are damaged"'


def prove(bundle: Bundle) -> None:
    """Loads every graph of a bundle and runs one sample through it.

    Raises:
        RegistryError: One does not load or run.
    """
    for name, path in bundle.graphs.items():
        try:
            session = open_graph(path)
            session.run(None, example_feed(session))
        except Exception as error:  # ONNX Runtime's errors have no other common base
            message = f"{name} of the bundle {bundle.digest[:12]} does not run: {error}"
            raise RegistryError(message) from error


def rejection_of(version: Version) -> str:
    """One sentence with the time and reason of a version's rollback."""
    return f"{version} was rejected on {version.tags[REJECTED]}: {version.tags.get(REJECTED_WHY, '')}; it stays so"


def reasons_of(version: Version) -> list[str]:
    """The reasons that the last decision recorded."""
    return [line for line in version.tags.get(REASONS, "").splitlines() if line]
