"""Checks a pulled bundle on the machine that runs it: outputs, latency, size and budget."""

from __future__ import annotations

import platform
from pathlib import Path
from typing import TYPE_CHECKING, Any

import onnxruntime
from pydantic import BaseModel

from rushes.bundle.manifest import CONTRACT, GRAPH, Budget, read_head
from rushes.inference.cpu import processor
from rushes.inference.first_use import prove
from rushes.inference.graph_guard import read_graph
from rushes.inference.latency import interleaved_percentiles_ms
from rushes.loading import bundle_in, find_folder, find_named
from rushes.store.store import NEWEST, admit, model_name

if TYPE_CHECKING:
    from rushes.bundle.manifest import Bundle, Certificate
    from rushes.bundle.signature import Trust

ROUNDED = 1e-9  # of a difference of two figures
Spread = dict[str, dict[str, float]]  # threads -> "p50", "p95", "p99" -> milliseconds


class Judged(BaseModel):
    """One part of a budget: the limit, the measured value, and True if it is met; None if it was not judged."""

    name: str
    allowed: float
    found: float | None
    met: bool | None
    why: str = ""


class Checked(BaseModel):
    """Result of the check of a bundle."""

    model: str
    folder: str
    digest: str
    contract: int
    known_contract: int = CONTRACT
    files: int
    signature: str
    outputs: str  # comparison with the certificate's outputs, as text
    drift: dict[str, dict[str, float]]  # by output: "max" and "rms", and the tolerance of each
    certificate: dict[str, Any] | None
    size_bytes: dict[str, int]  # "graphs" as counted in the certificate, and "bundle"
    machine: dict[str, str]
    latency_ms: dict[str, Spread]  # by graph
    budget: list[Judged]

    @property
    def met(self) -> bool | None:
        """True if the judged parts of the budget are met; None if no part could be judged."""
        verdicts = {one.met for one in self.budget} - {None}
        return False not in verdicts if verdicts else None

    @property
    def not_judged(self) -> list[str]:
        """Parts of the budget that cannot be judged on this machine."""
        return [one.name for one in self.budget if one.met is None]


def find_checked(wanted: str, store: Path | None = None) -> Path:
    """Folder of the wanted bundle, given as a folder, or as FAMILY, FAMILY@ALIAS or FAMILY@7 in a model store.

    A word without a path separator is the name of a model, unless a folder of this name contains pulled bundles.

    Raises:
        NothingFitsError: The bundle does not exist, or is of another family.
        MisuseError: The argument is neither a folder nor the name of a model.
    """
    folder = Path(wanted).expanduser()
    if found := bundle_in(folder):
        return found
    if folder.is_dir() and (Path(wanted).name != wanted or (folder / NEWEST).is_file()):
        return find_folder(folder)
    return find_named(wanted, store)


def check(folder: Path, trust: Trust, *, uncertified: bool = False, budget_ms: float | None = None) -> Checked:
    """Checks hashes, contract, certificate, signature and outputs of a bundle, and measures it on this machine.

    Args:
        folder: The bundle.
        trust: Trusted keys, one of which must have signed the bundle; if empty, no signature is required.
        uncertified: True to accept a bundle without a certificate if no key is trusted.
        budget_ms: Limit for one sample on this machine, instead of the milliseconds in the certificate.

    Raises:
        BundleError: A check failed, a graph does not run here, or its outputs differ too much.
    """
    bundle = read_head(folder)
    signature = admit(bundle, trust, uncertified=uncertified)
    bundle.path(GRAPH)  # raises if there is no graph to measure
    proof = prove(bundle)
    latency_ms = _measured(bundle)
    size_bytes = {
        "graphs": sum(bundle.manifest.files[name].size_bytes for name in bundle.graphs),
        "bundle": sum(file.size_bytes for file in bundle.manifest.files.values()),
    }
    return Checked(
        model=model_name(bundle),
        folder=str(folder),
        digest=bundle.digest,
        contract=bundle.manifest.contract,
        files=len(bundle.manifest.files),
        signature=signature,
        outputs=str(proof),
        drift={one.output: one.model_dump(exclude={"output"}) for one in proof.outputs},
        certificate=_certified(bundle.certificate),
        size_bytes=size_bytes,
        machine=_machine(),
        latency_ms=latency_ms,
        budget=_judge(bundle.certificate, budget_ms, latency_ms, size_bytes["graphs"]),
    )


def _measured(bundle: Bundle) -> dict[str, Spread]:
    for name in bundle.manifest.files:
        if name.lower().endswith(".onnx"):  # third-party graphs are not measured, but must also be self-contained
            read_graph(bundle.folder / name)
    return interleaved_percentiles_ms(bundle.graphs)


def _certified(certificate: Certificate | None) -> dict[str, Any] | None:
    if certificate is None:
        return None
    return {
        "objective": certificate.objective,
        "candidate": certificate.candidate,
        **{side: _objective(certificate, side) for side in ("fp32", "compressed")},
        "latency_ms": certificate.latency_ms,
        "machine": certificate.machine,
    }


def _objective(certificate: Certificate, side: str) -> float | None:
    return certificate.metrics.get(side, {}).get(certificate.objective)


def _machine() -> dict[str, str]:
    system = f"{platform.system()} {platform.machine()}"
    return {"processor": processor(), "system": system, "onnxruntime": onnxruntime.__version__}


def _judge(
    certificate: Certificate | None, budget_ms: float | None, latency_ms: dict[str, Spread], graph_bytes: int
) -> list[Judged]:
    """Judges each part of the certificate's budget, with the milliseconds of --budget-ms if given."""
    budget = certificate.budget if certificate and certificate.budget else Budget()
    allowed_ms, elsewhere = budget.max_latency_ms, _elsewhere(certificate)
    if budget_ms is not None:
        allowed_ms, elsewhere = budget_ms, ""
    drop = _drop(certificate)
    missing = "the certificate does not have it for both models" if drop is None else ""
    lines = (
        ("objective_drop", budget.max_objective_drop, drop, missing),
        ("latency_ms", allowed_ms, sum(spread["1"]["p95"] for spread in latency_ms.values()), elsewhere),
        ("bytes", budget.max_bytes, float(graph_bytes), ""),
    )
    return [_line(name, allowed, found, why) for name, allowed, found, why in lines if allowed is not None]


def _drop(certificate: Certificate | None) -> float | None:
    """Drop of the objective on the validation split, which the compression search also uses."""
    if certificate is None:
        return None
    if certificate.objective_drop is not None:
        return certificate.objective_drop
    fp32, compressed = (_objective(certificate, side) for side in ("fp32", "compressed"))
    return None if fp32 is None or compressed is None else fp32 - compressed


def _elsewhere(certificate: Certificate | None) -> str:
    """Reason why the certificate's milliseconds do not apply to this machine; empty if they do."""
    named = certificate.budget_machine if certificate else ""
    if named == processor():
        return ""
    return f"milliseconds are judged only on the machine of the budget: {named or 'none named'}"


def _line(name: str, allowed: float, found: float | None, why: str) -> Judged:
    met = None if why or found is None else found <= allowed + ROUNDED
    return Judged(name=name, allowed=allowed, found=found, met=met, why=why)
