"""Checks of a collection's own images: every one is measured, checked for copies and outliers, and kept or dropped."""

from __future__ import annotations

from typing import TYPE_CHECKING

from curation.image import medium
from curation.image.metrics import StatisticsOfAll, mark_blurred, mark_outliers, mark_pictures, measure_all
from curation.image.near_duplicates import mark_copies
from curation.image.readers import RawReader
from curation.quality.reasons import mark
from curation.quality.verdicts import Examined, places, withhold
from curation.store.consent import read_expired
from curation.store.index import read_bytes, read_index
from curation.store.sample_set import NO_LABEL

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    from curation.params import CollectionParams


def examine_own(root: Path, collection: str, params: CollectionParams) -> Examined:
    """Runs all checks over all own images, in the order of the medium's reasons."""
    rows = read_index(root, collection, params)
    table = rows.sort_values(["id", "source"], ignore_index=True).drop(columns=["width", "height"])
    table = table.assign(reason="", why="", copy_of=None)
    withhold(table, table["id"], read_expired(root, collection))
    looks = measure_all(read_bytes(root, collection, table[table["reason"] == ""]), table.index, "clean: look")
    table = table.join(looks.columns)
    not_judged = _check(table, looks, params)
    if medium.sets_apart(params):
        mark(table, table["label"] == "", NO_LABEL, "has no label")
    table["kept"] = table["reason"] == ""
    table["row"] = places(table)
    reader = RawReader(root, collection, params)
    return Examined(medium, table, not_judged, dict(rows.attrs.get("left_out", {})), reader)


def _check(table: pd.DataFrame, looks: StatisticsOfAll, params: CollectionParams) -> list[str]:
    mark_pictures(table, params.clean)
    not_judged = mark_blurred(table, params.clean, params.size_px)
    mark_copies(table, looks.smalls_nhw, params.clean, params.labels)
    return not_judged + mark_outliers(table, looks, params.clean)
