"""Bundle: the files of one model, each with its hash, and the certificate with its measurements.

    manifest.json      family, contract version, labels, input, files with sha256: a function of data, params and code
    certificate.json   digest of the bundle, parity, metrics of fp32 and compressed, bytes, latency and the machine
    certificate.sig    optional, added when it is registered: the signature; see rushes/bundle/signature.py
    *.onnx, assets     graphs including pre- and post-processing; detector or tokenizer

The digest of a bundle is the sha256 of manifest.json. Reading checks every hash. No file is a pickle.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self, TypeVar

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, ValidationError, model_validator

from rushes.bundle.regular_files import read_regular, sha256_regular
from rushes.errors import RushesError, UserError

if TYPE_CHECKING:
    from pathlib import Path

Model = TypeVar("Model", bound=BaseModel)
CONTRACT = 1
MANIFEST = "manifest.json"
DIGEST_CHARS = 12  # of a digest shown to people
CERTIFICATE = "certificate.json"
SIGNATURE = "certificate.sig"
GRAPH = "graph"  # role of the graph that a family runs

# File names that are valid on Linux, macOS and Windows, and cannot point outside the folder.
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]{0,99}", re.ASCII)
_RESERVED = {MANIFEST, CERTIFICATE, SIGNATURE}
# Reserved names on Windows, valid on Linux.
_DEVICE = re.compile(r"(?:con|prn|aux|nul|com\d|lpt\d)(?:\..*)?", re.IGNORECASE)


# Limits of an unchecked bundle: bytes of a JSON file, bytes of all files, and number of files.
MAX_TEXT_BYTES = 16 << 20
MAX_BUNDLE_BYTES = 16 << 30
MAX_FILES = 1000
MAX_SAMPLES = 1 << 20  # of the reference inputs


class BundleError(UserError):
    """Bundle that cannot be used: a file is missing or has another hash, or the contract is newer."""


class _Frozen(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class BundledFile(_Frozen):
    """One file of the bundle. The runtime finds it by `role`: `graph`, `detector`, `licence`, ..."""

    role: str  # unique if a program finds a file by it
    sha256: str  # of the file, in hex
    size_bytes: int = Field(ge=0)  # of the file
    licence: str = ""  # of a third-party file; empty for a trained one


class Manifest(_Frozen):
    """Description of a bundle, without time, id or commit, so the same data, params and code give the same digest."""

    contract: int = Field(CONTRACT, ge=1, strict=True)  # version of this format; a newer one is refused
    family: str  # such as expression
    labels: list[str] = []  # in the order of the graph's outputs
    input: dict[str, Any] = {}  # sizes of the graph's inputs, by family
    files: dict[str, BundledFile]  # by file name
    settings: dict[str, Any] = {}  # of the runtime of the family, such as the crop or the credits


class Budget(_Frozen):
    """Limits of the compressed files; None if there is no limit."""

    model_config = ConfigDict(allow_inf_nan=False)  # an infinite limit is always met

    max_objective_drop: float | None = None  # fp32 minus compressed on validation, in the objective's unit
    max_latency_ms: float | None = None  # 95th percentile on one thread, only on `Certificate.budget_machine`
    max_bytes: float | None = None  # of the graphs


class Tolerance(_Frozen):
    """Tolerated difference of an output from its reference, as shares of the largest absolute reference value."""

    model_config = ConfigDict(extra="ignore", allow_inf_nan=False)

    max: float = Field(ge=0)  # of the largest difference
    rms: float = Field(ge=0)  # of the root mean square difference


class References(_Frozen):
    """Reference inputs, the compressed graph's outputs on the certifying machine, and the tolerance on others.

    `rushes.inference.reference_outputs` packs and compares them.
    """

    model_config = ConfigDict(extra="ignore")

    samples: int = Field(ge=1, le=MAX_SAMPLES)  # number of inputs
    tolerance: dict[str, Tolerance] = Field(min_length=1)  # by output
    measured: dict[str, Tolerance] = {}  # source of the tolerance: other threads, other optimisations
    arrays: str = Field(default="", exclude=True)  # base64 of an .npz; in certificate.json, but not in tags or logs


class Certificate(_Frozen):
    """Measurements of the exported files, with the machine.

    Later fields have defaults, so that older certificates can be read; unknown fields are ignored. The contract covers
    only what is needed to run a bundle, so it is still 1.
    """

    model_config = ConfigDict(extra="ignore")

    digest: str  # sha256 of the bundle's manifest.json
    objective: str  # name of the metric that decides
    parity: dict[str, float]  # differences of the exported files' outputs from PyTorch's, fp32 and compressed
    metrics: dict[str, dict[str, float]]  # "fp32" and "compressed" -> name -> value
    size_bytes: dict[str, int]  # "fp32" and "compressed"
    latency_ms: dict[str, float]  # "fp32", "compressed": median of one sample on one thread
    machine: dict[str, str]  # machine of the measurements: processor, system, versions
    percentiles_ms: dict[str, dict[str, dict[str, float]]] = {}  # "fp32", "compressed" -> threads -> p50, p95, p99
    multiply_adds: dict[str, int] = {}  # of one sample; a variant of unknown cost is omitted
    peak_bytes: dict[str, int] = {}  # resident memory that loading and one run add to a bare process
    budget: Budget | None = None  # budget in params.yaml at certification
    budget_machine: str = ""  # processor that the milliseconds of the budget apply to
    objective_drop: float | None = None  # fp32 minus compressed on validation; the compression search uses it
    references: References | None = None  # reference outputs for comparison on other machines
    candidate: str = Field("", validation_alias=AliasChoices("candidate", "form"))  # its name; `form` in older files

    @model_validator(mode="after")
    def _is_finite(self) -> Self:
        """Requires a finite objective; other metrics may be undefined for a small split."""
        sides = self.metrics.items()
        figures = {f"parity.{name}": value for name, value in self.parity.items()}
        figures |= {f"latency_ms.{name}": value for name, value in self.latency_ms.items()}
        figures |= {f"metrics.{side}.{self.objective}": own.get(self.objective, 0.0) for side, own in sides}
        figures |= {"objective_drop": self.objective_drop or 0.0}
        if broken := [name for name, value in figures.items() if not math.isfinite(value)]:
            message = f"{', '.join(broken)}: NaN or infinite: the certificate is not valid"
            raise ValueError(message)
        return self


@dataclass(frozen=True)
class Bundle:
    """Bundle on disk with verified hashes."""

    folder: Path
    manifest: Manifest
    digest: str
    certificate: Certificate | None
    certified: bytes = b""
    """Bytes of the certificate as read; the signature is verified over them."""

    @property
    def graphs(self) -> dict[str, Path]:
        """Trained ONNX graphs by file name; third-party graphs, which have a licence, are omitted."""
        files = self.manifest.files.items()
        learned = [name for name, file in files if (name.endswith(".onnx") and not file.licence) or file.role == GRAPH]
        return {name: self.folder / name for name in learned}

    def path(self, role: str) -> Path:
        """Path of the file with this role.

        Raises:
            BundleError: No file has this role, or several files have it.
        """
        names = [name for name, file in self.manifest.files.items() if file.role == role]
        if len(names) != 1:
            message = f"{self.folder}: {len(names)} files have the role {role!r}, not one: pull the bundle again"
            raise BundleError(message)
        return self.folder / names[0]

    def input_as(self, model: type[Model]) -> Model:
        """`input` of the manifest, parsed by a family's model.

        Raises:
            BundleError: A key is missing or out of bounds.
        """
        return self.parsed("input", model, self.manifest.input)

    def parsed(self, key: str, model: type[Model], value: object) -> Model:
        """Parses a part of the manifest by its model.

        Raises:
            BundleError: The part is not valid.
        """
        try:
            return model.model_validate(value)
        except ValidationError as error:
            message = f"{self.folder}: {key} in {MANIFEST} cannot be used ({_in_a_line(error)}): fetch the bundle again"
            raise BundleError(message) from error


def sha256_file(path: Path) -> str:
    """Sha256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_manifest(folder: Path, manifest: Manifest) -> str:
    """Writes manifest.json in canonical form and returns the bundle's digest."""
    text = json.dumps(manifest.model_dump(), indent=2, sort_keys=True, ensure_ascii=False) + "\n"
    (folder / MANIFEST).write_text(text, encoding="utf-8", newline="\n")
    return sha256_file(folder / MANIFEST)


