"""Sheets of what Clean kept and dropped, drawn from the raw pictures so that they show what was judged."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from curation.image.crop import fit
from report.images.contact_sheet import sheet

if TYPE_CHECKING:
    from pathlib import Path

    from curation.quality.readers import Reader
    from curation.quality.verdicts import Examined

CELL_PX = 112
COLUMNS = 7  # as wide as the column of the page, so that captions are not shrunk
EACH = 36  # pictures of one reason, at most; spread evenly over all that have it
KEPT_ROWS = 8  # of the sheet of kept ones, at least one a label
RULE_PX = 4  # between a copy and its original


def dropped_sheet(examined: Examined, collection: str, path: Path, source: str = "") -> Path:
    """Draws the dropped samples in the order of the checks, each with its reason; a copy beside the one it copies."""
    table = examined.shown
    shown, title = some_dropped(examined, collection, source, EACH)
    numbers = [int(number) for number in shown.index]
    named = dict(zip(table["id"], range(len(table)), strict=True))
    originals = [named.get(name, -1) for name in shown["copy_of"]]
    pictures = _read(examined.reader, table.iloc[sorted({*numbers, *originals} - {-1})])
    cells = [_beside(pictures[number], pictures.get(other)) for number, other in zip(numbers, originals, strict=True)]
    return sheet(cells, _captions(shown, table, originals), path, title=title, columns=COLUMNS, cell_px=CELL_PX)


def kept_sheet(examined: Examined, collection: str, path: Path) -> Path:
    """Draws kept samples of train and validation, as many of each label; the test split stays shut."""
    table = examined.table
    kept = table[table["kept"] & (table["split"] != "test")]
    each = COLUMNS * max(1, KEPT_ROWS // kept["label"].nunique())
    shown = pd.concat([spread(rows, each) for _label, rows in kept.groupby("label")])
    pictures = _read(examined.reader, shown)
    captions = list(shown["label"] + "\n" + shown["source"] + ", " + shown["split"])
    counts = f"{int(table['kept'].sum()):,} of {len(table):,} {examined.medium.samples} kept"
    title = f"{collection}: {counts}; up to {each} of each label"
    return sheet([pictures[row] for row in shown.index], captions, path, title=title, columns=COLUMNS, cell_px=CELL_PX)


def _captions(shown: pd.DataFrame, table: pd.DataFrame, originals: list[int]) -> list[str]:
    seen = shown["reason"] + "\n" + shown["label"] + ", " + shown["split"] + "\n"
    others = ["" if n < 0 else f"of {table['label'].iloc[n]}, {table['split'].iloc[n]}" for n in originals]
    return [text + (other or why) for text, other, why in zip(seen, others, shown["why"], strict=True)]


def some_dropped(examined: Examined, collection: str, source: str, most: int) -> tuple[pd.DataFrame, str]:
    """Some of the dropped samples, in the order of the checks, and the title of their sheet."""
    table = examined.shown
    looked_at = table[(table["source"] == source) | (source == "")]
    dropped = looked_at[looked_at["reason"].isin(list(examined.medium.reasons))]
    shown = pd.concat([spread(dropped[dropped["reason"] == reason], most) for reason in examined.medium.reasons])
    title = f"{source or collection}: {len(dropped):,} of {len(looked_at):,} {examined.medium.samples} dropped"
    return shown, f"{title}, {len(shown):,} of them shown" if len(shown) < len(dropped) else title


def spread(rows: pd.DataFrame, most: int) -> pd.DataFrame:
    """Some of the rows, evenly spread over all of them."""
    if len(rows) <= most:
        return rows
    return rows.iloc[np.linspace(0, len(rows) - 1, most).round().astype(int)]


def _read(reader: Reader, rows: pd.DataFrame) -> dict[int, np.ndarray]:
    return dict(reader.shown(rows))


def _beside(copy_hwc: np.ndarray, original_hwc: np.ndarray | None) -> np.ndarray:
    if original_hwc is None:
        return copy_hwc
    half = (CELL_PX - RULE_PX) // 2
    rule_hwc = np.zeros((half, RULE_PX, 3), np.uint8)
    return np.hstack([fit(copy_hwc, half), rule_hwc, fit(original_hwc, half)])
