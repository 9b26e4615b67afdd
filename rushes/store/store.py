"""Model store: a folder of pulled bundles, in the user's data folder or on a stick.

STORE/expression/v7-0123456789ab/    the bundle: registry version and the start of its digest
STORE/expression/newest              a text file with the name of the most recently pulled folder (Windows has no links)
STORE/expression/champion            the same for each alias that was pulled by name
STORE/expression/.pinned             the same for a version fixed by `rushes pin`; no alias starts with a full stop
"""

from __future__ import annotations

import contextlib
import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import platformdirs

from rushes.bundle.manifest import (
    CERTIFICATE,
    DIGEST_CHARS,
    MANIFEST,
    SIGNATURE,
    Bundle,
    BundleError,
    check_files,
    read_head,
)
from rushes.bundle.regular_files import read_regular
from rushes.bundle.signature import Trust, load_trust, verify
from rushes.errors import NothingFitsError, RushesError, plain
from rushes.inference.first_use import prove_once
from rushes.output_files import write_whole
from rushes.redaction import split_login
from rushes.store.freshness import check_fresh, remember
from rushes.store.records import read_records
from rushes.suggest import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

NEWEST, PINNED = "newest", ".pinned"
CHAMPION = "champion"
MAX_POINTER_BYTES = 4096
_FOLDER = re.compile(r"(?:v(?P<version>[1-9][0-9]{0,8})|bundle)-(?P<digest>[0-9a-f]{12})")


@dataclass(frozen=True)
class StoredBundle:
    """Folder of a bundle in a model store, with version (None if not from a registry) and digest from its name."""

    folder: Path
    version: int | None
    digest: str  # first 12 characters


def default_store() -> Path:
    """Default model store: RUSHES_MODELS, or the user's data folder on this system."""
    place = os.environ.get("RUSHES_MODELS")
    return Path(place) if place else Path(platformdirs.user_data_dir("rushes", appauthor=False))


def folder_name(version: int | None, digest: str) -> str:
    """Folder name of a bundle in a model store."""
    return f"{'bundle' if version is None else f'v{version}'}-{digest[:DIGEST_CHARS]}"


def version_of(folder: Path) -> int | None:
    """Version in the name of a bundle's folder; None if there is none."""
    match = _FOLDER.fullmatch(folder.name)
    return int(match["version"]) if match and match["version"] else None


def stored_bundles(family_folder: Path) -> list[StoredBundle]:
    """Bundles of one family, sorted by version, then by time of the pull."""
    found = []
    for folder in family_folder.iterdir() if family_folder.is_dir() else ():
        match = _FOLDER.fullmatch(folder.name)
        if match and not folder.is_symlink() and (folder / MANIFEST).is_file():  # a link leads out of the store
            version = match["version"]
            found.append(StoredBundle(folder, None if version is None else int(version), match["digest"]))
    return sorted(found, key=lambda one: (-1 if one.version is None else one.version, one.folder.stat().st_mtime))


def point(family_folder: Path, pointer: str, folder: Path) -> None:
    """Writes a pointer file."""
    write_whole(family_folder / pointer, f"{folder.name}\n".encode())


def pointed(family_folder: Path, pointer: str) -> StoredBundle | None:
    """Bundle named by a pointer file; None if the pointer or the bundle is missing.

    Raises:
        BundleError: The pointer is not a text file, but a link, a named pipe, or bytes that are not UTF-8.
    """
    name = _pointer(family_folder / pointer)
    return next((one for one in stored_bundles(family_folder) if one.folder.name == name), None)


def pin_of(family_folder: Path) -> str:
    """Name of the folder to which a family is pinned; empty if it is not pinned."""
    return _pointer(family_folder / PINNED)


def pinned(family_folder: Path) -> StoredBundle | None:
    """Bundle to which a family is pinned; None if it is not pinned.

    Raises:
        NothingFitsError: The bundle is not in the store any more.
    """
    found = pointed(family_folder, PINNED)
    if found is None and (name := pin_of(family_folder)):
        family, store = family_folder.name, family_folder.parent
        to = None if store == default_store() else store
        where = "" if to is None else f" --model {quoted(to)}"
        wanted = f"{family}@{version}" if (version := version_of(family_folder / name)) else family
        message = (
            f"{family} is pinned to {plain(name)}, which is not in {store} any more. Fetch it: "
            f"{pull_hint(wanted, to=to)}. Or remove the pin: rushes pin --remove {family}{where}"
        )
        raise NothingFitsError(message)
    return found


def in_use(family_folder: Path) -> StoredBundle | None:
    """Bundle that commands use by default: the pinned one, else the one pulled last; None if there is none.

    Raises:
        NothingFitsError: The pinned bundle is not in the store any more.
    """
    there = stored_bundles(family_folder)
    return pinned(family_folder) or pointed(family_folder, NEWEST) or (there[-1] if there else None)


def _pointer(path: Path) -> str:
    try:
        return read_regular(path, MAX_POINTER_BYTES).decode("utf-8").strip()
    except (FileNotFoundError, NotADirectoryError):
        return ""
    except (UnicodeDecodeError, RushesError) as error:
        why = "not UTF-8" if isinstance(error, UnicodeDecodeError) else str(error)
        message = (
            f"{path} should name the folder of a bundle, but cannot be read ({why}). "
            f"Remove it and pull again: {pull_hint(path.parent.name)}"
        )
        raise BundleError(message) from error


def families_in(store: Path) -> list[str]:
    """Families that have a bundle in a model store."""
    return sorted(one.name for one in store.iterdir() if stored_bundles(one)) if store.is_dir() else []


