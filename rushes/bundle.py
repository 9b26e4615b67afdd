"""The bundle: the files of one model that a set needs, each with its hash, and the certificate that proves them.

    manifest.json      family, contract version, labels, input, files with sha256: a function of data, params and code
    certificate.json   the digest it speaks of, parity, metrics of fp32 and compressed, bytes, latency and the machine
    certificate.sig    optional, once it is registered: whose it is; see rushes/trust.py
    *.onnx, assets     graphs with pre- and post-processing inside; detector or tokenizer that travel along

The digest of a bundle is the sha256 of manifest.json. Reading checks every hash. There is no pickle anywhere.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, ValidationError

if TYPE_CHECKING:
    from pathlib import Path

CONTRACT = 1
MANIFEST = "manifest.json"
CERTIFICATE = "certificate.json"
SIGNATURE = "certificate.sig"

# A file name that Linux, macOS and Windows read alike, and that cannot point out of the folder.
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]{0,99}", re.ASCII)
_RESERVED = {MANIFEST, CERTIFICATE, SIGNATURE}


class BundleError(ValueError):
    """A bundle that cannot be trusted: a file is missing, has another hash, or speaks another contract."""


class _Frozen(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class BundledFile(_Frozen):
    """One file of the bundle. `role` is what the runtime looks it up by: `graph`, `detector`, `licence`, ..."""

    role: str
    sha256: str
    size_bytes: int
    licence: str = ""


class Manifest(_Frozen):
    """What the bundle is. Holds no time, id or commit, so the same data, params and code give the same digest."""

    contract: int = CONTRACT
    family: str
    labels: list[str] = []
    input: dict[str, Any] = {}
    files: dict[str, BundledFile]
    settings: dict[str, Any] = {}


class Budget(_Frozen):
    """What the compressed files may cost at most; None where nothing was asked."""

    max_objective_drop: float | None = None  # of fp32 less compressed, in the objective's own unit
    max_latency_ms: float | None = None  # the 95th percentile on one thread, on `Certificate.budget_machine` alone
    max_bytes: float | None = None  # of the graphs


class Certificate(_Frozen):
    """What was measured of the exported files, and on which machine.

    What came later has a default, so that an older certificate is read, and what comes after this is passed over: the
    contract is about what must be understood to run a bundle, and so it is still 1.
    """

    model_config = ConfigDict(extra="ignore")

    digest: str
    objective: str
    parity: dict[str, float]
    metrics: dict[str, dict[str, float]]  # "fp32" and "compressed" -> name -> value
    size_bytes: dict[str, int]  # "fp32" and "compressed"
    latency_ms: dict[str, float]  # "fp32", "compressed": median of one sample on one thread
    machine: dict[str, str]
    percentiles_ms: dict[str, dict[str, dict[str, float]]] = {}  # "fp32", "compressed" -> threads -> p50, p95, p99
    multiply_adds: dict[str, int] = {}  # of one sample; a side whose cost is not known is left out
    peak_bytes: dict[str, int] = {}  # of resident memory, that loading and running once adds to a bare process
    budget: Budget | None = None
    budget_machine: str = ""  # the processor that the budget's milliseconds are meant for


@dataclass(frozen=True)
class Bundle:
    """A bundle on disk whose hashes have been checked."""

    folder: Path
    manifest: Manifest
    digest: str
    certificate: Certificate | None

    @property
    def graphs(self) -> dict[str, Path]:
        """The ONNX graphs that were learned, by file name: what travels along has a licence, and they have none."""
        files = self.manifest.files.items()
        return {name: self.folder / name for name, file in files if name.endswith(".onnx") and not file.licence}

    def path(self, role: str) -> Path:
        """The file that plays a role.

        Raises:
            BundleError: No file has this role, or several.
        """
        names = [name for name, file in self.manifest.files.items() if file.role == role]
        if len(names) != 1:
            message = f"{self.folder}: {len(names)} files have the role {role!r}; one is needed"
            raise BundleError(message)
        return self.folder / names[0]


def sha256_file(path: Path) -> str:
    """The sha256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_manifest(folder: Path, manifest: Manifest) -> str:
    """Writes manifest.json, in one canonical form, and returns the bundle's digest."""
    text = json.dumps(manifest.model_dump(), indent=2, sort_keys=True, ensure_ascii=False) + "\n"
    (folder / MANIFEST).write_text(text, encoding="utf-8", newline="\n")
    return sha256_file(folder / MANIFEST)


