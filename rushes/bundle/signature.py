"""Signature of a bundle, verified with the keys that this machine trusts.

    certificate.sig    {"algorithm": "ed25519", "key": FINGERPRINT, "signature": BASE64, "statement": {
                           "family": "expression", "version": 7, "digest": SHA256, "certificate": SHA256, "time": UTC}}

The signature covers the statement in canonical form: this version of this family is the bundle with this digest and
this certificate, at this time. The digest is the sha256 of manifest.json, which contains the sha256 of every file, so
one signature covers all files. Version and time order two bundles (`rushes.store.freshness`).

An older signature has no statement and covers the bytes of certificate.json. It still verifies, but gives no order.

The algorithm is Ed25519 (RFC 8032) from the package `cryptography`. sigstore and model-signing need an identity
provider and a public log of signatures, or a dozen packages, while a film set is offline. `cryptography` is imported
only if keys are trusted. The same bytes and key always give the same signature, so signing again changes nothing.
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
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from rushes.bundle.manifest import CERTIFICATE, SIGNATURE, Bundle, BundleError, read_text_file
from rushes.bundle.regular_files import read_regular
from rushes.errors import MisuseError, RushesError, UserError, plain

if TYPE_CHECKING:
    from collections.abc import Sequence

PUBLIC_SUFFIX = ".pub"
MAX_KEY_BYTES = 1 << 16
SHORT = 16  # characters of a fingerprint in messages


class Statement(BaseModel):
    """Signed statement about a bundle. Times are in UTC and sort as text."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    family: str  # such as expression
    version: int = Field(ge=1, strict=True)  # in the registry
    digest: str  # sha256 of manifest.json
    certificate: str  # sha256 of certificate.json
    time: str = Field(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3,6}\+00:00$")  # of signing, in UTC

    def signed_bytes(self) -> bytes:
        """Signed bytes; their first line prevents the signature from being valid for other data."""
        text = json.dumps(self.model_dump(), sort_keys=True, separators=(",", ":"), ensure_ascii=True)
        return b"rushes bundle statement 1\n" + text.encode("ascii")


class Signature(BaseModel):
    """Content of certificate.sig. The key in it is only a claim until the signature is verified."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    algorithm: Literal["ed25519"] = "ed25519"
    key: str  # fingerprint: the sha256 of the public key's 32 bytes, in hex
    signature: str  # of the statement, in base64
    statement: Statement | None = None  # older signatures have none and cover the certificate

    def text(self) -> str:
        """Content of the file, in canonical form."""
        return json.dumps(self.model_dump(exclude_none=True), indent=2, sort_keys=True) + "\n"


@dataclass(frozen=True)
class Trust:
    """Trusted public keys by fingerprint: 32 bytes and the file of each."""

    keys: dict[str, tuple[bytes, Path]]

    def __bool__(self) -> bool:
        """True if any key is configured; without a key, no signature is required."""
        return bool(self.keys)


def fingerprint(public: bytes) -> str:
    """Name of a public key: the sha256 of its 32 bytes, in hex."""
    return hashlib.sha256(public).hexdigest()


def config_folder() -> Path:
    """Default folder of trusted keys: `trusted/` in the user's configuration folder."""
    return Path(platformdirs.user_config_dir("rushes", appauthor=False)) / "trusted"


