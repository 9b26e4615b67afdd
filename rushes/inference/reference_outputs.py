"""Reference outputs: outputs of a graph on the machine that certified it, for comparison on other machines.

Processors add int8 products differently: U8S8 without VNNI adds pairs in 16 bits and saturates, and the certified model
then silently gives different outputs. A certificate therefore has inputs of the validation split, the outputs of the
compressed graph for them, and the tolerance for other processors.
"""

from __future__ import annotations

import base64
import binascii
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from rushes.bundle.arrays import unpack_arrays
from rushes.bundle.manifest import BundleError, References
from rushes.bundle.regular_files import FileError
from rushes.inference.session import open_graph, run_graph

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

SAMPLES = 32
MAX_BYTES = 64 << 20  # of the arrays, unpacked
IN, OUT = "in:", "out:"
NUMBERS = "fiub"  # kinds of NumPy's types that outputs have

Arrays = dict[str, np.ndarray]


@dataclass(frozen=True)
class Drift:
    """Difference of one output from its reference, as shares of the largest absolute reference value.

    Attributes:
        max: Largest difference.
        rms: Root mean square difference.
    """

    max: float
    rms: float


def pack(inputs: Mapping[str, np.ndarray], outputs: Mapping[str, np.ndarray]) -> str:
    """Encodes inputs and outputs as base64 of a compressed .npz, without pickle."""
    buffer = io.BytesIO()
    arrays = {f"{IN}{name}": value for name, value in inputs.items()}
    arrays |= {f"{OUT}{name}": value for name, value in outputs.items()}
    np.savez_compressed(buffer, allow_pickle=False, **arrays)
    return base64.b64encode(buffer.getvalue()).decode("ascii")


def unpack(references: References) -> tuple[Arrays, Arrays]:
    """Reference inputs and outputs of a certificate.

    Raises:
        BundleError: The arrays are malformed, empty or without numbers, or unpack to more than `MAX_BYTES`.
    """
    try:
        content = base64.b64decode(references.arrays, validate=True)
        arrays = unpack_arrays(content, MAX_BYTES)
    except (binascii.Error, FileError) as error:
        message = f"the certificate's reference outputs cannot be read ({error}): pull the bundle again"
        raise BundleError(message) from error
    for name, value in arrays.items():
        if value.dtype.kind not in NUMBERS or (name.startswith(OUT) and not value.size):
            message = f"the certificate's reference outputs cannot be compared: {name[:100]} is empty or has no numbers"
            raise BundleError(message)
    inputs = {name.removeprefix(IN): value for name, value in arrays.items() if name.startswith(IN)}
    outputs = {name.removeprefix(OUT): value for name, value in arrays.items() if name.startswith(OUT)}
    return inputs, outputs


def drift(found: np.ndarray, truth: np.ndarray) -> Drift:
    """Difference of an output from its reference; infinite if the shape differs or a value is NaN or infinite."""
    if found.shape != truth.shape:
        return Drift(float("inf"), float("inf"))
    wide, reference = found.astype(np.float64), truth.astype(np.float64)  # uint8 differences would wrap around
    # Compute the absolute differences.
    gap = np.abs(wide - reference)
    if not gap.size:
        return Drift(0.0, 0.0)
    if not np.isfinite(gap).all():
        return Drift(float("inf"), float("inf"))
    # Divide the largest and the root mean square difference by the largest absolute reference value.
    largest = max(float(np.abs(reference).max()), 1e-12)
    return Drift(float(gap.max()) / largest, float(np.sqrt(np.mean(gap**2))) / largest)


def drift_of(graph: Path, references: References) -> dict[str, Drift]:
    """Difference of each output of a graph from its reference on this machine.

    All samples run as one batch, as when certified: a dynamically quantised graph scales by the whole batch.

    Raises:
        BundleError: The references cannot be read, or the graph does not have one of their outputs.
    """
    inputs, truth = unpack(references)
    session = open_graph(graph)
    outputs = run_graph(session, None, inputs, graph)
    found = dict(zip((node.name for node in session.get_outputs()), outputs, strict=True))
    if missing := sorted(set(truth) - set(found)):
        message = f"{graph} has no output {missing[0]!r}, which its certificate names"
        raise BundleError(message)
    return {name: drift(np.asarray(found[name]), value) for name, value in truth.items()}
