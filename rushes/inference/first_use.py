"""First use of a bundle on a machine: runs its graphs in a child process and compares them with the certificate.

The child has limits of time and memory, so that a graph made to run for ever ends here and not in a take. The result is
stored by digest, certificate, processor and version of ONNX Runtime; later starts read it and run nothing.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
import json
import math
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import platformdirs
from pydantic import BaseModel, ValidationError

from rushes.bundle.manifest import GRAPH, BundleError
from rushes.bundle.regular_files import read_regular
from rushes.errors import RushesError, UserError
from rushes.inference import memory_watch
from rushes.inference.cpu import processor
from rushes.inference.memory_watch import MemoryWatch
from rushes.output_files import write_whole

if TYPE_CHECKING:
    from collections.abc import Callable

    from rushes.bundle.manifest import Bundle, Tolerance

Found = TypeVar("Found", bound=BaseModel)
MAX_VERDICT_BYTES = 1 << 16
RUNTIME_BYTES = 512 << 20  # resident, of Python, NumPy, OpenCV and ONNX Runtime themselves; 160 MB were measured
NO_REFERENCES = "nothing to compare: the certificate is older than reference outputs"


@dataclass(frozen=True)
class ChildLimits:
    """Limits of the first run of the graphs of a bundle.

    Attributes:
        wall_s: Seconds until the child is stopped.
        cpu_s: Seconds of processor time, if the system can limit it.
        memory_bytes: Memory in addition to that of Python and ONNX Runtime: address space on Linux, elsewhere resident
            memory, which `rushes.inference.memory_watch` monitors.
        per_byte: Additional bytes of memory for each byte of the graphs and networks.
    """

    wall_s: float = 30.0
    cpu_s: int = 60
    memory_bytes: int = 2 << 30
    per_byte: int = 8


CHILD_LIMITS = ChildLimits()


class Drifted(BaseModel):
    """Difference of one output from its reference, and its tolerance, as shares of the largest reference value."""

    output: str
    max: float
    rms: float
    tolerated_max: float
    tolerated_rms: float

    @property
    def held(self) -> bool:
        """True if the difference is within the tolerance."""
        return self.max <= self.tolerated_max and self.rms <= self.tolerated_rms


class Proof(BaseModel):
    """Result of the first run. `samples` is 0 if the certificate has no reference outputs."""

    samples: int
    outputs: list[Drifted] = []

    def __str__(self) -> str:
        """The result as text."""
        if not self.samples:
            return NO_REFERENCES
        figures = ", ".join(f"{one.output} {one.max:.2g} of at most {one.tolerated_max:.2g}" for one in self.outputs)
        return f"as certified, on {self.samples} reference inputs: largest difference of {figures}"


def state_folder() -> Path:
    """Folder of the versions seen and bundles proved here: RUSHES_MACHINE_STATE, or the user's state folder."""
    place = os.environ.get("RUSHES_MACHINE_STATE")
    return Path(place) if place else Path(platformdirs.user_state_dir("rushes", appauthor=False))


def once(name: str, kind: type[Found], find: Callable[[], Found]) -> Found:
    """Reads what this machine has stored under a name such as `proved/KEY`, or finds and stores it."""
    kept = state_folder() / f"{name}.json"
    with contextlib.suppress(OSError, RushesError, ValidationError):
        return kind.model_validate_json(read_regular(kept, MAX_VERDICT_BYTES))
    found = find()
    with contextlib.suppress(OSError):  # it is found again the next time
        kept.parent.mkdir(parents=True, exist_ok=True)
        write_whole(kept, found.model_dump_json().encode())
    return found


def prove_once(bundle: Bundle, limits: ChildLimits = CHILD_LIMITS) -> Proof:
    """Proves a bundle on this machine unless it was already proved here.

    Raises:
        BundleError: See `prove`.
        RushesError: No child process can be started.
    """
    return once(f"proved/{_key(bundle)}", Proof, lambda: prove(bundle, limits))


def _key(bundle: Bundle) -> str:
    """Hash of everything that the outputs of a bundle depend on."""
    runtime = importlib.metadata.version("onnxruntime")
    parts = (bundle.digest, hashlib.sha256(bundle.certified).hexdigest(), processor(), runtime)
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]


