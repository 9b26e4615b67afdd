"""Proof: the exported files run through ONNX Runtime, float and compressed side by side, into a certificate."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from compression.candidate import PARITY
from compression.count import multiply_adds
from compression.machine import machine
from compression.peak import peak_bytes
from rushes.bundle import Budget, Bundle, Certificate
from rushes.latency import interleaved_percentiles_ms, open_graph
from rushes.machine import processor

if TYPE_CHECKING:
    from pathlib import Path

    from models.family import Family, Scores


# Rounding alone, of outputs around 1; of pictures, which are bytes, a level.
ROUNDING, LEVEL = 1e-3, 1.0


class ParityError(ValueError):
    """Exported files that answer otherwise than the network that they were made from."""

    remedy = "an export that changes answers is a fault of this code or of a library: look at what changed in either"


def parity(family: Family, reference: Bundle, candidate: Bundle) -> dict[str, float]:
    """How far the files are from the trained network, on samples of the validation split.

    Returns:
        fp32_max: Largest difference of any output of the float graph; rounding alone, or the export is wrong. Of
            pictures in levels of 255, where rounding alone may come to 1.
        What `family.agreement` says of the compressed graph.
    """
    inputs, outputs = _recorded(reference.folder / PARITY)
    fp32, compressed = (_answers(bundle.path("graph"), inputs) for bundle in (reference, candidate))
    truth = outputs[0]
    # Bytes would wrap around: 3 less 5 is 254.
    largest = float(np.abs(fp32.astype(np.float64) - truth.astype(np.float64)).max())
    return {"fp32_max": largest, **family.agreement(truth, compressed)}


def percentiles_ms(reference: Bundle, candidate: Bundle) -> dict[str, dict[str, dict[str, float]]]:
    """The spread of the times of one sample on one and two threads, both measured in turn on this machine."""
    feed = _one_sample(reference)
    return interleaved_percentiles_ms(_graphs(reference, candidate), {"fp32": feed, "compressed": feed})


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
) -> Certificate:
    """What was measured of the candidate, and where.

    Args:
        family: Whose.
        reference: The trained network in float, which figures are held against.
        source: The float graphs that the candidate was made from, with what their own network answers: a student's,
            where a student was picked.
        candidate: The compressed one.
        fp32: The scores of the trained network in float.
        compressed: The scores of the compressed one.
        budget: What it had to keep to, where there was one.
        budget_machine: The processor that the budget's milliseconds are meant for; this machine's if left out.

    Raises:
        ParityError: The files of the candidate are not the network that they were made from.
    """
    graphs, feed = _graphs(reference, candidate), _one_sample(reference)
    spread_ms = percentiles_ms(reference, candidate)
    costs = {side: multiply_adds(path, feed) for side, path in graphs.items()}
    return Certificate(
        digest=candidate.digest,
        objective=family.objective.name,
        parity=_held(parity(family, source, candidate), source),
        metrics={"fp32": fp32.metrics, "compressed": compressed.metrics},
        size_bytes={"fp32": _graph_bytes(reference), "compressed": _graph_bytes(candidate)},
        latency_ms={side: spread["1"]["p50"] for side, spread in spread_ms.items()},
        machine=machine(),
        percentiles_ms=spread_ms,
        multiply_adds={side: count for side, count in costs.items() if count is not None},
        peak_bytes={side: peak_bytes(path, feed) for side, path in graphs.items()},
        budget=budget,
        budget_machine=(budget_machine or processor()) if budget else "",
    )


def _held(found: dict[str, float], source: Bundle) -> dict[str, float]:
    truth = _recorded(source.folder / PARITY)[1][0]
    most = LEVEL if np.issubdtype(truth.dtype, np.integer) else ROUNDING * max(1.0, float(np.abs(truth).max()))
    if not found["fp32_max"] <= most:
        gap = f"{found['fp32_max']:.3g}, where rounding gives {most:.3g} at most"
        message = f"{source.folder}: the exported graph differs from its network by {gap}"
        raise ParityError(message)
    return found


def _graph_bytes(bundle: Bundle) -> int:
    return sum(bundle.manifest.files[name].size_bytes for name in bundle.graphs)


def _graphs(reference: Bundle, candidate: Bundle) -> dict[str, Path]:
    return {"fp32": reference.path("graph"), "compressed": candidate.path("graph")}


def _one_sample(reference: Bundle) -> dict[str, np.ndarray]:
    inputs, _ = _recorded(reference.folder / PARITY)
    return {name: value[:1] for name, value in inputs.items()}


def _recorded(path: Path) -> tuple[dict[str, np.ndarray], list[np.ndarray]]:
    with np.load(path) as stored:
        inputs = {name[3:]: stored[name] for name in stored if name.startswith("in:")}
        return inputs, [stored[name] for name in stored if name.startswith("out:")]


def _answers(path: Path, inputs: dict[str, np.ndarray]) -> np.ndarray:
    session = open_graph(path, threads=0)
    count = len(next(iter(inputs.values())))
    # One batch at a time keeps memory low, whatever the calibration set's size.
    parts = [session.run(None, {k: v[i : i + 32] for k, v in inputs.items()})[0] for i in range(0, count, 32)]
    return np.concatenate(parts)
