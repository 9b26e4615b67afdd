"""Checks of a collection's own images: every one is measured, checked for copies and outliers, and kept or dropped.

Beside real samples with a label, the starter only adds to what is trained on: at most `starter_share` of it. Validation
and test are then of real samples alone, so that rendered ones neither enter a score nor decide a promotion.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from curation.image import medium
from curation.image.metrics import StatisticsOfAll, mark_blurred, mark_outliers, mark_pictures, measure_all
from curation.image.near_duplicates import mark_copies
from curation.image.readers import RawReader
from curation.quality.reasons import mark
from curation.quality.verdicts import Examined, places, withhold
from curation.store.consent import read_expired
from curation.store.index import read_bytes, read_index
from curation.store.sample_set import NO_LABEL, TRAIN
from curation.store.source_info import beside_real

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
    left_out = dict(rows.attrs.get("left_out", {}))
    starter = beside_real(table, root, collection)
    starters = sorted(table["source"][starter].unique())
    if starters:
        surplus = starter & ~_added(table, starter, params.starter_share)
        table = table[~surplus].reset_index(drop=True)
        left_out[f"pictures of {', '.join(starters)}, beside real ones"] = int(surplus.sum())
    looks = measure_all(read_bytes(root, collection, table[table["reason"] == ""]), table.index, "clean: look")
    table = table.join(looks.columns)
    not_judged = _check(table, looks, params)
    if medium.sets_apart(params):
        mark(table, table["label"] == "", NO_LABEL, "has no label")
    table["kept"] = table["reason"] == ""
    table["row"] = places(table)
    reader = RawReader(root, collection, params)
    return Examined(medium, table, not_judged, left_out, reader, info={"starters": starters} if starters else {})


def _added(table: pd.DataFrame, starter: pd.Series, share: float) -> pd.Series:
    """Starter samples to train on: at most this share of the training samples, as many of each label."""
    taught = (table["reason"] == "") & (table["label"] != "") & (table["split"] == TRAIN)
    most = int(share / (1.0 - share) * (taught & ~starter).sum())
    # The order of the ids, which are hashes, is random and the same each time: more real samples only add to these.
    pool = table[taught & starter].sort_values("id")
    turns = pool.groupby("label").cumcount().to_numpy()
    return table.index.to_series().isin(pool.index[np.argsort(turns, kind="stable")[:most]])


def _check(table: pd.DataFrame, looks: StatisticsOfAll, params: CollectionParams) -> list[str]:
    mark_pictures(table, params.clean)
    not_judged = mark_blurred(table, params.clean, params.size_px)
    mark_copies(table, looks.smalls_nhw, params.clean, params.labels)
    return not_judged + mark_outliers(table, looks, params.clean)
