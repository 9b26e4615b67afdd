"""Sheets of what Clean kept and dropped of scripts: the beginning of each scene as a page, typed as screenplays are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from curation.quality.reasons import REASONS
from report.images.clean_sheets import dropped_title, spread
from report.images.contact_sheet import sheet
from report.images.typed_page import COLUMNS, PAGE_PX, page_of

if TYPE_CHECKING:
    from pathlib import Path

    from curation.quality.readers import Reader

EACH = 4  # scenes of one reason, at most
KEPT = 12  # scenes on the sheet of kept ones, at least one a label


def dropped_sheet(reader: Reader, collection: str, table: pd.DataFrame, path: Path, source: str = "") -> Path:
    """Draws dropped scenes in the order of the checks, each with its reason.

    Args:
        reader: Where the texts are.
        collection: The collection.
        table: Every scene that may be shown, as `examine` gives it, index 0..N-1.
        path: Where.
        source: Only of this source, if given.
    """
    looked_at = table[(table["source"] == source) | (source == "")]
    dropped = looked_at[looked_at["reason"].isin(REASONS)]
    shown = pd.concat([spread(dropped[dropped["reason"] == reason], EACH) for reason in REASONS])
    title = dropped_title(source or collection, "scenes", len(dropped), len(looked_at), len(shown))
    captions = shown["reason"] + "\n" + _named(shown) + "\n" + shown["why"]
    return _sheet(reader, shown, captions, path, title)


def kept_sheet(reader: Reader, collection: str, table: pd.DataFrame, path: Path) -> Path:
    """Draws kept scenes of train and validation, as many of each label; the test split stays shut.

    Args:
        reader: Where the texts are.
        collection: The collection.
        table: Every scene, as `examine` gives it, index 0..N-1.
        path: Where.
    """
    kept = table[table["kept"] & (table["split"] != "test")]
    each = max(1, KEPT // kept["label"].nunique())
    shown = pd.concat([spread(rows, each) for _label, rows in kept.groupby("label")])
    captions = _named(shown) + "\n" + shown["label"] + ", " + shown["source"]
    title = f"{collection}: {int(table['kept'].sum()):,} of {len(table):,} scenes kept; up to {each} of each label"
    return _sheet(reader, shown, captions, path, title)


def _sheet(reader: Reader, shown: pd.DataFrame, captions: pd.Series, path: Path, title: str) -> Path:
    texts = {row: data.tobytes().decode() for row, data in reader.shown(shown)}
    pages = [page_of(texts[row]) for row in shown.index]
    return sheet(pages, list(captions), path, title=title, columns=COLUMNS, cell_px=PAGE_PX)


def _named(rows: pd.DataFrame) -> pd.Series:
    return rows["work"] + ", scene " + rows["scene"].astype(str) + ", " + rows["split"]
