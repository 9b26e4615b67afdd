"""Who made a bundle: the signature over its certificate, held against the keys that this machine trusts.

    certificate.sig    {"algorithm": "ed25519", "key": FINGERPRINT, "signature": BASE64}

What is signed is certificate.json, byte for byte. It names the digest, which is the sha256 of manifest.json, and that
holds the sha256 of every file: one signature covers them all. It does not say which of two signed bundles is newer.

Ed25519 (RFC 8032) by the package `cryptography`, and neither sigstore nor model-signing: those rest on an identity
provider and a public log of signatures, or bring a dozen packages along. A set is offline, keys of its own are all it
can hold on to, and one package that is imported only where keys are trusted keeps the wheel light. The same bytes and
key always give the same signature, so that signing again changes nothing.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import platformdirs
from pydantic import BaseModel, ConfigDict, ValidationError

from rushes.bundle import CERTIFICATE, SIGNATURE, Bundle, BundleError
from rushes.errors import MisuseError, RushesError, plain

if TYPE_CHECKING:
    from collections.abc import Sequence

PUBLIC_SUFFIX = ".pub"
SHORT = 16  # signs of a fingerprint that people are shown


class Signature(BaseModel):
    """What certificate.sig says. The key that it names is a claim until the signature fits."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    algorithm: Literal["ed25519"] = "ed25519"
    key: str
    signature: str

    def text(self) -> str:
        """The file, in one canonical form."""
        return json.dumps(self.model_dump(), indent=2, sort_keys=True) + "\n"


@dataclass(frozen=True)
class Trust:
    """The public keys that count here: the 32 bytes of each and the file it stands in, by fingerprint."""

    keys: dict[str, tuple[bytes, Path]]

    def __bool__(self) -> bool:
        """Whether any key was configured. Without one, nobody's signature is asked for."""
        return bool(self.keys)


def fingerprint(public: bytes) -> str:
    """The sha256 of the 32 bytes of a public key, in hex: what a key is called."""
    return hashlib.sha256(public).hexdigest()


def config_folder() -> Path:
    """Where trusted keys lie if nothing else is said: `trusted/` in the user's configuration folder."""
    return Path(platformdirs.user_config_dir("rushes", appauthor=False)) / "trusted"


def load_trust(given: Sequence[Path] | None = None) -> Trust:
    """The keys that count: those given, or else those of RUSHES_TRUST, or else those of `config_folder()`.

    Args:
        given: Public keys (PEM), or folders with keys named *.pub.

    Raises:
        MisuseError: A path is missing, holds no key, or holds a private one; so does a `config_folder()` that is
            there. Nobody who has named keys goes without them.
        RushesError: Keys are named, and the package that verifies is not installed.
    """
    files = [file for path in _named_paths(given) for file in _key_files(path)]
    keys = {fingerprint(public): (public, file) for file in files for public in [_read_key(file)]}
    return Trust(keys)


def _named_paths(given: Sequence[Path] | None) -> list[Path]:
    if given:
        return list(given)
    if named := os.environ.get("RUSHES_TRUST", ""):
        paths = [Path(part).expanduser() for part in named.split(os.pathsep) if part]
        if not paths:
            message = f"RUSHES_TRUST is {named!r}, and names no key and no folder: name one, or unset it"
            raise MisuseError(message)
        return paths
    # A link to nothing is named too: whoever laid it wants to be asked.
    return [config_folder()] if os.path.lexists(config_folder()) else []


def _key_files(path: Path) -> list[Path]:
    try:
        files = sorted(one for one in path.iterdir() if one.suffix == PUBLIC_SUFFIX) if path.is_dir() else [path]
    except OSError as error:
        message = f"the trusted keys in {path} cannot be read: {error.strerror or error}"
        raise MisuseError(message) from error
    if not files:
        message = f"{path} holds no trusted key: a public key is a file named *{PUBLIC_SUFFIX}"
        raise MisuseError(message)
    return files


