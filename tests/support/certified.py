"""Certificates for test bundles, and signatures by test keys."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from registry.signing import Signer
from rushes.bundle.manifest import CERTIFICATE, SIGNATURE, Certificate, read_head, write_certificate
from rushes.bundle.signature import Signature

if TYPE_CHECKING:
    from pathlib import Path


def certify(folder: Path, digest: str, **fields: Any) -> str:
    """Writes a certificate with little more than the bundle's identity; returns the digest."""
    empty: dict[str, Any] = {"parity": {}, "metrics": {}, "size_bytes": {}, "latency_ms": {}, "machine": {}}
    write_certificate(folder, Certificate(**{"digest": digest, "objective": "macro_f1", **empty, **fields}))
    return digest


def signer(seed: int = 1) -> Signer:
    """A key that is the same in every run."""
    return Signer(Ed25519PrivateKey.from_private_bytes(bytes([seed] * 32)))


def sign(folder: Path, by: Signer, version: int = 7, time: str = "2031-05-01T12:00:00.000+00:00") -> None:
    """Signs a bundle in place."""
    (folder / SIGNATURE).write_text(by.sign(read_head(folder), version, time))


def sign_as_before(folder: Path, by: Signer) -> None:
    """The older form: over the certificate, and without a statement."""
    signature = base64.b64encode(by.key.sign((folder / CERTIFICATE).read_bytes())).decode()
    (folder / SIGNATURE).write_text(Signature(key=by.fingerprint, signature=signature).text())


def public_key(path: Path, of: Signer) -> Path:
    """Writes the public half of a key."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(of.key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    return path
