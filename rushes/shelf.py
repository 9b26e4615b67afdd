"""The shelf: the folder where pulled bundles lie. A USB stick that was pulled onto is a shelf too.

SHELF/expression/v7-0123456789ab/    the bundle: registry version and the start of its digest
SHELF/expression/newest              a text file with the folder pulled last; no link, Windows has none
SHELF/expression/champion            the same for each alias that was asked for by name
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import platformdirs

from rushes.bundle import CERTIFICATE, MANIFEST, SIGNATURE, Bundle, BundleError, check_files, read_head
from rushes.errors import NothingFitsError
from rushes.trust import Trust, load_trust, verify

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

NEWEST = "newest"
CHAMPION = "champion"
DIGEST_CHARS = 12
_FOLDER = re.compile(r"(?:v(?P<version>\d+)|bundle)-(?P<digest>[0-9a-f]{12})")


@dataclass(frozen=True)
class Shelved:
    """A bundle's folder on a shelf, by what its name says. A bundle from outside any registry has no version."""

    folder: Path
    version: int | None
    digest: str  # its start


def default_shelf() -> Path:
    """RUSHES_MODELS, or the user's data folder for this system."""
    place = os.environ.get("RUSHES_MODELS")
    return Path(place) if place else Path(platformdirs.user_data_dir("rushes", appauthor=False))


def folder_name(version: int | None, digest: str) -> str:
    """How the folder of a bundle is called on a shelf."""
    return f"{'bundle' if version is None else f'v{version}'}-{digest[:DIGEST_CHARS]}"


def shelved(family_folder: Path) -> list[Shelved]:
    """The bundles of one family, in the order of their versions; of one version the last pulled comes last."""
    found = []
    for folder in family_folder.iterdir() if family_folder.is_dir() else ():
        match = _FOLDER.fullmatch(folder.name)
        if match and (folder / MANIFEST).is_file():
            version = match["version"]
            found.append(Shelved(folder, None if version is None else int(version), match["digest"]))
    return sorted(found, key=lambda one: (-1 if one.version is None else one.version, one.folder.stat().st_mtime))


def point(family_folder: Path, pointer: str, folder: Path) -> None:
    """Writes a pointer file, whole or not at all."""
    draft = family_folder / f".{pointer}.{os.getpid()}.part"
    draft.write_text(folder.name + "\n", encoding="utf-8", newline="\n")
    draft.replace(family_folder / pointer)


def pointed(family_folder: Path, pointer: str) -> Shelved | None:
    """The bundle that a pointer file names, if both are there."""
    path = family_folder / pointer
    name = path.read_text(encoding="utf-8").strip() if path.is_file() else ""
    return next((one for one in shelved(family_folder) if one.folder.name == name), None)


def find_model(place: Path | None, family: str) -> Path:
    """The folder of the bundle to use: `place` itself, or the newest on the shelf that it is (the default one if None).

    Raises:
        NothingFitsError: There is no bundle of that family.
    """
    shelf = default_shelf() if place is None else place
    if (shelf / MANIFEST).is_file():
        return shelf
    for family_folder in (shelf / family, shelf):
        newest = pointed(family_folder, NEWEST)
        candidates = shelved(family_folder) if newest is None else [newest]
        if candidates:
            return candidates[-1].folder
    message = f"no {family} model in {shelf}: fetch one with: {pull_hint(family, to=place)}"
    raise NothingFitsError(message)


def use_model(
    place: Path | None, family: str, command: str, *, trust: Sequence[Path] | None = None, uncertified: bool = False
) -> Bundle:
    """The bundle that a command works with, its hashes, certificate and signature checked.

    Args:
        place: A bundle or a shelf; the default shelf if None.
        family: What the bundle must be.
        command: Who asks, for the message: `capture reads with`.
        trust: Public keys, or folders of them; see `rushes.trust.load_trust`.
        uncertified: Whether a bundle without a certificate will do.

    Raises:
        NothingFitsError: There is none, or `place` is a bundle of another family.
        BundleError: It cannot be trusted.
        MisuseError: The trusted keys cannot be read.
    """
    trusted = load_trust(trust)
    bundle = read_head(find_model(place, family))
    if bundle.manifest.family != family:
        message = f"{bundle.folder} is a bundle of the family {bundle.manifest.family!r}; {command} {family!r}"
        raise NothingFitsError(message)
    admit(bundle, trusted, uncertified=uncertified)
    return bundle


def admit(bundle: Bundle, trust: Trust, *, uncertified: bool = False) -> str:
    """The one gate of all commands: whether a bundle may be used here.

    Args:
        bundle: Its head, as `rushes.bundle.read_head` gives it; what is signed and hashed is what was read then.
        trust: The keys of which one must have signed it; without any, nobody has to.
        uncertified: Whether a bundle without a certificate will do, where no key is trusted.

    Returns:
        How its signature stands, in words.

    Raises:
        BundleError: It reaches out of its folder by a link, a hash, the certificate or the signature is wrong.
    """
    refuse_links(bundle.folder, [MANIFEST, CERTIFICATE, SIGNATURE, *bundle.manifest.files])
    check_certified(bundle, uncertified=uncertified and not trust)
    signature = verify(bundle, trust)
    check_files(bundle)
    return signature


def refuse_links(folder: Path, names: Iterable[str]) -> None:
    """A bundle is files of its own: a link would reach out of its folder, and may lead elsewhere a moment later.

    Raises:
        BundleError: One of them is a link.
    """
    for name in names:
        if (folder / name).is_symlink():
            message = f"{folder / name} is a link, and a bundle is files of its own: pull it again"
            raise BundleError(message)


def check_certified(bundle: Bundle, *, uncertified: bool = False) -> None:
    """Refuses a bundle that nothing has been measured of, unless that is what was asked for.

    Raises:
        BundleError: It has no certificate.
    """
    if bundle.certificate is None and not uncertified:
        message = (
            f"{bundle.folder} has no {CERTIFICATE}: nothing says how good or how fast it is. "
            "Pull a version that has one; or take it as it is with --uncertified, where no key is trusted"
        )
        raise BundleError(message)


def model_name(bundle: Bundle) -> str:
    """A model as people call it: `scene v3`, or by the start of its digest where it came from no registry."""
    match = _FOLDER.fullmatch(bundle.folder.resolve().name)
    if match and match["version"] and bundle.digest.startswith(match["digest"]):
        return f"{bundle.manifest.family} v{match['version']}"
    return f"{bundle.manifest.family} {bundle.digest[:DIGEST_CHARS]}"


def usual_registry() -> str:
    """The registry that the environment names; without one the server that `make up` starts on its own machine."""
    named = os.environ.get("RUSHES_REGISTRY") or os.environ.get("MLFLOW_TRACKING_URI")
    return named or "http://localhost:5000"


def pull_hint(wanted: str, registry: str | Path | None = None, to: Path | None = None) -> str:
    """A command that can be pasted as it stands."""
    target = "" if to is None else f" --to {quoted(to)}"
    return f"rushes pull {wanted} --registry {quoted(registry or usual_registry())}{target}"


def quoted(text: str | Path) -> str:
    """A word of a command; double quotes are what all three systems' shells know."""
    return str(text) if re.fullmatch(r"[\w@%+=:,./\\~-]+", str(text)) else f'"{text}"'