def _read_key(path: Path) -> bytes:
    """The 32 bytes of an Ed25519 key in PEM (RFC 8410)."""
    try:
        content = path.read_bytes()
    except OSError as error:
        message = f"the trusted key {path} cannot be read: {error.strerror or error}"
        raise MisuseError(message) from error
    if b"PRIVATE KEY" in content:
        message = f"{path} is a private key: it stays with who signs. Name the public one, *{PUBLIC_SUFFIX}, as trusted"
        raise MisuseError(message)
    _wants_cryptography()
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415  # an extra
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey  # noqa: PLC0415  # an extra
    from cryptography.hazmat.primitives.serialization import load_pem_public_key  # noqa: PLC0415  # an extra

    try:
        key = load_pem_public_key(content)
    except (ValueError, UnsupportedAlgorithm):
        key = None
    if isinstance(key, Ed25519PublicKey):
        return key.public_bytes_raw()
    message = f"{path} is no Ed25519 public key in PEM: python -m flows keys new makes a pair of keys"
    raise MisuseError(message)


def _wants_cryptography() -> None:
    """Says what to install, before anything of it is used.

    Raises:
        RushesError: The package that verifies is not installed.
    """
    try:
        import cryptography  # noqa: F401, PLC0415  # an extra, looked for
    except ImportError as error:
        message = (
            "keys are trusted here, and verifying wants the package cryptography: "
            "pip install cryptography (the wheel's extra [verify] brings it)"
        )
        raise RushesError(message) from error


def read_signature(folder: Path) -> Signature | None:
    """The signature that lies in a bundle, not yet held against anything; None where there is none.

    Raises:
        BundleError: It is malformed.
    """
    path = folder / SIGNATURE
    if not path.is_file():
        return None
    try:
        return Signature.model_validate_json(path.read_bytes())
    except ValidationError as error:
        message = f"{path} is no signature that can be read: fetch the bundle again"
        raise BundleError(message) from error


def verify(bundle: Bundle, trust: Trust) -> str:
    """Holds the signature of a bundle, over its certificate as it was read, against the trusted keys.

    Returns:
        How it stands, in words: signed by whom, or that nobody asked.

    Raises:
        BundleError: Keys are trusted here, and the bundle is not signed by one of them, or was changed afterwards.
        RushesError: Keys are trusted here, and the package that verifies is not installed.
    """
    folder = bundle.folder
    found = read_signature(folder)
    if not trust:
        who = "not signed" if found is None else f"signed by the key {plain(found.key[:SHORT])}"
        return f"{who}; not verified, as no key is trusted here (--trust)"
    if found is None:
        message = (
            f"{folder / SIGNATURE} is missing: its signature was stripped or it never had one, and here only bundles "
            f"signed by {_named(trust)} are taken. Have it signed where it is registered (signing.key), and pull again"
        )
        raise BundleError(message)
    if found.key not in trust.keys:
        message = (
            f"{folder / SIGNATURE} is by the key {plain(found.key[:SHORT])}, which is unknown here; "
            f"trusted: {_named(trust)}. If you know whose it is, add its *{PUBLIC_SUFFIX} to those; "
            "otherwise leave this bundle alone"
        )
        raise BundleError(message)
    public, file = trust.keys[found.key]
    _check_certificate(bundle, public, found.signature, file)
    return f"signed by {file.name} ({found.key[:SHORT]}), which is trusted"


def _check_certificate(bundle: Bundle, public: bytes, signature: str, file: Path) -> None:
    path = bundle.folder / CERTIFICATE
    if not bundle.certified:
        message = f"{path} is missing, though {file.name} is said to have signed it: pull the bundle again"
        raise BundleError(message)
    if not fits(public, signature, bundle.certified):
        message = (
            f"{path} is not what {file.name} signed: it was changed afterwards. "
            "Pull the bundle again; if that does not help, tell who keeps the registry"
        )
        raise BundleError(message)


def fits(public: bytes, signature: str, content: bytes) -> bool:
    """Whether a signature in base64 is that of a public key over these bytes.

    Raises:
        RushesError: The package that verifies is not installed.
    """
    _wants_cryptography()
    from cryptography.exceptions import InvalidSignature  # noqa: PLC0415  # an extra
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey  # noqa: PLC0415  # an extra

    try:
        Ed25519PublicKey.from_public_bytes(public).verify(base64.b64decode(signature, validate=True), content)
    except (InvalidSignature, ValueError):  # no base64, or a point that is none
        return False
    return True


def _named(trust: Trust) -> str:
    return ", ".join(f"{file.name} ({name[:SHORT]})" for name, (_, file) in sorted(trust.keys.items()))
