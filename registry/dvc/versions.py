"""The version of datasets/: datasets.dvc, the cache and the team's remote, through DVC's command line.

A remote in .dvc/config is used if the settings name none.
"""

from __future__ import annotations

import shlex
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

import yaml

from common.commands import python
from registry.dvc.config import read_config
from registry.dvc.dataset import (
    INGEST,
    first_version,
    has_files,
    has_real_sources,
    is_cached,
    listing_of,
    md5_of,
    missing_of,
    object_path,
    read_text,
    read_version,
)
from registry.dvc.records import DATA, VERSION, VersionError, check_records, read_record
from registry.dvc.remote import REMOTE, fetch, push, refused, set_remote, wanted_url
from registry.dvc.remote_contents import listed
from registry.subprocesses import dvc

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from common.settings import Settings

__all__ = ["DATA", "VERSION", "DataState", "VersionError", "commit", "only_starter", "pull", "restore", "state"]


@dataclass(frozen=True)
class DataState:
    """State of datasets/ relative to the version in datasets.dvc.

    A run proceeds: `if state.problem: stop`, `elif state.wants_starter: fetch the starter, commit(starter=True)`,
    `elif not state.present: pull`, then ingest and commit.
    """

    present: bool  # every file of the version exists, or real data without a version
    starter: bool  # the version is the starter's, or there is none and all data are
    md5: str  # of the version, "" if there is none
    remote: str  # url, "" if none is configured
    missing: int = 0  # number of missing files of the version, as far as known
    problem: str = ""  # "" if a run may proceed
    remedy: str = ""  # a command or an action that fixes the problem

    @property
    def wants_starter(self) -> bool:
        """True if the starter is to be fetched: its files are not all present, and there may be no other data."""
        return self.starter and not self.present and not self.remote and not self.problem


def state(root: Path, settings: Settings) -> DataState:
    """Examines datasets/ without changing it and without the network.

    Files of the version are checked by name only; `commit` detects changed content.
    """
    try:
        check_records(root)
        version, config = read_version(root), read_config(root)
        listing = listing_of(config.cache, version.md5) if version.md5 else None
    except VersionError as error:
        return DataState(
            present=False, starter=False, md5="", remote=settings.remote.url, problem=str(error), remedy=error.remedy
        )
    remote = wanted_url(root, settings) or ("" if config.remote == REMOTE else config.url)
    if not version.md5:
        return _unversioned(root, remote)
    missing = missing_of(root, version, listing)
    starter = version.starter and not has_real_sources(root)
    found = DataState(
        present=not missing or version.starter != starter,
        starter=starter,
        md5=version.md5,
        remote=remote,
        missing=len(missing),
    )
    if found.present or found.remote or found.starter or is_cached(config.cache, listing, missing):
        return found
    return _lost(found)


def only_starter(root: Path) -> bool:
    """True if every source in datasets/ is the starter's, according to its source.json."""
    return has_files(root) and not has_real_sources(root)


def pull(root: Path, settings: Settings) -> None:
    """Puts the version in datasets.dvc into datasets/, from the cache or else the remote.

    Existing files in datasets/ are kept; only missing ones are added.

    Raises:
        VersionError: There is no version, its files are neither here nor in the remote, the remote cannot be reached
            (`transient`), or the cache is damaged.
    """
    check_records(root)
    version = read_version(root)
    if not version.md5:
        message = f"{VERSION} does not exist, so there is no version of {DATA}/ to fetch"
        raise VersionError(message, first_version(root))
    config = read_config(root)
    cache, url = config.cache, set_remote(root, settings, config)
    if not is_cached(cache, listing := listing_of(cache, version.md5), listing or ()):
        fetch(root, url, cache, version.md5)
        listing = listing_of(cache, version.md5)
    if has_files(root):
        _fill(root, cache, listing or {})
    else:
        _checkout(root)


def commit(root: Path, settings: Settings, *, starter: bool, log: Callable[[str], None] = lambda _: None) -> str:
    """Commits datasets/ as a version and pushes it if a remote is configured; unchanged content changes nothing.

    Args:
        root: The checkout.
        settings: For the remote.
        starter: True if all of it is starter data (see `only_starter`); stored as `meta: {starter: true}`.
        log: Prints the files that the remote had lost and was sent again.

    Returns:
        The md5 of the version, as in datasets.dvc.

    Raises:
        VersionError: datasets/ is empty, DVC refuses it, the disk is full, a file of the previous version was edited in
            place through a hard link, or the remote cannot be reached (`transient`; the version exists by then).
    """
    if not has_files(root):
        message = f"{DATA}/ has no files, so there is nothing to version"
        raise VersionError(message, INGEST)
    check_records(root)
    config = read_config(root)
    before, text_before = read_version(root).md5, read_text(root)
    done = dvc(root, "add", DATA, bars=True)
    if done.returncode:
        raise refused(root, done)
    try:
        _check_kept(config.cache, before, read_version(root).md5)
    except VersionError:
        (root / VERSION).write_text(text_before, encoding="utf-8")
        raise
    _mark(root, starter=starter)
    url = set_remote(root, settings, config)
    if lost := push(root, url):
        log(f"the remote {url} had lost or truncated files of this version, now sent again: {listed(lost)}")
    return read_version(root).md5


def restore(root: Path, settings: Settings, text: str) -> None:
    """Checks out another version, and removes files that it does not have, so the current data must be a version.

    Args:
        root: The checkout.
        settings: For the remote.
        text: Content of the datasets.dvc for it; empty: no data.

    Raises:
        VersionError: Its files are neither here nor in the remote, or DVC refuses; datasets.dvc is then unchanged.
    """
    before = read_text(root) if (root / VERSION).exists() else ""
    _write_version(root, text)
    try:
        _lay_out(root, settings)
    except VersionError:
        _write_version(root, before)
        raise


