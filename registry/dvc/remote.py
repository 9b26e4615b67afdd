"""The team's DVC remote: its entry in DVC's configuration, and the transfer of data versions.

The tracked .dvc/config is never rewritten; the remote of the settings goes into .dvc/config.local, which git ignores.
"""

from __future__ import annotations

import os
import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import requests

from common.commands import python
from registry.dvc.config import Config, login_options, read_config, set_options
from registry.dvc.dataset import first_version, is_cached, listing_of, object_path, read_version
from registry.dvc.faults import classify
from registry.dvc.records import DATA, VERSION, VersionError, check_records
from registry.dvc.remote_contents import (
    LIST,
    RemoteError,
    complete,
    find_gaps,
    find_version,
    is_rotten,
    listed,
    push_command,
)
from registry.subprocesses import Result, dvc
from rushes.redaction import join_login

if TYPE_CHECKING:
    from collections.abc import Sequence

    from common.settings import Settings

ANSWER_S = 10.0
PLUGIN = re.compile(r"requires '(dvc-[\w-]+)'")  # the package that DVC needs for a kind of remote
CORRUPTED = re.compile(r"object \w+\.dir is corrupted")  # DVC's message for an unreadable list in the remote
REMOTE = "rushes"  # our remote's name in .dvc/config.local


def wanted_url(root: Path, settings: Settings) -> str:
    """The settings' remote, with a folder made absolute, since DVC resolves relative ones from .dvc/."""
    url = settings.remote.url
    return url if "://" in url or not url else os.path.normpath(root / Path(url).expanduser())


def set_remote(root: Path, settings: Settings, config: Config) -> str:
    """Updates .dvc/config.local from the settings and returns the url to use."""
    wanted = wanted_url(root, settings)
    _check_folder(wanted)
    if not wanted and config.remote == REMOTE:
        dvc(root, "remote", "remove", "--local", REMOTE)
        return ""
    login = settings.remote.login
    if wanted and (config.remote, config.url, config.login) != (REMOTE, wanted, login):
        options = login_options(wanted, login)
        address = wanted if options else join_login(wanted, login)
        done = dvc(root, "remote", "add", "--local", "--force", "--default", REMOTE, address)
        if done.returncode:
            raise refused(root, done)
        set_options(root, REMOTE, options)
    _check_folder(config.url if not wanted else "")
    return wanted or config.url


def _check_folder(url: str) -> None:
    """Requires that a folder remote exists: DVC would fill the empty mount point of an absent disk."""
    if url and "://" not in url and not Path(url).is_dir():
        message = f"the folder of the remote does not exist: {url}. Is its disk mounted?"
        raise VersionError(message, f"mkdir -p {shlex.quote(url)}   # only if it is a new remote")


def fetch(root: Path, url: str, cache: Path, md5: str) -> None:
    """Fetches the version in datasets.dvc from the remote into the cache.

    A received object whose content does not match its name is removed, or it would count as fetched.

    Args:
        root: The checkout.
        url: URL of the remote, for messages; empty if there is none.
        cache: The folder of the cache's objects.
        md5: The md5 of the version.

    Raises:
        VersionError: There is no remote, it cannot be reached (`transient`), or it lacks files of the version or has
            damaged copies; the remedy must then be run where the data still are.
    """
    if not url:
        message = f"files of this version of {DATA}/ are not in the cache, and no remote is configured"
        raise VersionError(message, "export RUSHES_REMOTE__URL=URL   # or remote.url in settings.toml")
    before = {path.parent.name + path.name for path in cache.glob("*/*")}
    done = dvc(root, "fetch", VERSION, bars=True)
    _check_here(root, done)
    arrived = [oid for oid in _objects(cache, md5) if oid not in before]
    if rotten := [oid for oid in arrived if is_rotten(object_path(cache, oid), oid)]:
        raise _damaged_there(url, md5, _throw_away(cache, md5, rotten))
    listing = listing_of(cache, md5)
    if done.returncode or not is_cached(cache, listing, listing or ()):
        raise _unfetched(root, url, done, md5)


def _objects(cache: Path, md5: str) -> list[str]:
    """The objects of a version, its list first; only the list if that is not in the cache."""
    return [md5, *dict.fromkeys((listing_of(cache, md5) or {}).values())]


def _throw_away(cache: Path, md5: str, rotten: Sequence[str]) -> list[str]:
    """Removes damaged objects from the cache; returns the names of their files."""
    names = {oid: f"{DATA}/{name}" for name, oid in (listing_of(cache, md5) or {}).items()} | {md5: LIST}
    for oid in rotten:
        object_path(cache, oid).unlink()
    return [names[oid] for oid in rotten]


def _damaged_there(url: str, md5: str, names: Sequence[str]) -> VersionError:
    message = f"the remote {url} has damaged content of version {md5[:12]}: {listed(names)}"
    return VersionError(message, push_command(md5, verify=True))


