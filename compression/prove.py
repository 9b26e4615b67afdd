"""Proof: the exported files run through ONNX Runtime, float and compressed side by side, into a certificate."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from compression.measure.machine import machine
from compression.measure.multiply_adds import multiply_adds
from compression.measure.outputs import check_outputs, one_sample, outputs_of, read_parity
from compression.measure.peak_memory import peak_bytes
from compression.measure.reference_outputs import references
from rushes.bundle.manifest import Budget, Bundle, Certificate
from rushes.errors import UserError
from rushes.inference.cpu import processor
from rushes.inference.latency import interleaved_percentiles_ms

if TYPE_CHECKING:
    from pathlib import Path

    from models.family import Family, Scores

# Rounding alone, of outputs around 1; of pictures, which are bytes, a level.
ROUNDING, LEVEL = 1e-3, 1.0


class ParityError(UserError):
    """Exported files whose outputs differ from those of the network that they were made from."""

    def __init__(self, message: str) -> None:
        super().__init__(
            message, "an export that changes outputs is a bug here or in a library: look at what changed in either"
        )


def parity(family: Family, reference: Bundle, candidate: Bundle) -> dict[str, float]:
    """Distance of the exported files from the trained network, on samples of the validation split.

    Returns:
        fp32_max: Largest difference of any output of the float graph; rounding alone, or the export is wrong. Of
            pictures in levels of 255, where rounding alone may come to 1.
        The figures of `family.agreement` for the compressed graph.
    """
    inputs, truth = read_parity(reference.folder)
    first = next(iter(truth))
    compressed = outputs_of(candidate.path("graph"), inputs)[first]
    return {"fp32_max": max(_gaps(reference).values()), **family.agreement(truth[first], compressed)}


def _gaps(reference: Bundle) -> dict[str, float]:
    """The largest difference of each output of a float graph from that of its network."""
    inputs, truth = read_parity(reference.folder)
    found = outputs_of(reference.path("graph"), inputs)
    # Bytes would wrap around: 3 less 5 is 254.
    return {k: float(np.abs(found[k].astype(np.float64) - v.astype(np.float64)).max()) for k, v in truth.items()}


def check_export(reference: Bundle) -> None:
    """Compares a float graph with the network that it was exported from.

    Raises:
        ParityError: An output differs by more than rounding comes to.
    """
    _, truth = read_parity(reference.folder)
    for name, gap in _gaps(reference).items():
        whole = np.issubdtype(truth[name].dtype, np.integer)
        most = LEVEL if whole else ROUNDING * max(1.0, float(np.abs(truth[name]).max()))
        if not gap <= most:
            message = (
                f"{reference.folder}: {name} of the exported graph differs from its network by {gap:.3g}, where "
                f"rounding gives {most:.3g} at most"
            )
            raise ParityError(message)


def percentiles_ms(reference: Bundle, source: Bundle, candidate: Bundle) -> dict[str, dict[str, dict[str, float]]]:
    """The spread of the times of one sample on one and two threads, both measured in turn on this machine."""
    return interleaved_percentiles_ms(_graphs(reference, candidate), _feeds(reference, source))


def certificate(
    family: Family,
    reference: Bundle,
    source: Bundle,
    candidate: Bundle,
    fp32: Scores,
    compressed: Scores,
    *,
    budget: Budget | None = None,
    budget_machine: str = "",
    name: str = "",
    objective_drop: float | None = None,
) -> Certificate:
    """The certificate of a candidate: its measurements and the machine they were made on.

    Args:
        family: Whose.
        reference: The trained network in float, which figures are compared with.
        source: The float graphs that the candidate was made from, with the outputs of their own network: a student's,
            where a student was picked.
        candidate: The compressed one.
        fp32: The scores of the trained network in float.
        compressed: The scores of the compressed one.
        budget: What it had to keep to, where there was one.
        budget_machine: The processor that the budget's milliseconds are meant for; this machine's if left out.
        name: Name of the pick in the compression search.
        objective_drop: Its drop in the objective on the validation split, by which it was picked.

    Raises:
        ParityError: The float files are not the networks that they were made from.
        OutputsError: The candidate is not the pick.
    """
    # What the candidate is compared with, and what it was made from; mostly these are the same.
    for exported in {reference.digest: reference, source.digest: source}.values():
        check_export(exported)
    check_outputs(candidate, source.folder)
    graphs, feeds = _graphs(reference, candidate), _feeds(reference, source)
    spread_ms = percentiles_ms(reference, source, candidate)
    costs = {side: multiply_adds(path, feeds[side]) for side, path in graphs.items()}
    return Certificate(
        digest=candidate.digest,
        objective=family.objective.name,
        parity=parity(family, source, candidate),
        metrics={"fp32": fp32.metrics, "compressed": compressed.metrics},
        size_bytes={"fp32": _graph_bytes(reference), "compressed": _graph_bytes(candidate)},
        latency_ms={side: spread["1"]["p50"] for side, spread in spread_ms.items()},
        machine=machine(),
        percentiles_ms=spread_ms,
        multiply_adds={side: count for side, count in costs.items() if count is not None},
        peak_bytes={side: peak_bytes(path, feeds[side]) for side, path in graphs.items()},
        budget=budget,
        budget_machine=(budget_machine or processor()) if budget else "",
        references=references(candidate.path("graph"), source.folder),
        candidate=name,
        objective_drop=objective_drop,
    )


def _graph_bytes(bundle: Bundle) -> int:
    return sum(bundle.manifest.files[name].size_bytes for name in bundle.graphs)


def _graphs(reference: Bundle, candidate: Bundle) -> dict[str, Path]:
    return {"fp32": reference.path("graph"), "compressed": candidate.path("graph")}


def _feeds(reference: Bundle, source: Bundle) -> dict[str, dict[str, np.ndarray]]:
    """A sample for each side: the state of a student of a recurrent network is smaller than that of its teacher."""
    return {"fp32": one_sample(reference.folder), "compressed": one_sample(source.folder)}
