"""Fetching a bundle: hashes and signature are checked before it is on the shelf, and what was cut off goes on.

Files gather in a hidden folder beside the place where the bundle will stand. What is already there with the right
hash is not fetched again; the folder gets its name in one rename, when all of it has been checked.
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

from rushes.bundle import (
    CERTIFICATE,
    MANIFEST,
    SIGNATURE,
    BundleError,
    Manifest,
    read_head,
    sha256_file,
)
from rushes.errors import RushesError
from rushes.network import attempts
from rushes.remote import Offer, Registry, Wanted, open_registry, parse_wanted
from rushes.shelf import NEWEST, admit, check_certified, folder_name, point
from rushes.trust import Trust, verify

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

MAX_MANIFEST_BYTES = 16 << 20


@dataclass(frozen=True)
class Pulled:
    """A bundle that stands on the shelf, and how many of its files had to be fetched for it."""

    folder: Path
    family: str
    version: int | None
    digest: str
    fetched: int
    signature: str = ""  # how it stands, in words


@dataclass(frozen=True)
class _Fetch:
    """One pull under way: what is offered, where from, and who is told about trouble."""

    registry: Registry
    offer: Offer
    where: str
    say: Callable[[str], None]
    trust: Trust
    uncertified: bool


def pull(
    wanted: str,
    registry: str,
    shelf: Path,
    say: Callable[[str], None] = lambda _: None,
    trust: Trust = Trust({}),  # noqa: B008  # frozen, and nobody's
    *,
    uncertified: bool = False,
) -> Pulled:
    """Fetches a bundle from a registry (a URL or a folder) onto a shelf, and makes it the newest there.

    Args:
        wanted: NAME, NAME@ALIAS or NAME@7.
        registry: Where from.
        shelf: Where to.
        say: Is told about trouble that passes.
        trust: The keys of which one must have signed it; without any, nobody has to.
        uncertified: Whether a bundle without a certificate will do, where no key is trusted.

    Raises:
        MisuseError: The name or the registry makes no sense.
        NothingFitsError: The registry has no such bundle.
        RushesError: The registry cannot be reached, or refuses; or the shelf cannot be written.
        BundleError: What came is not what was registered, or not by whom `trust` names. Nothing of it is kept.
    """
    asked = parse_wanted(wanted)
    source = open_registry(registry, say)
    fetch = _Fetch(source, source.find(asked), getattr(source, "where", registry), say, trust, uncertified)
    text = _manifest_text(fetch, asked)
    digest = hashlib.sha256(text).hexdigest()
    _check_digest(fetch, asked, digest)
    folder = shelf / asked.name / folder_name(fetch.offer.version, digest)
    try:
        fetched = 0 if _stands(fetch, folder) else _gather(fetch, asked, text, folder)
        for pointer in {NEWEST, fetch.offer.alias or NEWEST}:
            point(folder.parent, pointer, folder)
    except OSError as error:
        message = f"{asked} was not put into {shelf}: {error.strerror or error}. Another folder: --to DIR"
        raise RushesError(message) from error
    signature = verify(read_head(folder), trust)
    return Pulled(folder, asked.name, fetch.offer.version, digest, fetched, signature)


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
        text = b""
        for chunk in fetch.registry.chunks(fetch.offer, name):
            text += chunk
            if len(text) > MAX_MANIFEST_BYTES:
                message = f"{fetch.where}: {name} is larger than {MAX_MANIFEST_BYTES} bytes; that is no bundle"
                raise BundleError(message)
        return text

    return attempts(act, fetch.where, fetch.say)


def _check_digest(fetch: _Fetch, asked: Wanted, digest: str) -> None:
    if not digest.startswith(fetch.offer.digest):
        message = (
            f"{asked} at {fetch.where} was registered with the digest {fetch.offer.digest[:12]}, "
            f"but its manifest has {digest[:12]}: it was changed afterwards. Nothing was kept; register it again"
        )
        raise BundleError(message)


def _stands(fetch: _Fetch, folder: Path) -> bool:
    """Whether the bundle is on the shelf already, whole and by whom it should be. What is not is fetched again."""
    try:
        admit(read_head(folder), fetch.trust, uncertified=fetch.uncertified)
    except BundleError:
        return False
    return True


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
        # Before files as large as whoever answers likes: what nobody trusted has signed is not fetched.
        check_certified(head, uncertified=fetch.uncertified and not fetch.trust)
        verify(head, fetch.trust)
        fetched = _fetch_missing(fetch, manifest, part)
        admit(head, fetch.trust, uncertified=fetch.uncertified)
    except BundleError as error:
        shutil.rmtree(part, ignore_errors=True)
        with contextlib.suppress(OSError):  # it holds other bundles
            part.parent.rmdir()
        reason = str(error).replace(f"{part}{os.sep}", "").replace(str(part), "it")
        message = f"{asked} from {fetch.where} is refused, and nothing of it was kept: {reason}"
        raise BundleError(message) from error
    _put_up(fetch, part, manifest, folder)
    return fetched


def _clear_links(part: Path) -> None:
    """Takes away what somebody else may have laid where files gather, so that nothing is written through a link."""
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
    with tqdm(total=total_bytes, unit="B", unit_scale=True, desc=manifest.family, disable=None) as progress:
        for name, file in missing.items():
            act = functools.partial(_fetch_file, fetch, part / name, file.size_bytes, progress)
            attempts(act, fetch.where, fetch.say)
    return len(missing)


def _fetch_file(fetch: _Fetch, path: Path, size_bytes: int, progress: tqdm[NoReturn]) -> None:
    draft = path.with_name(f"{path.name}.{os.getpid()}.part")  # two pulls at once do not write into each other
    begun_at = progress.n
    try:
        with draft.open("wb") as file:
            for chunk in fetch.registry.chunks(fetch.offer, path.name):
                progress.update(file.write(chunk))
                _check_size(path.name, file.tell(), size_bytes)  # a bar that is not shown does not count
    except BaseException:
        progress.n = begun_at
        draft.unlink(missing_ok=True)
        raise
    draft.replace(path)


def _check_size(name: str, written_bytes: int, size_bytes: int) -> None:
    """Stops what would never end; a file that is too short has another hash."""
    if written_bytes > size_bytes:
        message = f"{name} is larger than the {size_bytes} bytes that the manifest gives it"
        raise BundleError(message)


def _fetch_if_there(fetch: _Fetch, part: Path, name: str) -> None:
    """The certificate is what the registry measured, the signature says whose it is; a bundle may have neither."""
    (part / name).unlink(missing_ok=True)  # of a pull that was cut off, and perhaps of another time
    names = fetch.registry.files(fetch.offer)
    if names is not None and name not in names:
        return
    try:
        (part / name).write_bytes(_all_bytes(fetch, name))
    except RushesError as error:
        if names is not None:
            raise
        fetch.say(f"without {name}: {error}")  # a bucket behind the server answers so for what is not there


def _put_up(fetch: _Fetch, part: Path, manifest: Manifest, folder: Path) -> None:
    for stray in {path.name for path in part.iterdir()} - {MANIFEST, CERTIFICATE, SIGNATURE, *manifest.files}:
        (part / stray).unlink(missing_ok=True)
    if folder.exists():
        shutil.rmtree(folder)  # it was looked at above: broken
    try:
        part.rename(folder)
    except OSError:
        if not _stands(fetch, folder):  # else another pull of the same bundle was faster
            raise
