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

from pydantic import BaseModel, ConfigDict, Field, ValidationError

if TYPE_CHECKING:
    from pathlib import Path

CONTRACT = 1
MANIFEST = "manifest.json"
CERTIFICATE = "certificate.json"
SIGNATURE = "certificate.sig"
GRAPH = "graph"  # the role of what a family runs

# A file name that Linux, macOS and Windows read alike, and that cannot point out of the folder.
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]{0,99}", re.ASCII)
_RESERVED = {MANIFEST, CERTIFICATE, SIGNATURE}
_DEVICE = re.compile(r"(?:con|prn|aux|nul|com\d|lpt\d)(?:\..*)?", re.IGNORECASE)  # files to Linux, no names to Windows


class BundleError(ValueError):
    """A bundle that cannot be trusted: a file is missing, has another hash, or speaks another contract."""


class _Frozen(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class BundledFile(_Frozen):
    """One file of the bundle. `role` is what the runtime looks it up by: `graph`, `detector`, `licence`, ..."""

    role: str
    sha256: str
    size_bytes: int = Field(ge=0)
    licence: str = ""


class Manifest(_Frozen):
    """What the bundle is. Holds no time, id or commit, so the same data, params and code give the same digest."""

    contract: int = Field(CONTRACT, ge=1, strict=True)
    family: str
    labels: list[str] = []
    input: dict[str, Any] = {}
    files: dict[str, BundledFile]
    settings: dict[str, Any] = {}


class Budget(_Frozen):
    """What the compressed files may cost at most; None where nothing was asked."""

    model_config = ConfigDict(allow_inf_nan=False)  # what has no end is always met

    max_objective_drop: float | None = None  # of fp32 less compressed on validation, in the objective's own unit
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
    objective_drop: float | None = None  # on the validation split, where the ladder judges: fp32 less this form
    form: str = ""  # the rung of the ladder that this is, such as `student 16-32-64-128, static int8 minmax`


@dataclass(frozen=True)
class Bundle:
    """A bundle on disk whose hashes have been checked."""

    folder: Path
    manifest: Manifest
    digest: str
    certificate: Certificate | None
    certified: bytes = b""
    """The certificate byte for byte, as it was when it was read: what a signature is held against."""

    @property
    def graphs(self) -> dict[str, Path]:
        """The ONNX graphs that were learned, by file name: what travels along has a licence, and they have none."""
        files = self.manifest.files.items()
        learned = [name for name, file in files if (name.endswith(".onnx") and not file.licence) or file.role == GRAPH]
        return {name: self.folder / name for name in learned}

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
    bundle = read_head(folder)
    check_files(bundle)
    return bundle


def check_files(bundle: Bundle) -> None:
    """Holds every file against the size and the hash that the manifest gives it.

    Raises:
        BundleError: One is missing or another.
    """
    for name, file in bundle.manifest.files.items():
        _check_file(bundle.folder, name, file)


def read_head(folder: Path) -> Bundle:
    """Reads manifest and certificate alone: what the files should be, before any of them is looked at.

    Each is read once, and what was hashed is what is understood: storage may answer differently the second time.

    Raises:
        BundleError: There is no manifest, it is malformed, speaks a newer contract or names files outside the folder;
            or its certificate speaks of another digest.
    """
    path = folder / MANIFEST
    if not path.is_file():
        message = f"{folder} holds no {MANIFEST}: it is no bundle. How to fetch one: rushes pull --help"
        raise BundleError(message)
    content = path.read_bytes()
    manifest, digest = _manifest(path, content), hashlib.sha256(content).hexdigest()
    _check_names(path, manifest)
    return Bundle(folder, manifest, digest, *_read_certificate(folder, digest))


def _manifest(path: Path, content: bytes) -> Manifest:
    try:
        document = json.loads(content)
        contract = document.get("contract", CONTRACT) if isinstance(document, dict) else CONTRACT
        if not isinstance(contract, int) or contract <= CONTRACT:
            return Manifest.model_validate(document)
    except (ValueError, TypeError, RecursionError) as error:  # malformed, or made to break what reads it
        message = f"{path} cannot be read: {_in_a_line(error)}"
        raise BundleError(message) from error
    message = f"{path} speaks contract {contract}, this runtime {CONTRACT}: update rushes"
    raise BundleError(message)


def _check_names(path: Path, manifest: Manifest) -> None:
    for name in manifest.files:
        if not _NAME.fullmatch(name) or name.endswith(".") or name.lower() in _RESERVED or _DEVICE.fullmatch(name):
            message = f"{path} names the file {name!r}: it lies outside the bundle or is no name on every system"
            raise BundleError(message)
    if len({name.lower() for name in manifest.files}) < len(manifest.files):
        message = f"{path} names two files that are one to systems that do not tell capitals from small letters"
        raise BundleError(message)


def _check_file(folder: Path, name: str, file: BundledFile) -> None:
    path = folder / name
    if not path.is_file():
        message = f"{folder} lacks {name}: fetch the bundle again"
        raise BundleError(message)
    size_bytes = path.stat().st_size
    if size_bytes != file.size_bytes:
        message = f"{path} has {size_bytes:,} bytes, not {file.size_bytes:,}: fetch the bundle again"
        raise BundleError(message)
    found = sha256_file(path)
    if found != file.sha256:
        message = f"{path} has the sha256 {found[:12]}, not {file.sha256[:12]}: fetch the bundle again"
        raise BundleError(message)


def _read_certificate(folder: Path, digest: str) -> tuple[Certificate | None, bytes]:
    path = folder / CERTIFICATE
    if not path.is_file():
        return None, b""
    content = path.read_bytes()
    try:
        certificate = Certificate.model_validate_json(content)
    except (ValidationError, UnicodeDecodeError) as error:
        message = f"{path} cannot be read: {_in_a_line(error)}"
        raise BundleError(message) from error
    if certificate.digest != digest:
        message = f"{path} certifies {certificate.digest[:12]}, but the bundle is {digest[:12]}"
        raise BundleError(message)
    return certificate, content


def _in_a_line(error: Exception) -> str:
    """The first fault of a document; pydantic's own text runs over several lines."""
    if not isinstance(error, ValidationError):
        return str(error)
    first = error.errors()[0]
    place = ".".join(str(part) for part in first["loc"])
    return f"{place}: {first['msg']}" if place else first["msg"]
