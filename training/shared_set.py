"""A packed set on the shared storage, for nodes that do not mount the checkout.

    STORAGE/sets/FAMILY/DIGEST/FILE

A node reads a folder where it is; from S3 it copies the files once, and its processes map the same copy into memory.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from rushes.errors import MisuseError
from training import storage
from training.retention import MARK, mark_used, remove_unused

if TYPE_CHECKING:
    from curation.store.sample_set import SampleSet
    from training.storage import Place

DIGITS = 16
BLOCK_BYTES = 1 << 20


@dataclass(frozen=True)
class SharedSet:
    """A set that is on the storage.

    Attributes:
        folder: Its place there.
        digest: Digest of all its files.
        names: Names of its files.
        keep_days: Days that a node keeps its copy of another set.
    """

    folder: Place
    digest: str
    names: tuple[str, ...]
    keep_days: int


def publish(samples: SampleSet, family: str, place: Place, keep_days: int) -> SharedSet:
    """Puts a set on the storage, unless it is there; `retention` removes former ones.

    Args:
        samples: The set.
        family: Name of the family.
        place: The storage.
        keep_days: Of the settings.

    Returns:
        What other nodes need to find it.
    """
    digest, names = digest_of(samples.folder), _names(samples.folder)
    folder = place / "sets" / family / digest[:DIGITS]
    mark_used(folder)
    present = {path.name for path in storage.files(folder, "*")}
    for name in names:
        if name not in present:  # a file appears when it is complete
            storage.replace(folder / name, (samples.folder / name).read_bytes())
    return SharedSet(folder, digest, names, keep_days)


def find(samples: SampleSet, shared: SharedSet, cache: Path | None = None) -> SampleSet:
    """The set on this node: where it was made if that is mounted here, on the storage, or in a copy of its own.

    Args:
        samples: The set as the driver knows it.
        shared: The set on the storage.
        cache: Folder of copies; by default one of this user in the system's temporary folder.

    Raises:
        MisuseError: The files on the storage are not those of the set.
    """
    if samples.folder.is_dir() and digest_of(samples.folder) == shared.digest:
        return samples
    folder = shared.folder if isinstance(shared.folder, Path) else _copied(shared, cache or _cache())
    if digest_of(folder) != shared.digest:
        if folder != shared.folder:
            shutil.rmtree(folder)  # copied again, once the storage is right
        message = f"the packed set in {shared.folder} is not that of this training: it is damaged, or has been replaced"
        raise MisuseError(message, f"remove {shared.folder}, then run again")
    return replace(samples, folder=folder)


def digest_of(folder: Path) -> str:
    """Digest of the names and contents of all files of a folder."""
    total = hashlib.sha256()
    for name in _names(folder):
        total.update(f"{name}\0{(folder / name).stat().st_size}\0".encode())
        with (folder / name).open("rb") as file:
            while block := file.read(BLOCK_BYTES):
                total.update(block)
    return total.hexdigest()


def _names(folder: Path) -> tuple[str, ...]:
    return tuple(sorted(path.name for path in folder.iterdir() if path.is_file() and path.name != MARK))


def _cache() -> Path:
    return Path(tempfile.gettempdir()) / f"rushes-{os.getuid()}" / "sets"


def _copied(shared: SharedSet, cache: Path) -> Path:
    """Copies what is missing; the other processes of the node wait meanwhile."""
    folder = cache / shared.digest[:DIGITS]
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    mark_used(folder)
    remove_unused(cache, shared.keep_days)
    with (cache / f"{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for name in shared.names:
            if not (folder / name).is_file():
                storage.replace(folder / name, storage.read(shared.folder / name))
    return folder