def _unfetched(root: Path, url: str, done: Result, md5: str) -> VersionError:
    """Finds out why a fetch failed: DVC reports an unreachable remote like missing files, and may call it a success."""
    try:
        gaps = find_gaps(root, md5)
    except RemoteError as error:
        message = f"{DATA}/ cannot be fetched from {url}: {error}"
        return _unreached(url, error.done, message, f"{python()} -m dvc fetch -v {VERSION}")
    if gaps.damaged:
        return _damaged_there(url, md5, gaps.damaged)
    if not gaps.lost:
        message = f"{DATA}/ cannot be fetched from {url}, though all of it is there. {done.reason}"
        return _unreached(url, done, message, f"{python()} -m dvc fetch -v {VERSION}")
    if not _answers(url):
        message = f"{DATA}/ cannot be fetched from {url}: it does not answer"
        return _unreached(url, done, message, f"{python()} -m dvc fetch -v {VERSION}")
    whole = f"the remote {url} lacks this version, {md5[:12]}: it was not pushed, or not to the end"
    some = f"the remote {url} lacks files of version {md5[:12]}: {listed(gaps.lost)}"
    return VersionError(whole if LIST in gaps.lost else some, push_command(md5))


def _answers(url: str) -> bool:
    """False for an HTTP server that cannot be reached: DVC reports all of its files as missing."""
    try:
        if url.startswith(("http://", "https://")):
            requests.head(url, timeout=ANSWER_S)
    except requests.exceptions.SSLError:  # a certificate that DVC's configuration may name
        return True
    except requests.RequestException:
        return False
    return True


def push(root: Path, url: str) -> list[str]:
    """Pushes the version in datasets.dvc; it counts as pushed when the remote has every object of it.

    Args:
        root: The checkout.
        url: URL of the remote, for messages; if empty, nothing is done.

    Returns:
        Names of the files that the remote had lost or truncated since they were pushed, and that are now complete.

    Raises:
        VersionError: The remote cannot be reached (`transient`) or written to, or a missing file is damaged here.
    """
    if not url:
        return []
    done = dvc(root, "push", VERSION, bars=True)
    _check_here(root, done)
    if done.returncode and not CORRUPTED.search(done.output):
        message = f"{DATA}/ cannot be pushed to {url}: {done.reason}"
        raise _unreached(url, done, message, f"{python()} -m dvc push -v {VERSION}")
    return _complete(root, url, read_version(root).md5, verify=False)


def push_version(root: Path, settings: Settings, digits: str = "", *, verify: bool = False) -> tuple[str, list[str]]:
    """Sends the missing objects of any version to the remote.

    Args:
        root: The checkout; its cache must have the version.
        settings: For the remote.
        digits: First digits of the version's md5; if empty, the version in datasets.dvc.
        verify: Read all of its objects in the remote, and replace damaged ones.

    Returns:
        The md5 of the version, and the names of the files that were sent.

    Raises:
        VersionError: No remote is configured, there is no such version here, or as for `push`.
    """
    check_records(root)
    url = set_remote(root, settings, read_config(root))
    if not url:
        message = f"no remote is configured to push {DATA}/ to"
        raise VersionError(message, "export RUSHES_REMOTE__URL=URL   # or remote.url in settings.toml")
    md5 = find_version(root, digits) if digits else read_version(root).md5
    if not md5:
        message = f"{VERSION} does not exist, so there is no version of {DATA}/ to push"
        raise VersionError(message, first_version(root))
    return md5, _complete(root, url, md5, verify=verify)


def _complete(root: Path, url: str, md5: str, *, verify: bool) -> list[str]:
    try:
        return complete(root, md5, verify=verify)
    except RemoteError as error:
        message = f"{DATA}/ cannot be pushed to {url}: {error}"
        raise _unreached(url, error.done, message, f"{python()} -m dvc push -v {VERSION}") from error


def _check_here(root: Path, done: Result) -> None:
    """Raises faults of this checkout (DVC's lock, the disk), which are not faults of the remote."""
    if done.returncode and (fault := classify(root, done.output)):
        raise VersionError(fault.message, fault.remedy, transient=fault.transient)


def _unreached(url: str, done: Result, message: str, remedy: str) -> VersionError:
    """Error for an unreachable remote: transient, except if DVC lacks the package for it."""
    return _without_plugin(done) or VersionError(message, remedy, transient="://" in url)


def _without_plugin(done: Result) -> VersionError | None:
    lacks = PLUGIN.search(done.reason)
    if lacks is None:
        return None
    message = f"DVC accesses its remote through the package {lacks[1]}, which is not installed here"
    return VersionError(message, f"{python()} -m pip install {lacks[1]}")


def refused(root: Path, done: Result) -> VersionError:
    """DVC's refusal as an error with a remedy."""
    if fault := classify(root, done.output):
        return VersionError(fault.message, fault.remedy, transient=fault.transient)
    return _without_plugin(done) or VersionError(f"DVC refused: {done.reason}", f"{python()} -m dvc doctor")
