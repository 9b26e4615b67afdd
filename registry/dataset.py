"""What datasets.dvc names, and what lies in datasets/ and in DVC's cache: looked at without DVC's command line.

Asking that would cost 0.6 s each time; nothing is changed here.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from collections.abc import Iterable

DATA, VERSION = "datasets", "datasets.dvc"


class VersionError(RuntimeError):
    """The data cannot be versioned or fetched; `remedy` is a command that mends it. `transient`: worth a retry."""

    def __init__(self, message: str, remedy: str, *, transient: bool = False) -> None:
        super().__init__(message)
        self.remedy = remedy
        self.transient = transient


@dataclass(frozen=True)
class Version:
    """What datasets.dvc says; nothing where there is none."""

    md5: str = ""
    size_bytes: int = 0
    files: int = 0
    starter: bool = False


@dataclass(frozen=True)
class Config:
    """What DVC's merged configuration says."""

    cache: Path  # the folder of the cache's objects
    remote: str  # name of the default remote, "" where there is none
    url: str


def read_version(root: Path) -> Version:
    """What datasets.dvc says.

    Raises:
        VersionError: It is no YAML of DVC's.
    """
    if not (root / VERSION).exists():
        return Version()
    try:
        document = yaml.safe_load(read_text(root))
        out = document["outs"][0]
        meta = document.get("meta") or {}
        return Version(out["md5"], out.get("size", 0), out.get("nfiles", 0), bool(meta.get("starter")))
    except (yaml.YAMLError, KeyError, IndexError, TypeError, AttributeError) as error:
        message = f"{VERSION} cannot be read (a merge that was not finished?)"
        raise VersionError(message, f"git checkout HEAD -- {VERSION}") from error


def read_text(root: Path) -> str:
    """datasets.dvc as it stands; empty where there is none."""
    path = root / VERSION
    return path.read_text(encoding="utf-8") if path.exists() else ""


def read_config(root: Path) -> Config:
    """DVC's configuration, of all its levels.

    Raises:
        VersionError: There is no git repository here, or DVC cannot read its configuration.
    """
    from dvc.config import Config as Merged  # noqa: PLC0415 - not needed to start
    from dvc.config import ConfigError  # noqa: PLC0415  # not needed to start

    if not (root / ".git").exists():
        message = f"{root} is no git repository, and without one DVC keeps no versions"
        raise VersionError(message, "git init")
    try:
        found = Merged(str(root / ".dvc"))
    except ConfigError as error:
        raise VersionError(str(error), "git checkout HEAD -- .dvc/config") from error
    name = found["core"].get("remote", "")
    cache = root / ".dvc" / found["cache"].get("dir", "cache") / "files" / "md5"
    return Config(cache, name, found["remote"].get(name, {}).get("url", ""))


def object_path(cache: Path, md5: str) -> Path:
    """Where the cache keeps what has that md5."""
    return cache / md5[:2] / md5[2:]


def listing_of(cache: Path, md5: str) -> dict[str, str] | None:
    """Path -> md5 of every file of a version; None where the cache does not hold the list."""
    try:
        entries = json.loads(object_path(cache, md5).read_text(encoding="utf-8"))
        return {entry["relpath"]: entry["md5"] for entry in entries}
    except (OSError, ValueError, KeyError, TypeError):
        return None


def missing_of(root: Path, version: Version, listing: dict[str, str] | None) -> list[str]:
    """Files of the version that do not lie in datasets/; by their number and bytes where the list is not known."""
    if listing is not None:
        return [name for name in listing if not (root / DATA / name).is_file()]
    sizes = [path.stat().st_size for path in files_of(root)]
    complete = len(sizes) >= version.files and sum(sizes) >= version.size_bytes
    return [] if complete and sizes else ["?"] * max(version.files - len(sizes), 1)


def is_cached(cache: Path, listing: dict[str, str] | None, names: Iterable[str]) -> bool:
    """Whether the cache holds all of these files of a version."""
    return listing is not None and all(object_path(cache, listing[name]).is_file() for name in names)


def files_of(root: Path) -> list[Path]:
    """Every file in datasets/."""
    folders = os.walk(root / DATA)
    return [Path(folder) / name for folder, _, names in folders for name in names if (Path(folder) / name).is_file()]


def has_files(root: Path) -> bool:
    """Whether there is any."""
    return any(names for _, _, names in os.walk(root / DATA))


def has_real_sources(root: Path) -> bool:
    """Some data in datasets/ is not the starter's: a source says so, or says nothing."""
    sources = {path.parent for path in files_of(root) if len(path.relative_to(root / DATA).parts) > 2}  # noqa: PLR2004  # deeper than a collection's own files
    tops = {root / DATA / Path(*path.relative_to(root / DATA).parts[:2]) for path in sources}
    return any(not _says_starter(folder) for folder in tops)


def _says_starter(source: Path) -> bool:
    try:
        said: Any = json.loads((source / "source.json").read_text(encoding="utf-8"))
        return bool(said["starter"])
    except (OSError, ValueError, KeyError, TypeError):
        return False


def md5_of(path: Path) -> str:
    """The md5 of a file, as DVC counts it."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
