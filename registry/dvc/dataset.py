"""Content of datasets.dvc, datasets/ and DVC's cache, read without DVC's command line.

A call of the command line takes 0.6 s; this module reads the files directly and changes nothing.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from common.commands import python
from registry.dvc.faults import is_committed
from registry.dvc.records import DATA, VERSION, check_md5, parse_listing, read_out

if TYPE_CHECKING:
    from collections.abc import Iterable

INGEST = f"{python()} -m flows ingest faces PATH"


@dataclass(frozen=True)
class DatasetVersion:
    """The version in datasets.dvc; empty if there is none."""

    md5: str = ""
    size_bytes: int = 0
    files: int = 0
    starter: bool = False


def read_version(root: Path) -> DatasetVersion:
    """The version in datasets.dvc.

    Raises:
        VersionError: See `registry.dvc.records.read_out`.
    """
    if not (out := read_out(root)):
        return DatasetVersion()
    return DatasetVersion(out["md5"], out.get("size", 0), out.get("nfiles", 0), bool(out["meta"].get("starter")))


def first_version(root: Path) -> str:
    """Command that brings a missing datasets.dvc back, or makes the first one if HEAD has none."""
    if is_committed(root, VERSION):
        return f"git checkout HEAD -- {VERSION}"
    return f"{INGEST}   # the first; one that was lost: git log -- {VERSION}"


def read_text(root: Path) -> str:
    """Content of datasets.dvc; empty if there is none."""
    path = root / VERSION
    return path.read_text(encoding="utf-8") if path.exists() else ""


def object_path(cache: Path, md5: str) -> Path:
    """Path in the cache of the object with an md5.

    Raises:
        VersionError: The md5 is not one; a path in its place would lead out of the cache.
    """
    check_md5(md5, "an object of the cache")
    return cache / md5[:2] / md5[2:]


def listing_of(cache: Path, md5: str) -> dict[str, str] | None:
    """Path -> md5 of every file of a version; None if its list is not in the cache.

    Raises:
        VersionError: See `registry.dvc.records.parse_listing`.
    """
    if not md5:
        return None
    try:
        return parse_listing(object_path(cache, md5).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError):
        return None


def missing_of(root: Path, version: DatasetVersion, listing: dict[str, str] | None) -> list[str]:
    """Files of the version that are missing in datasets/; judged by number and bytes if the list is unknown."""
    if listing is not None:
        return [name for name in listing if not (root / DATA / name).is_file()]
    sizes = [path.stat().st_size for path in files_of(root)]
    complete = len(sizes) >= version.files and sum(sizes) >= version.size_bytes
    return [] if complete and sizes else ["?"] * max(version.files - len(sizes), 1)


def is_cached(cache: Path, listing: dict[str, str] | None, names: Iterable[str]) -> bool:
    """True if the cache has all of these files of a version."""
    return listing is not None and all(object_path(cache, listing[name]).is_file() for name in names)


def files_of(root: Path) -> list[Path]:
    """All files in datasets/."""
    folders = os.walk(root / DATA)
    return [Path(folder) / name for folder, _, names in folders for name in names if (Path(folder) / name).is_file()]


def has_files(root: Path) -> bool:
    """True if datasets/ has any file."""
    return any(names for _, _, names in os.walk(root / DATA))


def has_real_sources(root: Path) -> bool:
    """True if any data in datasets/ are not the starter's, according to their source.json."""
    sources = {path.parent for path in files_of(root) if len(path.relative_to(root / DATA).parts) > 2}  # noqa: PLR2004  # deeper than a collection's own files
    tops = {root / DATA / Path(*path.relative_to(root / DATA).parts[:2]) for path in sources}
    return any(not _is_starter(folder) for folder in tops)


def _is_starter(source: Path) -> bool:
    try:
        info: Any = json.loads((source / "source.json").read_text(encoding="utf-8"))
        return bool(info["starter"])
    except (OSError, ValueError, KeyError, TypeError):
        return False


def md5_of(path: Path) -> str:
    """The md5 of a file, as DVC computes it."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