def prove(bundle: Bundle, limits: ChildLimits = CHILD_LIMITS) -> Proof:
    """Runs every graph of a bundle once, in a child process, and compares its outputs with the certificate's.

    Networks in .tflite are loaded there too, and run if they find faces or landmarks.

    Raises:
        BundleError: A graph or network does not run, exceeds the limits, or gives NaN or infinity; or an output differs
            from its reference by more than the tolerance of the certificate.
        RushesError: No child process can be started.
    """
    references = bundle.certificate.references if bundle.certificate else None
    graphs, networks = _of_kind(bundle, ".onnx"), _of_kind(bundle, ".tflite")
    if not graphs and not networks:
        return Proof(samples=0)
    size_bytes = sum(Path(path).stat().st_size for path in (*graphs, *networks))
    request = {
        "graphs": graphs,
        "networks": networks,
        "main": str(bundle.path(GRAPH)) if references else "",
        "references": {**references.model_dump(), "arrays": references.arrays} if references else None,
        "memory_bytes": limits.memory_bytes + limits.per_byte * size_bytes,
        "cpu_s": limits.cpu_s,
    }
    reply = _ask(bundle, request, limits)
    if references is None:
        return Proof(samples=0)
    proof = Proof(samples=references.samples, outputs=_drifted(reply.get("drift", {}), references.tolerance))
    _check_drift(bundle, proof)
    return proof


def _of_kind(bundle: Bundle, suffix: str) -> list[str]:
    return [str(bundle.folder / name) for name in bundle.manifest.files if name.lower().endswith(suffix)]


def _ask(bundle: Bundle, request: dict[str, Any], limits: ChildLimits) -> dict[str, Any]:
    """Reply of the child process."""
    status, written, errors = _talk(bundle, request, limits)
    try:
        reply = json.loads(written)
    except json.JSONDecodeError:
        reply = None
    if not isinstance(reply, dict):
        raise _refused(bundle, _why_ended(status, errors, limits))
    if "bug" in reply:
        raise RuntimeError(reply["bug"])
    if "error" in reply:
        raise _refused(bundle, f"its graphs do not run here, or not within the limits: {reply['error']}")
    return reply


def _why_ended(status: int, errors: str, limits: ChildLimits) -> str:
    """Reason why a child process gave no reply, from its exit status."""
    if status == -getattr(signal, "SIGXCPU", 0) != 0:
        return f"its graphs took more than {limits.cpu_s} s of processor time and were stopped"
    last_words = " ".join(errors.split())[-200:]
    return f"running its graphs ended the process (exit status {status}){last_words and ': '}{last_words}"


def _talk(bundle: Bundle, request: dict[str, Any], limits: ChildLimits) -> tuple[int, str, str]:
    """Sends the request to a child process; returns its exit status, standard output and standard error."""
    watched = not memory_watch.SYSTEM_LIMITS
    most_bytes = request["memory_bytes"] + RUNTIME_BYTES if watched else None
    asked = json.dumps(request | {"memory_bytes": 0} if watched else request)
    with _start() as child, MemoryWatch(child, most_bytes) as watch:
        try:
            written, errors = child.communicate(asked, timeout=limits.wall_s)
        except subprocess.TimeoutExpired as error:
            child.kill()
            raise _refused(bundle, f"its graphs ran longer than {limits.wall_s:g} s and were stopped") from error
        if watch.exceeded:
            raise _refused(bundle, "its graphs need more memory than a bundle may have, and were stopped")
        return child.returncode, written, errors


def _start() -> subprocess.Popen[str]:
    package = Path(__file__).resolve().parents[2]
    paths = [str(package), *filter(None, [os.environ.get("PYTHONPATH", "")])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "ORT_DISABLE_TELEMETRY": "1"}
    pipe = subprocess.PIPE
    try:
        return subprocess.Popen(
            [sys.executable, "-P", "-m", "rushes.inference.child_process"], stdin=pipe, stdout=pipe, stderr=pipe,
            encoding="utf-8", errors="replace", env=environment,
        )  # fmt: skip
    except OSError as error:
        message = f"no child process can be started with {sys.executable!r}: {error.strerror or error}"
        raise UserError(message) from error


def _refused(bundle: Bundle, why: str) -> BundleError:
    family = bundle.manifest.family
    return BundleError(
        f"{bundle.folder}: {why}. Do not use it: pull another version (rushes pull {family}), "
        "and report it to the operator of the registry. On a busy machine, try once more"
    )


def _drifted(found: dict[str, dict[str, float]], tolerance: dict[str, Tolerance]) -> list[Drifted]:
    lost = {"max": math.inf, "rms": math.inf}
    return [
        Drifted(output=name, **found.get(name, lost), tolerated_max=most.max, tolerated_rms=most.rms)
        for name, most in tolerance.items()
    ]


def _check_drift(bundle: Bundle, proof: Proof) -> None:
    worst = next((one for one in proof.outputs if not one.held), None)
    if worst is None:
        return
    where = bundle.certificate.machine.get("processor", "another machine") if bundle.certificate else ""
    message = (
        f"{bundle.folder}: on this machine ({processor()}) {worst.output} differs from its certificate by "
        f"{worst.max:.2%} of the largest value ({worst.rms:.2%} root mean square), where {worst.tolerated_max:.2%} "
        f"({worst.tolerated_rms:.2%}) is tolerated. It was certified on {where}. "
        "Pull a version that is not int8, or certify on a machine like this one (make nightly there)"
    )
    raise BundleError(message)