def write_certificate(folder: Path, certificate: Certificate) -> None:
    """Writes certificate.json."""
    document = certificate.model_dump()
    if certificate.references is not None:
        document["references"]["arrays"] = certificate.references.arrays
    text = json.dumps(document, indent=2, sort_keys=True) + "\n"
    (folder / CERTIFICATE).write_text(text, encoding="utf-8", newline="\n")


def read_bundle(folder: Path) -> Bundle:
    """Reads a bundle and checks every hash.

    Raises:
        BundleError: The folder is not a bundle, a file is missing or has another hash, the contract is newer,
            or the certificate has another digest.
    """
    bundle = read_head(folder)
    check_files(bundle)
    return bundle


def check_files(bundle: Bundle) -> None:
    """Compares size and hash of every file with the manifest.

    Raises:
        BundleError: A file is missing or differs.
    """
    for name, file in bundle.manifest.files.items():
        _check_file(bundle.folder, name, file)


def read_head(folder: Path) -> Bundle:
    """Reads only manifest and certificate.

    Each is read once, and the same bytes are hashed and parsed, because storage may return others the second time.

    Raises:
        BundleError: The manifest is missing or malformed, has a newer contract or names files outside the folder;
            or the certificate has another digest.
    """
    path = folder / MANIFEST
    content = read_text_file(path)
    if content is None:
        message = f"{folder} has no {MANIFEST}: it is not a bundle. To fetch one: rushes pull --help"
        raise BundleError(message)
    manifest, digest = _manifest(path, content), hashlib.sha256(content).hexdigest()
    _check_names(path, manifest)
    return Bundle(folder, manifest, digest, *_read_certificate(folder, digest))


