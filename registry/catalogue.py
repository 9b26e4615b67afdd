"""The registered models as MLflow has them: versions with their tags, who is champion, what is on hold, the files."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import tempfile
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from registry.command import python
from registry.tracking import DIGEST, FAMILY, RegistryError, transient
from rushes.bundle import BundleError, read_bundle
from rushes.latency import example_feed, open_graph

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

    from rushes.bundle import Bundle

CHAMPION = "champion"  # the alias
CHAMPION_SINCE = "rushes.champion_since"  # on a version: when it last became champion
RESTORED = "rushes.restored"  # on a version: when a rollback brought it back
REJECTED = "rushes.rejected"  # on a version: when it was rolled back; never promoted again
REJECTED_WHY = "rushes.rejected_why"
HOLD = "rushes.hold"  # on a model: JSON of Hold
ROLLBACK = "rushes.rollback"  # on a model: JSON of the rollback that is under way
RELEASED = "rushes.released"  # on a model: when, and which hold, the last release ended
SIGNED = "rushes.signed_by"  # on a version: the fingerprint of the key that its certificate is signed with
PAGE = 200
_DIGEST = re.compile(r"[0-9a-f]{64}")  # it becomes the name of a folder


@dataclass(frozen=True)
class Version:
    """A registered version; every figure and reason stands in its tags."""

    family: str
    number: int
    run_id: str
    source: str
    tags: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        """As people call it."""
        return f"{self.family} v{self.number}"

    @property
    def digest(self) -> str:
        """Of its bundle."""
        return self.tags.get(DIGEST, "")


@dataclass(frozen=True)
class Hold:
    """Why a family's alias does not move: nightlies register, and that is all."""

    reason: str
    since: str
    rejected: int

    def __str__(self) -> str:
        """For a table or a pager."""
        return f"on hold since {self.since}: {self.reason}"


@dataclass(frozen=True)
class Standing:
    """Where a family stands in the registry."""

    family: str
    exists: bool
    champion: Version | None
    hold: Hold | None
    tags: Mapping[str, str] = field(default_factory=dict)


def now() -> str:
    """The time in UTC, as the tags have it: sorts as text."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def standing(mlflow: MlflowClient, family: str) -> Standing:
    """The champion of a family and its hold, if any."""
    from mlflow.exceptions import MlflowException  # noqa: PLC0415  # MLflow takes seconds to import

    try:
        model = mlflow.get_registered_model(family)
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        return Standing(family, exists=False, champion=None, hold=None)
    tags = dict(model.tags)
    number = model.aliases.get(CHAMPION)
    champion = None if number is None else read_version(mlflow, family, int(number))
    hold = Hold(**json.loads(tags[HOLD])) if tags.get(HOLD) else None
    return Standing(family, exists=True, champion=champion, hold=hold, tags=tags)


def families(mlflow: MlflowClient) -> list[str]:
    """The names of the models that we registered, sorted; a team's registry may hold others."""
    names: list[str] = []
    token = None
    while True:
        page = mlflow.search_registered_models(max_results=PAGE, page_token=token)
        names += [model.name for model in page if FAMILY in model.tags]
        token = page.token
        if not token:
            return sorted(names)


def ensure_model(mlflow: MlflowClient, family: str) -> None:
    """Makes the registered model of a family unless it is there."""
    from mlflow.exceptions import MlflowException  # noqa: PLC0415  # MLflow takes seconds to import

    try:
        mlflow.create_registered_model(family, {FAMILY: family}, f"The {family} models of Rushes; see mlflow/README.md")
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise


def read_version(mlflow: MlflowClient, family: str, number: int) -> Version:
    """One version."""
    return _version(mlflow.get_model_version(family, str(number)))


def versions(mlflow: MlflowClient, family: str, digest: str = "") -> list[Version]:
    """The versions of a family, the newest first; with a digest only those of that bundle."""
    condition = f"name = '{family}'" + (f" AND tags.`{DIGEST}` = '{digest}'" if digest else "")
    found: list[Version] = []
    token = None
    while True:
        page = mlflow.search_model_versions(condition, max_results=PAGE, page_token=token)
        found += [_version(version) for version in page]
        token = page.token
        if not token:
            return sorted(found, key=lambda version: -version.number)


def _version(found: ModelVersion) -> Version:
    return Version(found.name, int(found.version), str(found.run_id or ""), str(found.source), dict(found.tags))


def tag_version(mlflow: MlflowClient, version: Version, tags: Mapping[str, str]) -> None:
    """Sets those tags of a version that it does not have so already."""
    for key, value in tags.items():
        if version.tags.get(key) != value:
            mlflow.set_model_version_tag(version.family, str(version.number), key, value)


def fetch(mlflow: MlflowClient, version: Version, state: Path) -> Bundle:
    """Downloads the bundle of a version through its server, once, and checks every hash.

    Args:
        mlflow: The client.
        version: Which.
        state: The folder of what this machine keeps; bundles lie in champions/FAMILY/DIGEST.

    Raises:
        RegistryError: Its files are gone or damaged.
    """
    if version.digest and not _DIGEST.fullmatch(version.digest):
        message = f"{version} is said to have the digest {version.digest[:80]!r}, which is none: its tag was changed"
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
        except OSError:  # a night and a rollback at once: the other one was faster
            if _kept(folder, version.digest) is None:
                raise
    return read_bundle(folder)


def _kept(folder: Path, digest: str) -> Bundle | None:
    """The bundle that was fetched before; what is damaged, or another one, is taken away."""
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
        except Exception as error:  # ONNX Runtime's errors have no common base but this
            message = f"{name} of the bundle {bundle.digest[:12]} does not run: {error}"
            raise RegistryError(message, "restore another version, or register a new one: make nightly") from error