def _write_version(root: Path, text: str) -> None:
    if not text:
        (root / VERSION).unlink(missing_ok=True)
        return
    written = root / ".dvc" / "tmp" / VERSION
    written.write_text(text, encoding="utf-8")
    written.replace(root / VERSION)


def _lay_out(root: Path, settings: Settings) -> None:
    check_records(root)
    version, config = read_version(root), read_config(root)
    listing = listing_of(config.cache, version.md5) if version.md5 else {}
    url = set_remote(root, settings, config)
    if version.md5 and not is_cached(config.cache, listing, listing or ()):
        if not version.starter or url:
            fetch(root, url, config.cache, version.md5)
        else:  # the shipped starter, which the next run creates again
            listing = {}
    if version.md5 and (listing or not version.starter):
        _checkout(root)
    else:
        shutil.rmtree(root / DATA, ignore_errors=True)


def _unversioned(root: Path, remote: str) -> DataState:
    if has_files(root) and has_real_sources(root):
        return DataState(present=True, starter=False, md5="", remote=remote)
    nothing = DataState(present=False, starter=not remote, md5="", remote=remote)
    if not remote:
        return nothing
    problem = f"a remote is configured ({remote}), but there is no {VERSION} with a version to fetch"
    return DataState(present=False, starter=False, md5="", remote=remote, problem=problem, remedy=first_version(root))


def _lost(found: DataState) -> DataState:
    problem = (
        f"{found.missing} files of version {found.md5[:12]} of {DATA}/ are neither here nor in the cache, "
        "and no remote is configured to fetch them from"
    )
    remedy = "export RUSHES_REMOTE__URL=URL   # or remote.url in settings.toml"
    return DataState(
        present=False,
        starter=found.starter,
        md5=found.md5,
        remote="",
        missing=found.missing,
        problem=problem,
        remedy=remedy,
    )


def _checkout(root: Path) -> None:
    """Checks out the whole version, linked if the disk supports it, and reads all of it.

    DVC trusts a read-only object in the cache without reading it, and afterwards trusts the file that it wrote from it.
    """
    done = dvc(root, "checkout", VERSION, bars=True)
    if done.returncode:
        raise refused(root, done)
    cache, listing = read_config(root).cache, listing_of(read_config(root).cache, read_version(root).md5) or {}
    wrong = {name: md5 for name, md5 in listing.items() if md5_of(root / DATA / name) != md5}
    for name in wrong:
        (root / DATA / name).unlink()  # just checked out; otherwise it would become part of the next version
    if wrong:
        raise _damaged([object_path(cache, md5) for md5 in dict.fromkeys(wrong.values())])


def _fill(root: Path, cache: Path, listing: dict[str, str]) -> None:
    """Copies the missing files. DVC's checkout would refuse, or remove files that were edited or added since."""
    for name in [name for name in listing if not (root / DATA / name).is_file()]:
        path = root / DATA / name
        _check_way(root / DATA, path)
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f".{path.name}.tmp")  # .dvcignore knows these
        shutil.copyfile(object_path(cache, listing[name]), partial)
        if md5_of(partial) != listing[name]:
            partial.unlink()
            raise _damaged([object_path(cache, listing[name])])
        partial.replace(path)


def _check_way(folder: Path, path: Path) -> None:
    """Refuses a link among the folders above a file, through which it would be written somewhere else."""
    if not path.parent.resolve().is_relative_to(folder.resolve()):
        message = f"{path.parent} leads out of {DATA}/ through a link, so {path.name} is not written there"
        raise VersionError(message, f"find {DATA} -type l   # replace each by its files")


def _damaged(objects: Sequence[Path]) -> VersionError:
    """Error for damaged cache objects, whose content does not match their names; all others stay for other versions."""
    named = ", ".join(str(path) for path in objects[:3])
    message = f"DVC's cache is damaged: {len(objects)} files do not match their names ({named}); fetch them again"
    return VersionError(message, f"rm -f {' '.join(shlex.quote(str(path)) for path in objects)} && make nightly")


def _check_kept(cache: Path, before: str, after: str) -> None:
    """Checks that changed files are still intact in the previous version.

    `dvc checkout` may hard-link datasets/ to the cache. Whoever writes into such a file (read-only to all but root)
    writes into the cache, and the previous version is lost silently.
    """
    old, new = (listing_of(cache, before) or {}, listing_of(cache, after) or {}) if before != after else ({}, {})
    for name in [name for name in old if new.get(name, old[name]) != old[name]]:
        kept = object_path(cache, old[name])
        if kept.is_file() and md5_of(kept) != old[name]:
            message = (
                f"{DATA}/{name} was edited in place, and with it the cache's copy in version {before[:12]}. "
                "Put the old file back, or give up that version of it"
            )
            raise VersionError(message, f"rm -f {shlex.quote(str(kept))} && {python()} -m dvc add {DATA}")


def _mark(root: Path, *, starter: bool) -> None:
    """Sets or removes meta.starter; the rest of datasets.dvc stays."""
    document = read_record(root, VERSION)
    meta = dict(document.get("meta") or {})
    if bool(meta.get("starter")) == starter:
        return
    meta.pop("starter", None)
    meta |= {"starter": True} if starter else {}
    document = {key: value for key, value in document.items() if key != "meta"} | ({"meta": meta} if meta else {})
    written = root / ".dvc" / "tmp" / VERSION
    written.write_text(yaml.safe_dump(document, sort_keys=False, allow_unicode=True), encoding="utf-8")
    written.replace(root / VERSION)