def read_text_file(path: Path) -> bytes | None:
    """Bytes of a JSON file of a bundle; None if the file does not exist.

    Raises:
        BundleError: The file is a link, a named pipe or a device, or is too large.
    """
    try:
        return read_regular(path, MAX_TEXT_BYTES)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except RushesError as error:
        raise BundleError(str(error)) from error


def _manifest(path: Path, content: bytes) -> Manifest:
    try:
        document = json.loads(content)
    except (ValueError, RecursionError) as error:  # not JSON or not UTF-8, a number of 5,000 digits, nested too deeply
        message = f"{path} cannot be read: {error}"
        raise BundleError(message) from error
    contract = document.get("contract", CONTRACT) if isinstance(document, dict) else CONTRACT
    if isinstance(contract, int) and contract > CONTRACT:
        message = f"{path} has contract {contract}, and this version of rushes reads up to {CONTRACT}: update rushes"
        raise BundleError(message)
    try:
        return Manifest.model_validate(document)
    except (ValidationError, RecursionError) as error:
        message = f"{path} cannot be read: {_in_a_line(error)}"
        raise BundleError(message) from error


def _check_names(path: Path, manifest: Manifest) -> None:
    for name in manifest.files:
        if not _NAME.fullmatch(name) or name.endswith(".") or name.lower() in _RESERVED or _DEVICE.fullmatch(name):
            message = (
                f"{path} names the file {name!r}: it lies outside the bundle or is not a valid name on every system"
            )
            raise BundleError(message)
    if len(manifest.files) > MAX_FILES or sum(file.size_bytes for file in manifest.files.values()) > MAX_BUNDLE_BYTES:
        message = f"{path} names more than {MAX_FILES} files or {MAX_BUNDLE_BYTES >> 30} GiB: a bundle is smaller"
        raise BundleError(message)
    if len({name.lower() for name in manifest.files}) < len(manifest.files):
        message = f"{path} names two files that differ only in upper and lower case"
        raise BundleError(message)


def _check_file(folder: Path, name: str, file: BundledFile) -> None:
    path = folder / name
    try:
        _check_size(path, file)
        found = sha256_regular(path, file.size_bytes)
    except (FileNotFoundError, NotADirectoryError) as error:
        message = f"{folder} has no {name}: fetch the bundle again"
        raise BundleError(message) from error
    except BundleError:
        raise
    except RushesError as error:  # not a regular file
        raise BundleError(str(error)) from error
    if found != file.sha256:
        message = f"{path} has the sha256 {found[:12]}, not {file.sha256[:12]}: fetch the bundle again"
        raise BundleError(message)


def _check_size(path: Path, file: BundledFile) -> None:
    status = path.lstat()
    if stat.S_ISREG(status.st_mode) and status.st_size != file.size_bytes:
        message = f"{path} has {status.st_size:,} bytes, not {file.size_bytes:,}: fetch the bundle again"
        raise BundleError(message)


def _read_certificate(folder: Path, digest: str) -> tuple[Certificate | None, bytes]:
    path = folder / CERTIFICATE
    content = read_text_file(path)
    if content is None:
        return None, b""
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
    """First error of a document in one line; pydantic's text has several lines."""
    if not isinstance(error, ValidationError):
        return str(error)
    first = error.errors()[0]
    place = ".".join(str(part) for part in first["loc"])
    return f"{place}: {first['msg']}" if place else first["msg"]
