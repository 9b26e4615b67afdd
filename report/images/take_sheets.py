"""Sheets of what Clean kept and dropped of takes: six pictures of each, cut around the face."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from report.images.clean_sheets import some_dropped, spread
from report.images.contact_sheet import sheet

if TYPE_CHECKING:
    from pathlib import Path

    from curation.quality.readers import Reader
    from curation.quality.verdicts import Examined

CELL_PX, COLUMNS = 240, 4
EACH = 12  # takes of one reason, at most
KEPT = 20  # takes on the sheet of kept ones
ROWS = 2  # of the six pictures


def dropped_sheet(examined: Examined, collection: str, path: Path, source: str = "") -> Path:
    """Draws dropped takes in the order of the checks, each with its reason."""
    shown, title = some_dropped(examined, collection, source, EACH)
    captions = shown["reason"] + "\n" + _named(shown) + "\n" + shown["why"]
    return _sheet(examined.reader, shown, captions, path, title)


def kept_sheet(examined: Examined, collection: str, path: Path) -> Path:
    """Draws kept takes of train and validation; the test split stays shut."""
    table = examined.table
    shown = spread(table[table["kept"] & (table["split"] != "test")].sort_values(["group", "id"]), KEPT)
    truth = np.where(shown["curves"].notna(), "curves, fit " + shown["fit"].map("{:.2f}".format), "no curves")
    captions = _named(shown) + "\n" + shown["length"].map("{:,} frames, ".format) + pd.Series(truth, shown.index)
    title = f"{collection}: {int(table['kept'].sum()):,} of {len(table):,} takes kept"
    return _sheet(examined.reader, shown, captions, path, title)


def _sheet(reader: Reader, shown: pd.DataFrame, captions: pd.Series, path: Path, title: str) -> Path:
    strips = dict(reader.shown(shown))
    cells = [np.vstack(np.hsplit(strips[row], ROWS)) for row in shown.index]
    return sheet(cells, list(captions), path, title=title, columns=COLUMNS, cell_px=CELL_PX)


def _named(rows: pd.DataFrame) -> pd.Series:
    return rows["title"] + ", " + rows["source"] + ", " + rows["split"]
