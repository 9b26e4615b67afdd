"""Sheets of what Clean kept and dropped of scripts: the beginning of each scene as a page, typed as screenplays are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from report.images.clean_sheets import some_dropped, spread
from report.images.contact_sheet import sheet
from report.images.typed_page import COLUMNS, PAGE_PX, page_of

if TYPE_CHECKING:
    from pathlib import Path

    from curation.quality.readers import Reader
    from curation.quality.verdicts import Examined

EACH = 4  # scenes of one reason, at most
KEPT = 12  # scenes on the sheet of kept ones, at least one a label


def dropped_sheet(examined: Examined, collection: str, path: Path, source: str = "") -> Path:
    """Draws dropped scenes in the order of the checks, each with its reason."""
    shown, title = some_dropped(examined, collection, source, EACH)
    captions = shown["reason"] + "\n" + _named(shown) + "\n" + shown["why"]
    return _sheet(examined.reader, shown, captions, path, title)


def kept_sheet(examined: Examined, collection: str, path: Path) -> Path:
    """Draws kept scenes of train and validation, as many of each label; the test split stays shut."""
    table = examined.table
    kept = table[table["kept"] & (table["split"] != "test")]
    each = max(1, KEPT // kept["label"].nunique())
    shown = pd.concat([spread(rows, each) for _label, rows in kept.groupby("label")])
    captions = _named(shown) + "\n" + shown["label"] + ", " + shown["source"]
    title = f"{collection}: {int(table['kept'].sum()):,} of {len(table):,} scenes kept; up to {each} of each label"
    return _sheet(examined.reader, shown, captions, path, title)


def _sheet(reader: Reader, shown: pd.DataFrame, captions: pd.Series, path: Path, title: str) -> Path:
    texts = {row: data.tobytes().decode() for row, data in reader.shown(shown)}
    pages = [page_of(texts[row]) for row in shown.index]
    return sheet(pages, list(captions), path, title=title, columns=COLUMNS, cell_px=PAGE_PX)


def _named(rows: pd.DataFrame) -> pd.Series:
    name = rows["document"] + ", scene " + rows["scene"].astype(str) if "document" in rows else rows["id"]
    return name + ", " + rows["split"]
