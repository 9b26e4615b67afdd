"""Proof: the exported files run through ONNX Runtime, float and compressed side by side, into a certificate."""

from __future__ import annotations

import platform
from typing import TYPE_CHECKING

import numpy as np
import onnxruntime

from compression.candidate import PARITY
from rushes.bundle import Bundle, Certificate
from rushes.latency import interleaved_latency_ms, open_graph

if TYPE_CHECKING:
    from pathlib import Path

    from models.family import Family, Scores


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


def certificate(family: Family, reference: Bundle, candidate: Bundle, fp32: Scores, compressed: Scores) -> Certificate:
    """What was measured of the candidate, and where."""
    return Certificate(
        digest=candidate.digest,
        objective=family.objective.name,
        parity=parity(family, reference, candidate),
        metrics={"fp32": fp32.metrics, "compressed": compressed.metrics},
        size_bytes={"fp32": _graph_bytes(reference), "compressed": _graph_bytes(candidate)},
        latency_ms=latency_ms(reference, candidate),
        machine=machine(),
    )


def machine() -> dict[str, str]:
    """The machine that latencies were measured on."""
    return {
        "processor": _processor(),
        "system": f"{platform.system()} {platform.machine()}",
        "onnxruntime": onnxruntime.__version__,
        "threads": "1",
    }


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:  # noqa: PTH123  # a kernel's file
            names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    except OSError:
        names = []
    return names[0] if names else platform.processor() or "unknown"


def _graph_bytes(bundle: Bundle) -> int:
    return sum(bundle.manifest.files[name].size_bytes for name in bundle.graphs)


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
