"""Fetches a bundle into the model store after checking it, and resumes an interrupted pull.

Files are collected in a hidden folder beside the target. A file that already exists with the right hash is not fetched
again. The folder gets its final name by a single rename, after all files have been checked.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

from tqdm import tqdm

from rushes.bundle.manifest import (
    CERTIFICATE,
    MANIFEST,
    MAX_TEXT_BYTES,
    SIGNATURE,
    Bundle,
    BundleError,
    Manifest,
    read_head,
    sha256_file,
)
from rushes.bundle.regular_files import FileError
from rushes.bundle.signature import Trust, verify
from rushes.errors import NothingFitsError, RushesError, UserError
from rushes.pull.http_guard import LIMITS, Limits, TooLargeError
from rushes.pull.http_retry import attempts
from rushes.pull.mlflow_registry import open_registry
from rushes.pull.selection import Offer, Registry, Wanted, parse_wanted
from rushes.store.freshness import check_fresh, remember
from rushes.store.records import record_pull
from rushes.store.store import (
    NEWEST,
    admit,
    check_certified,
    folder_name,
    pin_of,
    point,
    pointed,
    pull_hint,
    stored_bundles,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@dataclass(frozen=True)
class Pulled:
    """Pulled bundle, and the number of fetched files."""

    folder: Path
    family: str
    version: int | None
    digest: str
    fetched: int
    signature: str = ""  # state of the signature, as text
    is_newest: bool = True  # True if commands use it by default


@dataclass(frozen=True)
class _Fetch:
    """State of one pull."""

    registry: Registry
    offer: Offer
    where: str
    log: Callable[[str], None]
    trust: Trust
    uncertified: bool
    allow_older: bool
    limits: Limits
    progress: bool


def pull(
    wanted: str,
    registry: str,
    store: Path,
    log: Callable[[str], None] = lambda _: None,
    trust: Trust = Trust({}),  # noqa: B008  # frozen and empty
    *,
    uncertified: bool = False,
    allow_older: bool = False,
    rejected: bool = False,
    limits: Limits = LIMITS,
    progress: bool = True,
) -> Pulled:
    """Fetches a bundle from a registry (a URL or a folder) into a model store, and makes it the newest.

    Args:
        wanted: NAME, NAME@ALIAS or NAME@7.
        registry: URL or folder.
        store: Folder of the model store.
        log: Called with a line for each temporary error, such as one that is retried.
        trust: Trusted keys, one of which must have signed the bundle; if empty, no signature is required.
        uncertified: True to accept a bundle without a certificate if no key is trusted.
        allow_older: True to accept a version older than the newest signed version recorded on this machine.
        rejected: True to accept a version that was rolled back. It does not become the newest.
        limits: Limits of time and size for a server.
        progress: True to show a progress bar in a terminal.

    Raises:
        MisuseError: The name or the registry is not valid.
        NothingFitsError: The registry does not have this bundle.
        TransientError: The registry cannot be reached.
        UserError: The registry refuses, or the store cannot be written.
        BundleError: The files are not the registered ones, or not signed by a trusted key. Nothing is kept.
    """
    asked = parse_wanted(wanted)
    source = open_registry(registry, log, limits)
    fetch = _Fetch(source, source.find(asked), source.where, log, trust, uncertified, allow_older, limits, progress)
    if fetch.offer.rejected and not rejected:
        raise _rolled_back(fetch, asked)
    text = _manifest_text(fetch, asked)
    digest = hashlib.sha256(text).hexdigest()
    _check_digest(fetch, asked, digest)
    folder = store / asked.name / folder_name(fetch.offer.version, digest)
    try:
        fetched = 0 if _stands(fetch, folder) else _gather(fetch, asked, text, folder)
        record_pull(folder.parent, folder.name, source.where, source.rejections(asked.name))
        for pointer in _pointers(fetch, folder):
            point(folder.parent, pointer, folder)
    except OSError as error:
        message = f"{asked} was not written to {store}: {error.strerror or error}. Name another folder: --to DIR"
        raise UserError(message) from error
    head = read_head(folder)
    signature = verify(head, trust)
    newest = pointed(folder.parent, NEWEST)
    is_newest = newest is not None and newest.folder == folder and pin_of(folder.parent) in {"", folder.name}
    remember(head, trust, reset=allow_older)
    return Pulled(folder, asked.name, fetch.offer.version, digest, fetched, signature, is_newest)


def _rolled_back(fetch: _Fetch, asked: Wanted) -> NothingFitsError:
    offer = fetch.offer
    return NothingFitsError(
        f"{asked} at {fetch.where} {offer.rejected}. To take it all the same, add --rejected. "
        f"Take the one in use: {pull_hint(asked.name, fetch.where)}"
    )


def _pointers(fetch: _Fetch, folder: Path) -> set[str]:
    """Pointers to set: newest and the alias; a rolled back version becomes newest only if it is the only version."""
    if fetch.offer.rejected and any(one.folder != folder for one in stored_bundles(folder.parent)):
        return {fetch.offer.alias} - {""}
    return {NEWEST, fetch.offer.alias or NEWEST}


def _manifest_text(fetch: _Fetch, asked: Wanted) -> bytes:
    names = fetch.registry.files(fetch.offer)
    if names is not None and MANIFEST not in names:
        message = (
            f"{asked} at {fetch.where} holds no bundle: {fetch.offer.place} has {', '.join(sorted(names)) or 'no file'}"
        )
        raise BundleError(message)
    return _all_bytes(fetch, MANIFEST)


def _all_bytes(fetch: _Fetch, name: str) -> bytes:
    def act() -> bytes:
        return b"".join(fetch.registry.chunks(fetch.offer, name, MAX_TEXT_BYTES))

    return attempts(act, fetch.where, fetch.log, fetch.limits.attempts)


def _check_digest(fetch: _Fetch, asked: Wanted, digest: str) -> None:
    if not digest.startswith(fetch.offer.digest):
        message = (
            f"{asked} at {fetch.where} was registered with the digest {fetch.offer.digest[:12]}, "
            f"but its manifest has {digest[:12]}: it was changed since. Nothing was kept; register it again"
        )
        raise BundleError(message)


def _stands(fetch: _Fetch, folder: Path) -> bool:
    """True if the bundle is already in the store and passes all checks; otherwise it is fetched again.

    A bundle older than the newest one seen is also fetched again: after a rollback it has a new signature.
    """
    try:
        head = read_head(folder)
        admit(head, fetch.trust, uncertified=fetch.uncertified)
        _check_fresh(fetch, head)
    except BundleError:
        return False
    return True


def _check_fresh(fetch: _Fetch, head: Bundle) -> None:
    check_fresh(head, fetch.trust, version=fetch.offer.version, allow_older=fetch.allow_older)


def _gather(fetch: _Fetch, asked: Wanted, text: bytes, folder: Path) -> int:
    part = folder.with_name(f".{folder.name}.part")
    _clear_links(part)
    part.mkdir(parents=True, exist_ok=True)
    try:
        (part / MANIFEST).write_bytes(text)
        for name in (CERTIFICATE, SIGNATURE):
            _fetch_if_there(fetch, part, name)
        head = read_head(part)
        manifest = head.manifest
        _check_family(fetch, asked, manifest)
        # Checked before the large files, which are not fetched without a trusted signature.
        check_certified(head, uncertified=fetch.uncertified and not fetch.trust)
        verify(head, fetch.trust)
        _check_fresh(fetch, head)
        fetched = _fetch_missing(fetch, manifest, part)
        admit(head, fetch.trust, uncertified=fetch.uncertified)
    except BundleError as error:
        shutil.rmtree(part, ignore_errors=True)
        with contextlib.suppress(OSError):  # not empty: it has other bundles
            part.parent.rmdir()
        reason = str(error).replace(f"{part}{os.sep}", "").replace(str(part), "it")
        message = f"{asked} from {fetch.where} is refused, and nothing was kept: {reason}"
        raise BundleError(message) from error
    _put_up(fetch, part, manifest, folder)
    return fetched


def _clear_links(part: Path) -> None:
    """Removes links from the folder of collected files, so that nothing is written through a link."""
    for path in (part, *(part.iterdir() if part.is_dir() and not part.is_symlink() else ())):
        if path.is_symlink():
            path.unlink()


def _check_family(fetch: _Fetch, asked: Wanted, manifest: Manifest) -> None:
    if manifest.family != asked.name:
        message = f"{asked} at {fetch.where} is a bundle of the family {manifest.family!r}"
        raise BundleError(message)


def _fetch_missing(fetch: _Fetch, manifest: Manifest, part: Path) -> int:
    missing = {
        name: file
        for name, file in manifest.files.items()
        if not (part / name).is_file() or sha256_file(part / name) != file.sha256
    }
    total_bytes = sum(file.size_bytes for file in missing.values())
    _check_room(part, total_bytes)
    hidden = None if fetch.progress else True  # None: hidden where there is no terminal
    with tqdm(total=total_bytes, unit="B", unit_scale=True, desc=manifest.family, disable=hidden) as progress:
        for name, file in missing.items():
            act = functools.partial(_fetch_file, fetch, part / name, file.size_bytes, progress)
            attempts(act, fetch.where, fetch.log, fetch.limits.attempts)
    return len(missing)


def _check_room(part: Path, wanted_bytes: int) -> None:
    """Refuses a bundle larger than the free space, before anything is fetched."""
    free_bytes = shutil.disk_usage(part).free
    if wanted_bytes > free_bytes:
        message = (
            f"{wanted_bytes >> 20:,} MiB are needed, and {part.parent} has {free_bytes >> 20:,} MiB free: "
            "free some space, or name another folder with --to"
        )
        raise UserError(message)


def _fetch_file(fetch: _Fetch, path: Path, size_bytes: int, progress: tqdm[NoReturn]) -> None:
    draft = path.with_name(f"{path.name}.{os.getpid()}.part")  # concurrent pulls need different names
    begun_at = progress.n
    try:
        with draft.open("wb") as file:
            for chunk in fetch.registry.chunks(fetch.offer, path.name, size_bytes):
                progress.update(file.write(chunk))
    except (TooLargeError, FileError) as error:
        message = f"{path.name} does not have the {size_bytes:,} bytes of the manifest: {error}"
        raise BundleError(message) from error
    except BaseException:
        progress.n = begun_at
        draft.unlink(missing_ok=True)
        raise
    draft.replace(path)


def _fetch_if_there(fetch: _Fetch, part: Path, name: str) -> None:
    """Fetches the certificate or the signature, if the bundle has it."""
    (part / name).unlink(missing_ok=True)  # left by an interrupted pull, possibly of another version
    names = fetch.registry.files(fetch.offer)
    if names is not None and name not in names:
        return
    try:
        (part / name).write_bytes(_all_bytes(fetch, name))
    except RushesError as error:
        if names is not None:
            raise
        # A storage bucket behind the server also responds like this for a missing file.
        fetch.log(f"without {name}: {error}")


def _put_up(fetch: _Fetch, part: Path, manifest: Manifest, folder: Path) -> None:
    for stray in {path.name for path in part.iterdir()} - {MANIFEST, CERTIFICATE, SIGNATURE, *manifest.files}:
        (part / stray).unlink(missing_ok=True)
    if folder.exists():
        shutil.rmtree(folder)  # it failed the checks above
    try:
        part.rename(folder)
    except OSError:
        if not _stands(fetch, folder):  # otherwise another pull of the same bundle was faster
            raise
