"""Progress of a loop in a stage: a bar on a terminal; elsewhere, such as in the stage's log, an occasional line."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

if TYPE_CHECKING:
    from collections.abc import Iterable

EVERY_S = 15.0
LINE = "{desc}: {unit} {n_fmt} of {total_fmt}, about {remaining} left"


class _Lines:
    """Standard output that turns each state of a progress bar into a line."""

    def write(self, text: str) -> None:
        if line := text.strip():
            sys.stdout.write(f"{line}\n")

    def flush(self) -> None:
        sys.stdout.flush()


def progress(items: Iterable[Any] | None = None, *, title: str, unit: str, total: int | None = None) -> tqdm[Any]:
    """Creates a tqdm over the items, or one to update manually; a loop of less than 15 s writes no line.

    Args:
        items: Items of the loop.
        title: Description of the work.
        unit: Unit of the count, in the singular.
        total: Number of items, if they have no length.
    """
    if sys.stderr.isatty():
        return tqdm(items, desc=title, unit=unit, total=total)
    return tqdm(
        items, desc=title, unit=unit, total=total, file=_Lines(), bar_format=LINE,
        mininterval=EVERY_S, maxinterval=4 * EVERY_S, delay=EVERY_S,
    )  # fmt: skip
