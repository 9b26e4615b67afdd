"""Outputs of a network and its files for the same samples, stored when they are produced and computed again later.

parity.npz holds outputs of the network itself, in PyTorch; outputs.npz holds those of a candidate's graph when the
compression search made it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from rushes.errors import UserError
from rushes.inference.session import open_graph

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from rushes.bundle.manifest import Bundle

PARITY, OUTPUTS = "parity.npz", "outputs.npz"
BATCH = 32  # keeps memory low, whatever the number of samples
ASKED = 64  # samples of outputs.npz
# Of the largest output, at most: other processors add int8 up in other ways, and a wrong weight is far beyond it.
AS_BEFORE = 0.05

Arrays = dict[str, np.ndarray]


class OutputsError(UserError):
    """A graph whose outputs differ from those that the compression search stored."""

    def __init__(self, message: str) -> None:
        super().__init__(
            message,
            "something has changed the file, or this processor computes otherwise than that which made it; again: "
            "make nightly",
        )


def read_parity(folder: Path) -> tuple[Arrays, Arrays]:
    """The samples and the outputs of the network itself, by the names of the graph's inputs and outputs."""
    with np.load(folder / PARITY) as stored:
        inputs, outputs = ({name[len(kind) :]: stored[name] for name in stored if name.startswith(kind)}
                           for kind in ("in:", "out:"))  # fmt: skip
        return inputs, outputs


def one_sample(folder: Path) -> Arrays:
    """The first of the samples, as a batch of one."""
    return {name: value[:1] for name, value in read_parity(folder)[0].items()}


def outputs_of(path: Path, inputs: Mapping[str, np.ndarray]) -> Arrays:
    """Outputs of a graph, by their names."""
    session = open_graph(path, threads=0)
    count = len(next(iter(inputs.values())))
    parts = [session.run(None, {k: v[i : i + BATCH] for k, v in inputs.items()}) for i in range(0, count, BATCH)]
    names = [output.name for output in session.get_outputs()]
    return {name: np.concatenate(part) for name, part in zip(names, zip(*parts, strict=True), strict=True)}


def write_outputs(bundle: Bundle, source: Path) -> None:
    """Writes the outputs of a graph into its folder.

    Args:
        bundle: A candidate that has just been made.
        source: The folder of the float graphs that it was made from, with their parity.npz.
    """
    inputs = {name: value[:ASKED] for name, value in read_parity(source)[0].items()}
    np.savez(bundle.folder / OUTPUTS, allow_pickle=False, **outputs_of(bundle.path("graph"), inputs))


def check_outputs(candidate: Bundle, source: Path) -> None:
    """Compares the candidate's outputs with those that the compression search stored.

    Args:
        candidate: The bundle to ship.
        source: The folder with parity.npz, and with outputs.npz of the pick.

    Raises:
        OutputsError: They differ: weights were changed on the way, or it is another file.
    """
    inputs = {name: value[:ASKED] for name, value in read_parity(source)[0].items()}
    found = outputs_of(candidate.path("graph"), inputs)
    with np.load(source / OUTPUTS) as stored:
        before = {name: stored[name] for name in stored}
    gaps = {name: gap(found[name], before[name]) for name in before}
    worst = max(gaps, key=lambda name: gaps[name])
    if not gaps[worst] <= AS_BEFORE:
        message = (
            f"{candidate.folder}: {worst} differs by {gaps[worst]:.1%} of its largest value from the output that the "
            f"compression search stored, where {AS_BEFORE:.0%} is allowed"
        )
        raise OutputsError(message)


def gap(found: np.ndarray, truth: np.ndarray) -> float:
    """The largest difference, as a share of the largest true value; of bytes, which would wrap around, as numbers."""
    if found.shape != truth.shape:
        return float("inf")
    largest = float(np.abs(truth.astype(np.float64)).max())
    return float(np.abs(found.astype(np.float64) - truth.astype(np.float64)).max()) / max(largest, 1e-12)
