"""Where Clean reads samples: as they came, for a person to look at; and as they are packed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd


class Reader(Protocol):
    """Gives pictures or texts of a table's rows, in any order: (label of the row, picture or text)."""

    def shown(self, rows: pd.DataFrame) -> Iterator[tuple[Any, np.ndarray]]:
        """As they came, RGB uint8 H,W,3 of any size, black where one does not decode; of texts UTF-8 uint8 B."""

    def fitted(self, rows: pd.DataFrame) -> Iterator[tuple[Any, np.ndarray]]:
        """As they are packed, uint8 size,size,C; of texts UTF-8 uint8 B."""


@dataclass(frozen=True)
class TextReader:
    """Gives texts that stand in a column of the table, as they are shown and packed alike."""

    column: str = "text"

    def shown(self, rows: pd.DataFrame) -> Iterator[tuple[Any, np.ndarray]]:
        """In UTF-8, uint8 B."""
        for row, text in rows[self.column].items():
            yield row, np.frombuffer(text.encode(), np.uint8)

    def fitted(self, rows: pd.DataFrame) -> Iterator[tuple[Any, np.ndarray]]:
        """Likewise."""
        return self.shown(rows)