def load_trust(given: Sequence[Path] | None = None) -> Trust:
    """Loads the trusted keys: those given, else those of RUSHES_TRUST, else those of `config_folder()`.

    Args:
        given: Public keys (PEM), or folders with keys named *.pub.

    Raises:
        MisuseError: A path does not exist, or has no key or a private key. This includes an existing `config_folder()`:
            configured keys are never skipped.
        RushesError: Keys are configured, but the package for verification is not installed.
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
            message = f"RUSHES_TRUST is {named!r}, which names no key and no folder: name one, or unset it"
            raise MisuseError(message)
        return paths
    # A broken link counts as configured.
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
    """Reads the 32 bytes of an Ed25519 key in PEM (RFC 8410)."""
    try:
        content = read_regular(path, MAX_KEY_BYTES, follow=True)
    except (OSError, RushesError) as error:
        reason = getattr(error, "strerror", None) or error
        message = f"the trusted key {path} cannot be read: {reason}"
        raise MisuseError(message) from error
    if b"PRIVATE KEY" in content:
        message = f"{path} is a private key: keep it secret. Name the public one, *{PUBLIC_SUFFIX}, as trusted"
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
    make = "python -m flows keys new keys/studio.pem"
    message = f"{path} is not an Ed25519 public key in PEM. To make a pair of keys, in the checkout: {make}"
    raise MisuseError(message)


def _wants_cryptography() -> None:
    """Checks that `cryptography` is installed.

    Raises:
        RushesError: The package that verifies is not installed.
    """
    try:
        import cryptography  # noqa: F401, PLC0415  # an extra, looked for
    except ImportError as error:
        message = (
            "keys are trusted here, and verifying a signature needs the package cryptography: "
            "pip install cryptography (the wheel's extra [verify] brings it)"
        )
        raise UserError(message) from error


def read_signature(folder: Path) -> Signature | None:
    """Reads the signature of a bundle without verifying it; None if there is none.

    Raises:
        BundleError: The signature is malformed.
    """
    path = folder / SIGNATURE
    content = read_text_file(path)
    if content is None:
        return None
    try:
        return Signature.model_validate_json(content)
    except ValidationError as error:
        message = f"{path} is not a valid signature file: fetch the bundle again"
        raise BundleError(message) from error


def verify(bundle: Bundle, trust: Trust) -> str:
    """Verifies the signature of a bundle with the trusted keys.

    Returns:
        State of the signature as text: the key that signed it, or not verified.

    Raises:
        BundleError: Keys are trusted, and the bundle is not signed by one of them or was changed after signing.
        RushesError: Keys are trusted, but the package for verification is not installed.
    """
    folder = bundle.folder
    found = read_signature(folder)
    if not trust:
        who = "not signed" if found is None else f"signed by the key {plain(found.key[:SHORT])}"
        return f"{who}; not verified, as no key is trusted here (--trust)"
    if found is None:
        message = (
            f"{folder / SIGNATURE} is missing: the bundle was never signed or its signature was removed. "
            f"Trusted: {_named(trust)}. "
            "Sign it where it is registered (signing.key), and pull again"
        )
        raise BundleError(message)
    if found.key not in trust.keys:
        message = (
            f"{folder / SIGNATURE} is by the key {plain(found.key[:SHORT])}, which is not trusted here; "
            f"trusted: {_named(trust)}. If you know the signer, add the public key *{PUBLIC_SUFFIX}; "
            "otherwise do not use this bundle"
        )
        raise BundleError(message)
    public, file = trust.keys[found.key]
    _check_certificate(bundle, public, found, file)
    what = "without version and time (an older form)"
    if statement := found.statement:
        what = f"as {statement.family} {statement.version} on {statement.time[:10]}"
    return f"signed by {file.name} ({found.key[:SHORT]}) {what}, which is trusted"


def _check_certificate(bundle: Bundle, public: bytes, found: Signature, file: Path) -> None:
    path = bundle.folder / CERTIFICATE
    if not bundle.certified:
        message = f"{path} is missing, though there is a signature by {file.name}: pull the bundle again"
        raise BundleError(message)
    statement = found.statement
    about = statement.signed_bytes() if statement else bundle.certified
    of_this = statement is None or (statement.certificate, statement.digest, statement.family) == (
        hashlib.sha256(bundle.certified).hexdigest(),
        bundle.digest,
        bundle.manifest.family,
    )
    if not of_this or not fits(public, found.signature, about):
        message = (
            f"{path} is not what {file.name} signed: it was changed afterwards. "
            "Pull the bundle again; if that does not help, report it to the operator of the registry"
        )
        raise BundleError(message)


def fits(public: bytes, signature: str, content: bytes) -> bool:
    """True if a signature in base64 is valid for a public key and these bytes.

    Raises:
        RushesError: The package that verifies is not installed.
    """
    _wants_cryptography()
    from cryptography.exceptions import InvalidSignature  # noqa: PLC0415  # an extra
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey  # noqa: PLC0415  # an extra

    try:
        Ed25519PublicKey.from_public_bytes(public).verify(base64.b64decode(signature, validate=True), content)
    except (InvalidSignature, ValueError):  # not base64, or not a point of the curve
        return False
    return True


def _named(trust: Trust) -> str:
    return ", ".join(f"{file.name} ({name[:SHORT]})" for name, (_, file) in sorted(trust.keys.items()))
