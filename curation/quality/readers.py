"""Readers of samples for clean: original, for review, and fitted, for packing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd


class Reader(Protocol):
    """Yields images, texts or takes of a table's rows, in any order: (index label of the row, sample)."""

    def shown(self, rows: pd.DataFrame) -> Iterator[tuple[Any, np.ndarray]]:
        """Originals: RGB uint8 H,W,3 of any size, black if one does not decode; texts as UTF-8, uint8 B."""

    def fitted(self, rows: pd.DataFrame) -> Iterator[tuple[Any, Any]]:
        """Samples to pack: uint8 size,size,C; texts as UTF-8, uint8 B; of a take its frames and its pictures."""


@dataclass(frozen=True)
class TextReader:
    """Reads texts from a column of the table; shown and packed texts are the same."""

    column: str = "text"

    def shown(self, rows: pd.DataFrame) -> Iterator[tuple[Any, np.ndarray]]:
        """Texts as UTF-8, uint8 B."""
        for row, text in rows[self.column].items():
            yield row, np.frombuffer(text.encode(), np.uint8)

    def fitted(self, rows: pd.DataFrame) -> Iterator[tuple[Any, np.ndarray]]:
        """Texts as UTF-8, uint8 B."""
        return self.shown(rows)
