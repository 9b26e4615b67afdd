"""The private side of trust: key pairs, and the signature of a bundle at registration.

A bundle is signed in MLflow, not in build/: the path of the key is a setting, and no setting may change the output of a
stage. The digest does not cover the signature either. rushes/bundle/signature.py is the runtime's side.
"""

from __future__ import annotations

import base64
import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from common.commands import python
from registry.mlflow.runs import RegistryError
from registry.subprocesses import git
from rushes.bundle.manifest import BundleError
from rushes.bundle.signature import PUBLIC_SUFFIX, Signature, Statement, Trust, fingerprint, verify
from rushes.errors import MISUSE

if TYPE_CHECKING:
    from common.settings import Settings
    from rushes.bundle.manifest import Bundle

NEW = f"{python()} -m flows keys new keys/studio.pem"


class KeyFileError(RegistryError):
    """Raised for a key that cannot be used, or a path where a key must not be stored."""

    default_exit_status = MISUSE


@dataclass(frozen=True)
class Signer:
    """A private key with its fingerprint."""

    key: Ed25519PrivateKey

    @property
    def fingerprint(self) -> str:
        """Fingerprint of its public key."""
        return fingerprint(self.key.public_key().public_bytes_raw())

    def sign(self, bundle: Bundle, version: int, time: str) -> str:
        """Content of certificate.sig: states that this bundle is this version of its family, as of this time.

        Args:
            bundle: The bundle, with its certificate as it was read.
            version: Its number in the registry.
            time: In UTC, in the format of `registry.mlflow.model_versions.now`.
        """
        statement = Statement(
            family=bundle.manifest.family,
            version=version,
            digest=bundle.digest,
            certificate=hashlib.sha256(bundle.certified).hexdigest(),
            time=time,
        )
        signature = base64.b64encode(self.key.sign(statement.signed_bytes())).decode()
        return Signature(key=self.fingerprint, signature=signature, statement=statement).text()

    def has_signed(self, bundle: Bundle) -> bool:
        """True if the signature in a bundle is this key's, over the bundle's actual content."""
        public = self.key.public_key().public_bytes_raw()
        try:
            verify(bundle, Trust({self.fingerprint: (public, bundle.folder)}))
        except BundleError:
            return False
        return True


def load_signer(settings: Settings) -> Signer | None:
    """The key in `signing.key`; None if none is configured.

    Raises:
        KeyFileError: It cannot be read, or is not an Ed25519 private key without a passphrase.
    """
    if not settings.signing.key:
        return None
    path = Path(settings.signing.key).expanduser()
    try:
        key = load_pem_private_key(path.read_bytes(), password=None)
    except OSError as error:
        message = f"signing.key: {path} cannot be read: {error.strerror or error}"
        raise KeyFileError(message, NEW) from error
    except (ValueError, TypeError, UnsupportedAlgorithm):  # TypeError: it has a passphrase, which runs cannot ask for
        key = None
    if isinstance(key, Ed25519PrivateKey):
        return Signer(key)
    message = f"signing.key: {path} is not an Ed25519 private key in PEM without a passphrase"
    raise KeyFileError(message, NEW)


def new_pair(path: Path, root: Path) -> tuple[Path, str]:
    """Creates a key pair: the private key at `path`, readable by its owner only, the public one beside it as *.pub.

    Args:
        path: File for the private key.
        root: The checkout, whose records contain every file that git does not ignore.

    Returns:
        Path of the public key, and its fingerprint.

    Raises:
        KeyFileError: The file exists, or git would record the private key.
    """
    public = path.with_suffix(PUBLIC_SUFFIX)
    taken = next((one for one in (path, public) if one.exists()), None)
    if taken is not None or path == public:
        message = f"{taken or path} exists already, and keys are never overwritten"
        raise KeyFileError(message, "give another file, such as keys/studio-2.pem")
    if _would_be_recorded(path, root):
        message = f"{path} is where git would record it, and a private key must never get there"
        raise KeyFileError(message, NEW)
    signer = Signer(Ed25519PrivateKey.generate())
    path.parent.mkdir(parents=True, exist_ok=True)
    content = signer.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:  # noqa: PTH123  # a descriptor
        file.write(content)
    public.write_bytes(signer.key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    return public, signer.fingerprint


def _would_be_recorded(path: Path, root: Path) -> bool:
    """True if a file there would be recorded: inside the checkout, and not ignored by git."""
    place = path.resolve()
    return place.is_relative_to(root.resolve()) and git(root, "check-ignore", "--quiet", str(place)).returncode != 0
