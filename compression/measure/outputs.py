"""Outputs of a network and its files for the same samples, stored when they are produced and computed again later.

parity.npz says what the network itself answers, in PyTorch; answers.npz what a graph did as it left the ladder.
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

PARITY, ANSWERS = "parity.npz", "answers.npz"
BATCH = 32  # keeps memory low, whatever the number of samples
ASKED = 64  # samples of answers.npz
# Of the largest answer, at most: other processors add int8 up in other ways, and a wrong weight is far beyond it.
AS_BEFORE = 0.05

Arrays = dict[str, np.ndarray]


class AnswersError(UserError):
    """A graph that answers otherwise than when it left the ladder."""

    def __init__(self, message: str) -> None:
        super().__init__(
            message,
            "something has changed the file, or this processor computes otherwise than that which made it; again: "
            "make nightly",
        )


def read_parity(folder: Path) -> tuple[Arrays, Arrays]:
    """The samples, and what the network itself answers to them; by the names of the graph's inputs and outputs."""
    with np.load(folder / PARITY) as stored:
        inputs, outputs = ({name[len(kind) :]: stored[name] for name in stored if name.startswith(kind)}
                           for kind in ("in:", "out:"))  # fmt: skip
        return inputs, outputs


def one_sample(folder: Path) -> Arrays:
    """The first of the samples, as a batch of one."""
    return {name: value[:1] for name, value in read_parity(folder)[0].items()}


def answers(path: Path, inputs: Mapping[str, np.ndarray]) -> Arrays:
    """Outputs of a graph, by their names."""
    session = open_graph(path, threads=0)
    count = len(next(iter(inputs.values())))
    parts = [session.run(None, {k: v[i : i + BATCH] for k, v in inputs.items()}) for i in range(0, count, BATCH)]
    names = [output.name for output in session.get_outputs()]
    return {name: np.concatenate(part) for name, part in zip(names, zip(*parts, strict=True), strict=True)}


def write_answers(bundle: Bundle, source: Path) -> None:
    """Writes what a graph answers into its folder.

    Args:
        bundle: Of a form that has just been made.
        source: The folder of the float form that it was made from, with its parity.npz.
    """
    inputs = {name: value[:ASKED] for name, value in read_parity(source)[0].items()}
    np.savez(bundle.folder / ANSWERS, allow_pickle=False, **answers(bundle.path("graph"), inputs))


def check_answers(candidate: Bundle, source: Path) -> None:
    """Asks the candidate again what its form has answered on the ladder.

    Args:
        candidate: What is to be shipped.
        source: The folder with parity.npz, and with answers.npz of the form that was picked.

    Raises:
        AnswersError: It answers otherwise: weights were changed on the way, or it is another file.
    """
    inputs = {name: value[:ASKED] for name, value in read_parity(source)[0].items()}
    found = answers(candidate.path("graph"), inputs)
    with np.load(source / ANSWERS) as stored:
        before = {name: stored[name] for name in stored}
    gaps = {name: gap(found[name], before[name]) for name in before}
    worst = max(gaps, key=lambda name: gaps[name])
    if not gaps[worst] <= AS_BEFORE:
        message = (
            f"{candidate.folder}: {worst} differs by {gaps[worst]:.1%} of its largest value from what this form "
            f"answered as it left the ladder, where {AS_BEFORE:.0%} is allowed"
        )
        raise AnswersError(message)


def gap(found: np.ndarray, truth: np.ndarray) -> float:
    """The largest difference, as a share of the largest true value; of bytes, which would wrap around, as numbers."""
    if found.shape != truth.shape:
        return float("inf")
    largest = float(np.abs(truth.astype(np.float64)).max())
    return float(np.abs(found.astype(np.float64) - truth.astype(np.float64)).max()) / max(largest, 1e-12)