def origin_of(bundle: Bundle) -> dict[str, str | int | None]:
    """Family, version and digest of a model, for the outputs made with it."""
    match = _FOLDER.fullmatch(bundle.folder.resolve().name)
    is_named = match is not None and bundle.digest.startswith(match["digest"])
    version = version_of(bundle.folder.resolve()) if is_named else None
    return {"family": bundle.manifest.family, "version": version, "digest": bundle.digest}


def origins_of(bundle: Bundle, tracking: Bundle | None) -> dict[str, str | int | None]:
    """Origin of a model, with version and digest of the model that reads the units, if there is one."""
    found = origin_of(bundle)
    if tracking is not None:
        units = origin_of(tracking)
        found |= {"tracking_version": units["version"], "tracking_digest": units["digest"]}
    return found


def origin_text(bundle: Bundle) -> str:
    """Family, version and digest as text: `scene v3, digest 0123456789ab`."""
    name, digest = model_name(bundle), bundle.digest[:DIGEST_CHARS]
    return name if digest in name else f"{name}, digest {digest}"


def find_model(place: Path | None, family: str) -> Path:
    """Folder of the bundle to use: `place` itself, or the one in use in that store (default store if None).

    Raises:
        NothingFitsError: The store has no bundle of that family, or not the pinned one.
    """
    store = default_store() if place is None else place
    if (store / MANIFEST).is_file():
        return store
    for family_folder in (store / family, store):
        if found := in_use(family_folder):
            return found.folder
    near = did_you_mean(family, families_in(store))
    message = f"no {family} model in {store}.{near} Fetch one with: {pull_hint(family, to=place)}"
    raise NothingFitsError(message)


def use_bundle(folder: Path, *, trust: Sequence[Path] | None = None, uncertified: bool = False) -> Bundle:
    """Opens a bundle: checks hashes, certificate, signature and age, and its outputs once per machine.

    Args:
        folder: The bundle.
        trust: Public keys, or folders of them; see `rushes.bundle.signature.load_trust`.
        uncertified: True to accept a bundle without a certificate.

    Raises:
        BundleError: The bundle cannot be trusted.
        MisuseError: The trusted keys cannot be read.
    """
    trusted = load_trust(trust)
    bundle = read_head(folder)
    admit(bundle, trusted, uncertified=uncertified)
    check_fresh(bundle, trusted, version=version_of(bundle.folder))
    prove_once(bundle)
    remember(bundle, trusted)
    if rejection := read_records(bundle.folder.parent).rejection(bundle.digest):
        _warn(f"{model_name(bundle)} {rejection}. The one in use: {pull_hint(bundle.manifest.family)}")
    return bundle


def _warn(text: str) -> None:
    """Prints a warning on standard error."""
    with contextlib.suppress(OSError):
        sys.stderr.write(f"rushes: {plain(text)}\n")


def admit(bundle: Bundle, trust: Trust, *, uncertified: bool = False) -> str:
    """Checks links, certificate, signature and hashes of a bundle, before any command uses it.

    Args:
        bundle: A bundle from `rushes.bundle.manifest.read_head`; the bytes read there are those signed and hashed.
        trust: Trusted keys, one of which must have signed the bundle; if empty, no signature is required.
        uncertified: True to accept a bundle without a certificate if no key is trusted.

    Returns:
        State of the signature, as text.

    Raises:
        BundleError: A file is a link, or a hash, the certificate or the signature is wrong.
    """
    refuse_links(bundle.folder, [MANIFEST, CERTIFICATE, SIGNATURE, *bundle.manifest.files])
    check_certified(bundle, uncertified=uncertified and not trust)
    signature = verify(bundle, trust)
    check_files(bundle)
    return signature


def refuse_links(folder: Path, names: Iterable[str]) -> None:
    """Refuses links, which lead outside the folder of the bundle and whose targets may change.

    Raises:
        BundleError: One of the files is a link.
    """
    for name in names:
        if (folder / name).is_symlink():
            message = f"{folder / name} is a link, and a bundle holds regular files: pull it again"
            raise BundleError(message)


def check_certified(bundle: Bundle, *, uncertified: bool = False) -> None:
    """Refuses a bundle without a certificate unless the user allowed it.

    Raises:
        BundleError: The bundle has no certificate.
    """
    if bundle.certificate is None and not uncertified:
        message = (
            f"{bundle.folder} has no {CERTIFICATE}: it was not measured. "
            "Pull a version that has one; or accept it with --uncertified, where no key is trusted"
        )
        raise BundleError(message)


def model_name(bundle: Bundle) -> str:
    """Name of a model: `scene v3`, or the start of its digest if it is not from a registry."""
    match = _FOLDER.fullmatch(bundle.folder.resolve().name)
    if match and match["version"] and bundle.digest.startswith(match["digest"]):
        return f"{bundle.manifest.family} v{match['version']}"
    return f"{bundle.manifest.family} {bundle.digest[:DIGEST_CHARS]}"


def usual_registry() -> str:
    """Registry from the environment; by default the server that `make up` starts on this machine."""
    named = os.environ.get("RUSHES_REGISTRY") or os.environ.get("MLFLOW_TRACKING_URI")
    return named or "http://localhost:5000"


def pull_hint(wanted: str, registry: str | Path | None = None, to: Path | None = None) -> str:
    """Command that pulls a model, ready to paste."""
    target = "" if to is None else f" --to {quoted(to)}"
    address, _ = split_login(str(registry or usual_registry()))  # a hint is printed, and must not contain a password
    return f"rushes pull {wanted} --registry {quoted(address)}{target}"


def quoted(text: str | Path) -> str:
    """Word of a command, in double quotes if needed, which the shells of all three systems accept."""
    return str(text) if re.fullmatch(r"[\w@%+=:,./\\~-]+", str(text)) else f'"{text}"'
