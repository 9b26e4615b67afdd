"""Proof: the exported files run through ONNX Runtime, float and compressed side by side, into a certificate."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import onnxruntime

from compression.candidate import PARITY
from compression.machine import machine
from rushes.bundle import Bundle, Certificate
from rushes.latency import interleaved_latency_ms

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


def latency_ms(reference: Bundle, candidate: Bundle) -> dict[str, float]:
    """Median of one sample on one thread, both measured in turn on this machine."""
    inputs, _ = _recorded(reference.folder / PARITY)
    feed = {name: value[:1] for name, value in inputs.items()}
    paths = {"fp32": reference.path("graph"), "compressed": candidate.path("graph")}
    return interleaved_latency_ms(paths, dict.fromkeys(paths, feed))


def certificate(  # all of it is in a certificate
    family: Family, reference: Bundle, source: Bundle, candidate: Bundle, fp32: Scores, compressed: Scores
) -> Certificate:
    """What was measured of the candidate, and where.

    Args:
        family: Whose.
        reference: The trained network in float, which figures are held against.
        source: The float graphs that the candidate was made from, with what their own network answers: a student's,
            where a student was picked.
        candidate: The compressed one.
        fp32: Scores of the reference on the test split.
        compressed: Those of the candidate.

    Raises:
        ParityError: The files of the candidate are not the network that they were made from.
    """
    return Certificate(
        digest=candidate.digest,
        objective=family.objective.name,
        parity=_held(parity(family, source, candidate), source),
        metrics={"fp32": fp32.metrics, "compressed": compressed.metrics},
        size_bytes={"fp32": _graph_bytes(reference), "compressed": _graph_bytes(candidate)},
        latency_ms=latency_ms(reference, candidate),
        machine=machine(),
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


def _recorded(path: Path) -> tuple[dict[str, np.ndarray], list[np.ndarray]]:
    with np.load(path) as stored:
        inputs = {name[3:]: stored[name] for name in stored if name.startswith("in:")}
        return inputs, [stored[name] for name in stored if name.startswith("out:")]


def _answers(path: Path, inputs: dict[str, np.ndarray]) -> np.ndarray:
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    count = len(next(iter(inputs.values())))
    # One batch at a time keeps memory low, whatever the calibration set's size.
    parts = [session.run(None, {k: v[i : i + 32] for k, v in inputs.items()})[0] for i in range(0, count, 32)]
    return np.concatenate(parts)
