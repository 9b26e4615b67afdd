"""The version of datasets/: datasets.dvc, the cache and the team's remote, through DVC's command line.

The tracked .dvc/config is never rewritten; the remote of the settings goes into .dvc/config.local, which git ignores.
A remote that a team has put into .dvc/config itself counts where the settings name none.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from registry.command import Result, dvc, python
from registry.dataset import (
    DATA,
    VERSION,
    Config,
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

if TYPE_CHECKING:
    from registry.settings import Settings

__all__ = ["DATA", "VERSION", "DataState", "VersionError", "commit", "only_starter", "pull", "state"]

PLUGIN = re.compile(r"requires '(dvc-[\w-]+)'")  # what DVC needs for a kind of remote, as it says
REMOTE = "rushes"  # our remote's name in .dvc/config.local
INGEST = f"{python()} -m flows ingest faces PATH"


@dataclass(frozen=True)
class DataState:
    """What lies in datasets/, against the version that datasets.dvc names.

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
    remote = _wanted_url(root, settings) or ("" if config.remote == REMOTE else config.url)
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
    """Whether every source in datasets/ says of itself that it is the starter's (source.json)."""
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
    cache, url = config.cache, _set_remote(root, settings, config)
    if not is_cached(cache, listing := listing_of(cache, version.md5), listing or ()):
        _fetch(root, url, cache, version.md5)
        listing = listing_of(cache, version.md5)
    if has_files(root):
        _fill(root, cache, listing or {})
    else:
        _checkout(root)


def commit(root: Path, settings: Settings, *, starter: bool) -> str:
    """Versions datasets/ as it lies and pushes it where a remote is configured; the same content changes nothing.

    Args:
        root: The checkout.
        settings: For the remote.
        starter: All of it is starter data (see `only_starter`); kept in datasets.dvc as `meta: {starter: true}`.

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
    done = dvc(root, "add", "--quiet", DATA, bars=True)
    if done.returncode:
        raise _refused(done)
    try:
        _check_kept(config.cache, before, read_version(root).md5)
    except VersionError:
        (root / VERSION).write_text(text_before, encoding="utf-8")
        raise
    _mark(root, starter=starter)
    _push(root, _set_remote(root, settings, config))
    return read_version(root).md5


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


def _wanted_url(root: Path, settings: Settings) -> str:
    """The settings' remote; a folder made absolute, as DVC reads relative ones from .dvc/."""
    url = settings.remote.url
    return url if "://" in url or not url else os.path.normpath(root / Path(url).expanduser())


def _set_remote(root: Path, settings: Settings, config: Config) -> str:
    """Brings .dvc/config.local in line with the settings and returns the url to use."""
    wanted = _wanted_url(root, settings)
    _check_folder(wanted)
    if not wanted and config.remote == REMOTE:
        dvc(root, "remote", "remove", "--local", REMOTE)
        return ""
    if wanted and (config.remote, config.url) != (REMOTE, wanted):
        done = dvc(root, "remote", "add", "--local", "--quiet", "--force", "--default", REMOTE, wanted)
        if done.returncode:
            raise _refused(done)
    _check_folder(config.url if not wanted else "")
    return wanted or config.url


def _check_folder(url: str) -> None:
    """A remote that is a folder has to be there: DVC would fill the empty mount point of a disk that is not in."""
    if url and "://" not in url and not Path(url).is_dir():
        message = f"the folder of the remote is not there: {url}. Is its disk mounted?"
        raise VersionError(message, f"mkdir -p {shlex.quote(url)}   # only if it is a new remote")


def _fetch(root: Path, url: str, cache: Path, md5: str) -> None:
    if not url:
        message = f"files of this version of {DATA}/ are not in the cache, and no remote is configured"
        raise VersionError(message, "export RUSHES_REMOTE__URL=URL   # or remote.url in settings.toml")
    done = dvc(root, "fetch", VERSION, bars=True)
    listing = listing_of(cache, md5)
    if done.returncode or not is_cached(cache, listing, listing or ()):
        # DVC says the same of a remote that is down and of one that lacks the files, and may call it a success.
        message = f"{DATA}/ cannot be fetched from {url}: the remote is down, or lacks this version. {done.reason}"
        raise _unreached(url, done, message, f"{python()} -m dvc fetch -v {VERSION}")


def _push(root: Path, url: str) -> None:
    if not url:
        return
    done = dvc(root, "push", VERSION, bars=True)
    if done.returncode:
        message = f"{DATA}/ cannot be pushed to {url}: {done.reason}"
        raise _unreached(url, done, message, f"{python()} -m dvc push -v {VERSION}")


def _unreached(url: str, done: Result, message: str, remedy: str) -> VersionError:
    """Of a remote that is down another try may be worth it; of a package that DVC lacks for it, none is."""
    lacks = PLUGIN.search(done.reason)
    if lacks is None:
        return VersionError(message, remedy, transient="://" in url)
    message = f"DVC speaks to {url} through the package {lacks[1]}, which is not installed here"
    return VersionError(message, f"{python()} -m pip install {lacks[1]}")


def _checkout(root: Path) -> None:
    """Lays out the whole version, linked where the disk can; DVC trusts a read-only object of the cache unread."""
    done = dvc(root, "checkout", VERSION, bars=True)
    if done.returncode:
        raise _refused(done)
    done = dvc(root, "status", "--json", VERSION)
    if done.returncode:
        raise _refused(done)
    if json.loads(done.text or "{}"):
        raise _damaged(root / DATA)


def _fill(root: Path, cache: Path, listing: dict[str, str]) -> None:
    """Copies the files that are missing. DVC's checkout would refuse, or take away what was edited or added since."""
    for name in [name for name in listing if not (root / DATA / name).is_file()]:
        path = root / DATA / name
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f".{path.name}.tmp")  # .dvcignore knows these
        shutil.copyfile(object_path(cache, listing[name]), partial)
        if md5_of(partial) != listing[name]:
            partial.unlink()
            raise _damaged(object_path(cache, listing[name]))
        partial.replace(path)


def _damaged(path: Path) -> VersionError:
    message = f"DVC's cache is damaged: {path} is not what {VERSION} says. The version has to be fetched anew"
    return VersionError(message, "mv .dvc/cache .dvc/cache.damaged && make nightly")


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


def _refused(done: Result) -> VersionError:
    """DVC's refusal in words that say what to do."""
    reason = done.reason
    if "is not a git repository" in reason:
        return VersionError(f"DVC needs the git repository that is not there: {reason}", "git init")
    if "No space left" in reason:
        return VersionError(f"the disk is full: {reason}", "df -h . .dvc/cache")
    if "Unable to acquire lock" in reason or "is busy" in reason:
        return VersionError(f"another DVC is at work in this checkout: {reason}", "ps aux | grep dvc", transient=True)
    return VersionError(f"DVC refused: {reason}", f"{python()} -m dvc doctor")
