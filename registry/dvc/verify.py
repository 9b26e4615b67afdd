"""Compares the inputs of a stage with the hashes recorded when they were produced.

DVC trusts a read-only object in its cache without reading it, and files linked from there too: a flipped bit comes back
as data. So every file is read once; afterwards its time, size and inode stand for its content, as in DVC. Files just
restored from the cache are always read.
"""

from __future__ import annotations

import json
import shlex
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from common.commands import set_aside
from registry.dvc.config import read_config
from registry.dvc.dataset import listing_of, md5_of, object_path, read_version
from registry.dvc.records import DATA, LOCK, PARAMS, VERSION, VersionError, lock_stages, read_record

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

STAGES = ("clean", "augment", "train", "compress", "evaluate")  # in their order
CLEANED = "build/clean/"
SEEN = ".dvc/tmp/rushes-verified.json"  # path -> [mtime in ns, bytes, inode, md5]


class DamagedError(VersionError):
    """Raised if files differ from their record; the message names them, the remedy removes them and damaged copies."""


def verify_outs(root: Path, lock: Mapping[str, Any], stages: Iterable[str], *, reread: bool = False) -> None:
    """Compares the outs of stages with dvc.lock.

    Args:
        root: The tree.
        lock: `stages` of its dvc.lock.
        stages: Names of stages, such as `train@expression`.
        reread: Read every file, even if it looks unchanged since it was last read.

    Raises:
        DamagedError: A file differs from what its stage produced.
    """
    cache = read_config(root).cache
    files: dict[str, str] = {}
    for out in [out for name in stages for out in lock.get(name, {}).get("outs") or []]:
        files |= _files_of(cache, out["path"], out.get("md5") or "")
    _verify(root, cache, files, LOCK, reread=reread)


def verify_inputs(root: Path, stage: str, item: str) -> None:
    """Compares the inputs of a stage with their records; for a stage that is run manually through DVC.

    `dvc repro` restores a damaged object with exit status 0, and the next stage would train on it. Nothing is compared
    if nothing is recorded: before the first run, and outside a checkout.

    Raises:
        DamagedError: A file differs from what its stage, or the version of the data, recorded.
        VersionError: dvc.lock or params.yaml cannot be read.
    """
    if not (root / ".git").exists():
        return
    lock = lock_stages(root)
    reads = {dep["path"] for dep in lock.get(f"{stage}@{item}", {}).get("deps", [])}
    before = _upstream(read_record(root, PARAMS), stage, item)
    read = {name: {"outs": [out for out in lock[name].get("outs") or [] if not reads or out["path"] in reads]}
            for name in before if name in lock}  # fmt: skip
    if read:
        verify_outs(root, read, read)
    if stage == STAGES[0] and (root / VERSION).is_file():
        verify_data(root, item)


def _upstream(params: Mapping[str, Any], stage: str, item: str) -> list[str]:
    """Names of the stages before one, following the links in dvc.yaml."""
    if stage == STAGES[0]:
        needs = str((params.get("collections") or {}).get(item, {}).get("needs", ""))
        return [f"{stage}@{needs.removeprefix(CLEANED)}"] if needs.startswith(CLEANED) else []
    collection = (params.get("families") or {}).get(item)
    return [f"{STAGES[0]}@{collection}", *(f"{name}@{item}" for name in STAGES[1 : STAGES.index(stage)])]


def check_lists(root: Path, lock: Mapping[str, Any], stage: str) -> None:
    """Checks the lists of the outs of a stage, which DVC may restore from its cache.

    Raises:
        VersionError: A list names a file outside its folder.
    """
    cache = read_config(root).cache
    for out in lock.get(stage, {}).get("outs") or []:
        _files_of(cache, out["path"], out.get("md5") or "")


def verify_data(root: Path, collection: str) -> None:
    """Compares a collection in datasets/ with the version in datasets.dvc.

    Raises:
        DamagedError: A file differs from that version.
    """
    cache = read_config(root).cache
    listing = listing_of(cache, read_version(root).md5) or {}
    own = {f"{DATA}/{name}": md5 for name, md5 in listing.items() if name.startswith(f"{collection}/")}
    _verify(root, cache, own, VERSION, reread=False)


def _files_of(cache: Path, path: str, md5: str) -> dict[str, str]:
    """The files of an out and their md5; empty if the list of a folder is not in the cache."""
    if not md5.endswith(".dir"):
        return {path: md5} if md5 else {}
    return {f"{path}/{name}": one for name, one in (listing_of(cache, md5) or {}).items()}


def _verify(root: Path, cache: Path, files: Mapping[str, str], record: str, *, reread: bool) -> None:
    seen = _read_seen(root)
    before = {} if reread else dict(seen)
    damaged = {}
    for name, md5 in files.items():
        if (found := _md5(root / name, before.get(name))) is None:
            continue  # DVC reports missing files itself
        if found[3] != md5:
            damaged[name] = md5
        seen[name] = found
    _write_seen(root, seen)
    if damaged:
        raise _error(root, cache, damaged, record)


def _md5(path: Path, before: list[Any] | None) -> list[Any] | None:
    with suppress(FileNotFoundError, NotADirectoryError):
        status = path.stat()
        now = [status.st_mtime_ns, status.st_size, status.st_ino]
        return before if before is not None and before[:3] == now else [*now, md5_of(path)]
    return None


def _error(root: Path, cache: Path, damaged: Mapping[str, str], record: str) -> DamagedError:
    names = list(damaged)
    objects = [path for md5 in dict.fromkeys(damaged.values()) if _is_wrong(path := object_path(cache, md5), md5)]
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""  # noqa: PLR2004  # as many as a line holds
    whose = "; DVC's cache is damaged there as well" if objects else ""
    shown = f"{', '.join(names[:3])}{more}"
    message = f"{shown}: not as recorded in {record} (changed by hand, or a damaged disk){whose}"
    if record == VERSION:  # it may be an edit, and no stage can rebuild it
        away = f"{set_aside(names, root)} && rm -f {_words(objects)}"
    else:
        away = f"rm -f {_words([*names, *objects])}"
    return DamagedError(message, f"{away} && make nightly")


def _words(paths: Iterable[object]) -> str:
    return " ".join(shlex.quote(str(path)) for path in paths)


def _is_wrong(path: Path, md5: str) -> bool:
    return path.is_file() and md5_of(path) != md5


def _read_seen(root: Path) -> dict[str, list[Any]]:
    with suppress(OSError, ValueError):
        return dict(json.loads((root / SEEN).read_text(encoding="utf-8")))
    return {}


def _write_seen(root: Path, seen: Mapping[str, list[Any]]) -> None:
    with suppress(OSError):  # the record only saves time
        part = (root / SEEN).with_suffix(".part")
        part.write_text(json.dumps(seen), encoding="utf-8")
        part.replace(root / SEEN)
