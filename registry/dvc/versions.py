"""The version of datasets/: datasets.dvc, the cache and the team's remote, through DVC's command line.

A remote that a team has put into .dvc/config itself counts where the settings name none.
"""

from __future__ import annotations

import shlex
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

import yaml

from registry.dvc.dataset import (
    DATA,
    VERSION,
    VersionError,
    has_files,
    has_real_sources,
    is_cached,
    listing_of,
    md5_of,
    missing_of,
    object_path,
    read_config,
    read_text,
    read_version,
)
from registry.dvc.remote import REMOTE, fetch, push, refused, set_remote, wanted_url
from registry.dvc.remote_contents import listed
from registry.subprocesses import dvc, python

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from common.settings import Settings

__all__ = ["DATA", "VERSION", "DataState", "VersionError", "commit", "only_starter", "pull", "restore", "state"]

INGEST = f"{python()} -m flows ingest faces PATH"


@dataclass(frozen=True)
class DataState:
    """State of datasets/, compared with the version that datasets.dvc names.

    A run goes: `if state.problem: stop`, `elif state.wants_starter: fetch the starter, commit(starter=True)`,
    `elif not state.present: pull`, then ingest and commit.
    """

    present: bool  # every file of the version lies there, or real data that has no version yet
    starter: bool  # the version is the starter's, or there is none and nothing but starter data lies there
    md5: str  # of the version, "" where there is none
    remote: str  # url, "" where none is configured
    missing: int = 0  # files of the version that do not lie there, as far as is known here
    problem: str = ""  # "" where a run may go on
    remedy: str = ""  # a command or an act that mends the problem

    @property
    def wants_starter(self) -> bool:
        """The starter collection is to be fetched: its files are not (all) there, and nothing else may be."""
        return self.starter and not self.present and not self.remote and not self.problem


def state(root: Path, settings: Settings) -> DataState:
    """Looks at datasets/ without changing it and without the network.

    Files of the version are looked for by name; whether their content has changed is for `commit` to see.
    """
    try:
        version, config = read_version(root), read_config(root)
    except VersionError as error:
        return DataState(
            present=False, starter=False, md5="", remote=settings.remote.url, problem=str(error), remedy=error.remedy
        )
    remote = wanted_url(root, settings) or ("" if config.remote == REMOTE else config.url)
    if not version.md5:
        return _unversioned(root, remote)
    listing = listing_of(config.cache, version.md5)
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
    """True if every source in datasets/ says of itself that it is the starter's (source.json)."""
    return has_files(root) and not has_real_sources(root)


def pull(root: Path, settings: Settings) -> None:
    """Brings the version that datasets.dvc names into datasets/, from the cache or, for what is not there, the remote.

    What lies in datasets/ already stays as it is; only missing files are added.

    Raises:
        VersionError: There is no version, its files lie neither here nor in the remote, the remote cannot be reached
            (`transient`), or the cache is damaged.
    """
    version = read_version(root)
    if not version.md5:
        message = f"{VERSION} is not there, so there is no version of {DATA}/ to fetch"
        raise VersionError(message, f"git checkout HEAD -- {VERSION}")
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
    """Versions datasets/ as it lies and pushes it where a remote is configured; the same content changes nothing.

    Args:
        root: The checkout.
        settings: For the remote.
        starter: All of it is starter data (see `only_starter`); kept in datasets.dvc as `meta: {starter: true}`.
        log: Prints what the remote had lost and was sent again.

    Returns:
        The md5 of the version, as it stands in datasets.dvc.

    Raises:
        VersionError: datasets/ is empty, DVC refuses it, the disk is full, a file of the version before was edited in
            place through a hard link, or the remote cannot be reached (`transient`; the version is there by then).
    """
    if not has_files(root):
        message = f"{DATA}/ holds no file, so there is nothing to make a version of"
        raise VersionError(message, INGEST)
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
        log(f"the remote {url} had lost or cut off files of this version, now sent again: {listed(lost)}")
    return read_version(root).md5


def restore(root: Path, settings: Settings, text: str) -> None:
    """Lays out another version; files that it does not have go, so that what lies there has to be a version by then.

    Args:
        root: The checkout.
        settings: For the remote.
        text: Of the datasets.dvc that names it; empty: there were no data.

    Raises:
        VersionError: Its files lie neither here nor in the remote, or DVC refuses; datasets.dvc is then what it was.
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
    version, config = read_version(root), read_config(root)
    listing = listing_of(config.cache, version.md5) if version.md5 else {}
    url = set_remote(root, settings, config)
    if version.md5 and not is_cached(config.cache, listing, listing or ()):
        if not version.starter or url:
            fetch(root, url, config.cache, version.md5)
        else:  # the shipped starter, which the next run makes anew
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
    problem = f"a remote is configured ({remote}), but there is no {VERSION} that says which version to fetch"
    remedy = f"git checkout HEAD -- {VERSION}   # or, if the team has none yet: {INGEST}"
    return DataState(present=False, starter=False, md5="", remote=remote, problem=problem, remedy=remedy)


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
    """Lays out the whole version, linked where the disk can, and reads all of it.

    DVC trusts a read-only object of the cache unread, and from then on believes what it wrote about it.
    """
    done = dvc(root, "checkout", VERSION, bars=True)
    if done.returncode:
        raise refused(root, done)
    cache, listing = read_config(root).cache, listing_of(read_config(root).cache, read_version(root).md5) or {}
    wrong = {name: md5 for name, md5 in listing.items() if md5_of(root / DATA / name) != md5}
    for name in wrong:
        (root / DATA / name).unlink()  # it was laid out just now; left there it would become the next version
    if wrong:
        raise _damaged([object_path(cache, md5) for md5 in dict.fromkeys(wrong.values())])


def _fill(root: Path, cache: Path, listing: dict[str, str]) -> None:
    """Copies the files that are missing. DVC's checkout would refuse, or take away what was edited or added since."""
    for name in [name for name in listing if not (root / DATA / name).is_file()]:
        path = root / DATA / name
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f".{path.name}.tmp")  # .dvcignore knows these
        shutil.copyfile(object_path(cache, listing[name]), partial)
        if md5_of(partial) != listing[name]:
            partial.unlink()
            raise _damaged([object_path(cache, listing[name])])
        partial.replace(path)


def _damaged(objects: Sequence[Path]) -> VersionError:
    """Objects of the cache whose content is not what their names say; all others stay, other versions need them."""
    named = ", ".join(str(path) for path in objects[:3])
    message = f"DVC's cache is damaged: {len(objects)} files are not what their names say ({named}); fetch them anew"
    return VersionError(message, f"rm -f {' '.join(shlex.quote(str(path)) for path in objects)} && make nightly")


def _check_kept(cache: Path, before: str, after: str) -> None:
    """The files that have changed must live on in the version before.

    `dvc checkout` may hard-link datasets/ to the cache. Who then writes into such a file (read-only to all but root)
    writes into the cache, and the version before is lost with nothing said.
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
    """Sets or takes away meta.starter; the rest of datasets.dvc stays."""
    document = yaml.safe_load(read_text(root))
    meta = dict(document.get("meta") or {})
    if bool(meta.get("starter")) == starter:
        return
    meta.pop("starter", None)
    meta |= {"starter": True} if starter else {}
    document = {key: value for key, value in document.items() if key != "meta"} | ({"meta": meta} if meta else {})
    written = root / ".dvc" / "tmp" / VERSION
    written.write_text(yaml.safe_dump(document, sort_keys=False, allow_unicode=True), encoding="utf-8")
    written.replace(root / VERSION)