def write_certificate(folder: Path, certificate: Certificate) -> None:
    """Writes certificate.json."""
    text = json.dumps(certificate.model_dump(), indent=2, sort_keys=True) + "\n"
    (folder / CERTIFICATE).write_text(text, encoding="utf-8", newline="\n")


def read_bundle(folder: Path) -> Bundle:
    """Reads a bundle and checks every hash.

    Raises:
        BundleError: It is no bundle, a file is missing or has another hash, it speaks a newer contract,
            or its certificate speaks of another digest.
    """
    manifest = read_manifest(folder)
    for name, file in manifest.files.items():
        _check_file(folder, name, file)
    digest = sha256_file(folder / MANIFEST)
    return Bundle(folder, manifest, digest, _read_certificate(folder, digest))


def read_manifest(folder: Path) -> Manifest:
    """Reads manifest.json alone: what the files should be, before any of them is looked at.

    Raises:
        BundleError: There is none, it is malformed, speaks a newer contract or names files outside the folder.
    """
    path = folder / MANIFEST
    if not path.is_file():
        message = f"{folder} holds no {MANIFEST}: it is no bundle. How to fetch one: rushes pull --help"
        raise BundleError(message)
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(document, dict) and document.get("contract", CONTRACT) > CONTRACT:
            message = f"{path} speaks contract {document['contract']}, this runtime {CONTRACT}: update rushes"
            raise BundleError(message)
        manifest = Manifest.model_validate(document)
    except (json.JSONDecodeError, UnicodeDecodeError, ValidationError, TypeError) as error:
        message = f"{path} cannot be read: {_in_a_line(error)}"
        raise BundleError(message) from error
    _check_names(path, manifest)
    return manifest


def _check_names(path: Path, manifest: Manifest) -> None:
    for name in manifest.files:
        if not _NAME.fullmatch(name) or name.endswith(".") or name.lower() in _RESERVED:
            message = f"{path} names the file {name!r}: it lies outside the bundle or is no name on every system"
            raise BundleError(message)


def _check_file(folder: Path, name: str, file: BundledFile) -> None:
    path = folder / name
    if not path.is_file():
        message = f"{folder} lacks {name}: fetch the bundle again"
        raise BundleError(message)
    found = sha256_file(path)
    if found != file.sha256:
        message = f"{path} has the sha256 {found[:12]}, not {file.sha256[:12]}: fetch the bundle again"
        raise BundleError(message)


def _read_certificate(folder: Path, digest: str) -> Certificate | None:
    path = folder / CERTIFICATE
    if not path.is_file():
        return None
    try:
        certificate = Certificate.model_validate_json(path.read_text(encoding="utf-8"))
    except (ValidationError, UnicodeDecodeError) as error:
        message = f"{path} cannot be read: {_in_a_line(error)}"
        raise BundleError(message) from error
    if certificate.digest != digest:
        message = f"{path} certifies {certificate.digest[:12]}, but the bundle is {digest[:12]}"
        raise BundleError(message)
    return certificate


def _in_a_line(error: Exception) -> str:
    """The first fault of a document; pydantic's own text runs over several lines."""
    if not isinstance(error, ValidationError):
        return str(error)
    first = error.errors()[0]
    place = ".".join(str(part) for part in first["loc"])
    return f"{place}: {first['msg']}" if place else first["msg"]
