"""Proof on the spot: a pulled bundle, measured on the laptop that will run it, and held against its budget."""

from __future__ import annotations

import platform
from pathlib import Path
from typing import TYPE_CHECKING, Any

import onnxruntime
from pydantic import BaseModel

from rushes.bundle import CONTRACT, GRAPH, MANIFEST, Budget, BundleError, read_head
from rushes.errors import NothingFitsError
from rushes.graph_file import read_graph
from rushes.latency import interleaved_percentiles_ms
from rushes.machine import processor
from rushes.remote import FolderRegistry, parse_wanted
from rushes.shelf import NEWEST, admit, default_shelf, find_model, model_name, pointed, pull_hint, shelved

if TYPE_CHECKING:
    from rushes.bundle import Bundle, Certificate
    from rushes.trust import Trust

ROUNDED = 1e-9  # of a difference of two figures
Spread = dict[str, dict[str, float]]  # threads -> "p50", "p95", "p99" -> milliseconds


class Judged(BaseModel):
    """One line of a budget: what it allows, what was found, and whether that is met; None where it is not judged."""

    name: str
    allowed: float
    found: float | None
    met: bool | None
    why: str = ""


class Checked(BaseModel):
    """What was found of a bundle that was not refused."""

    model: str
    folder: str
    digest: str
    contract: int
    known_contract: int = CONTRACT
    files: int
    signature: str
    certificate: dict[str, Any] | None
    size_bytes: dict[str, int]  # "graphs" as the certificate counts, and "bundle"
    machine: dict[str, str]
    latency_ms: dict[str, Spread]  # by graph
    budget: list[Judged]

    @property
    def met(self) -> bool | None:
        """Whether the budget is; None where nothing of it could be judged."""
        verdicts = {one.met for one in self.budget} - {None}
        return False not in verdicts if verdicts else None

    @property
    def not_judged(self) -> list[str]:
        """The lines of the budget that nothing can be said about here."""
        return [one.name for one in self.budget if one.met is None]


def find_checked(wanted: str, shelf: Path | None = None) -> Path:
    """The folder of the bundle that is meant: a folder itself, or FAMILY, FAMILY@ALIAS or FAMILY@7 on a shelf.

    A word without a separator names a model, also where a folder is called so, unless a pull has filled that folder.

    Raises:
        NothingFitsError: It is not there, or is of another family.
        MisuseError: It is neither a folder nor the name of a model.
    """
    folder = Path(wanted).expanduser()
    if (folder / MANIFEST).is_file():
        return folder
    newest = pointed(folder, NEWEST)
    if there := shelved(folder) if newest is None else [newest]:
        return there[-1].folder
    if folder.is_dir() and (Path(wanted).name != wanted or (folder / NEWEST).is_file()):
        message = f"{folder} holds no bundle: name the folder of one, or a model such as expression@champion"
        raise NothingFitsError(message)
    return _on_shelf(wanted, shelf)


def _on_shelf(wanted: str, shelf: Path | None) -> Path:
    asked, place = parse_wanted(wanted), shelf or default_shelf()
    if not place.is_dir():
        message = f"no {asked.name} model in {place}: fetch one with: {pull_hint(wanted, to=shelf)}"
        raise NothingFitsError(message)
    if not asked.alias and asked.version is None:
        found = find_model(shelf, asked.name)
    else:
        found = Path(FolderRegistry(place).find(asked).place)
    family = read_head(found).manifest.family
    if family != asked.name:
        message = f"{found} is a bundle of the family {family!r}, not {asked.name!r}"
        raise NothingFitsError(message)
    return found


def check(folder: Path, trust: Trust, *, uncertified: bool = False, budget_ms: float | None = None) -> Checked:
    """Checks hashes, contract, certificate and signature of a bundle, and measures it on this machine.

    Args:
        folder: The bundle.
        trust: The keys of which one must have signed it; without any, nobody has to.
        uncertified: Whether a bundle without a certificate will do, where no key is trusted.
        budget_ms: What one sample may take on this machine, in place of the certificate's own milliseconds.

    Raises:
        BundleError: It is refused: one of those is wrong, or a graph does not run here.
    """
    bundle = read_head(folder)
    signature = admit(bundle, trust, uncertified=uncertified)
    bundle.path(GRAPH)  # without one there is nothing to measure
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
        certificate=_certified(bundle.certificate),
        size_bytes=size_bytes,
        machine=_machine(),
        latency_ms=latency_ms,
        budget=_judge(bundle.certificate, budget_ms, latency_ms, size_bytes["graphs"]),
    )


def _measured(bundle: Bundle) -> dict[str, Spread]:
    for name in bundle.manifest.files:
        if name.lower().endswith(".onnx"):  # those that travel along are not measured, and may reach no further either
            read_graph(bundle.folder / name)
    try:
        return interleaved_percentiles_ms(bundle.graphs)
    except BundleError:
        raise
    except Exception as error:  # ONNX Runtime's errors share no base class
        message = f"{bundle.folder}: its graphs do not run here, with ONNX Runtime {onnxruntime.__version__}: {error}"
        raise BundleError(message) from error


def _certified(certificate: Certificate | None) -> dict[str, Any] | None:
    if certificate is None:
        return None
    return {
        "objective": certificate.objective,
        "form": certificate.form,
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
    """Each line of the budget that the certificate carries, and of milliseconds that were asked for here."""
    budget = certificate.budget if certificate and certificate.budget else Budget()
    allowed_ms, elsewhere = budget.max_latency_ms, _elsewhere(certificate)
    if budget_ms is not None:
        allowed_ms, elsewhere = budget_ms, ""
    drop = _drop(certificate)
    unsaid = "the certificate does not say it of both" if drop is None else ""
    lines = (
        ("objective_drop", budget.max_objective_drop, drop, unsaid),
        ("latency_ms", allowed_ms, sum(spread["1"]["p95"] for spread in latency_ms.values()), elsewhere),
        ("bytes", budget.max_bytes, float(graph_bytes), ""),
    )
    return [_line(name, allowed, found, why) for name, allowed, found, why in lines if allowed is not None]


def _drop(certificate: Certificate | None) -> float | None:
    """What the ladder has judged, on validation: by other samples what was shipped might miss its own budget."""
    if certificate is None:
        return None
    if certificate.objective_drop is not None:
        return certificate.objective_drop
    fp32, compressed = (_objective(certificate, side) for side in ("fp32", "compressed"))
    return None if fp32 is None or compressed is None else fp32 - compressed


def _elsewhere(certificate: Certificate | None) -> str:
    """Why the certificate's milliseconds say nothing here; empty where they do."""
    named = certificate.budget_machine if certificate else ""
    if named == processor():
        return ""
    return f"milliseconds are judged only on the machine that the budget names: {named or 'no machine'}"


def _line(name: str, allowed: float, found: float | None, why: str) -> Judged:
    met = None if why or found is None else found <= allowed + ROUNDED
    return Judged(name=name, allowed=allowed, found=found, met=met, why=why)
