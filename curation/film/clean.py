"""Clean for films: samples frames from every shot; each is kept or dropped with a reason.

A frame inherits the split, the group and the terms of its shot, so no shot spans two splits. Checks run in this order:
faults of editing (black, frozen, fades, title cards), faults of the single image, then duplicates.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from curation.film import medium
from curation.film.frames import plan, see
from curation.image.metrics import mark_blurred, mark_pictures
from curation.image.near_duplicates import mark_copies
from curation.image.readers import ArrayReader
from curation.quality.reasons import UNNAMED, mark
from curation.quality.verdicts import Examined, places, withhold
from curation.store.consent import read_expired
from curation.store.index import read_index, sources
from curation.store.source_info import credits_by_source, real_sources

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    from curation.params import CollectionParams, FrameParams

EXTRAS = ("film", "shot", "frame", "time_s", "crop", "left", "top", "motion", "change", "residual", "letters", "ground")
SURE = 2  # on plain ground a card needs this many times fewer letters


def examine(root: Path, collection: str, params: CollectionParams) -> Examined:
    """Samples frames of all shots and runs all checks over them.

    Raises:
        DataError: There are no films, or one is missing or damaged.
    """
    shots = read_index(root, collection, params).drop(columns=["width", "height"])
    table = plan(shots, params).assign(reason="", why="", copy_of=None, crop=params.crop)
    withhold(table, table["shot"], read_expired(root, collection))
    seen = see(root, collection, table, table["reason"] == "", params)
    table = table.join(seen.columns)
    table["label"] = table["label"].where(table["label"] != "", UNNAMED)
    _mark_frames(table, params.frames)
    mark_pictures(table, params.clean)
    not_judged = mark_blurred(table, params.clean, params.size_px)
    # A label applies to a whole film: two of its frames that look the same are not a label conflict.
    mark_copies(unnamed := table.assign(label=UNNAMED), seen.smalls_nhw, params.clean, [UNNAMED])
    table[["reason", "why", "copy_of"]] = unnamed[["reason", "why", "copy_of"]]
    table["kept"] = table["reason"] == ""
    table["row"] = places(table)
    table["place"] = range(len(table))
    table["outlier"] = np.nan  # frames of one film vary too much for this test
    reader = ArrayReader(seen.squares_nhwc, "place", params)
    return Examined(
        medium,
        table,
        not_judged,
        dict(shots.attrs.get("left_out", {})),
        reader,
        EXTRAS,
        _metadata(root, collection, table),
    )


def _metadata(root: Path, collection: str, table: pd.DataFrame) -> dict[str, Any]:
    """Labels that occur, required credit lines, and names of starter sources."""
    real = real_sources(root, collection)
    return {
        "labels": sorted(table.loc[table["kept"], "label"].unique()),
        "credits": credits_by_source(root, collection),
        "starters": [name for name in sources(root, collection) if name not in real],
    }


def _mark_frames(table: pd.DataFrame, params: FrameParams) -> None:
    mark(table, table["contrast"].isna(), "unreadable", "does not decode")
    bright = "95th percentile " + table["bright"].map("{:.0f}".format) + f", max_black {params.max_black:g}"
    # No threshold distinguishes a frame without any light from one that shows something.
    loosened = (table["bright"] > 0).map({True: "frames.max_black", False: "clean.max_dropped_share"})
    mark(table, table["bright"] <= params.max_black, "black", bright, loosened)
    letters = table["letters"].map("{:.0f} letters".format) + table["ground"].map(", ground {:.2f}".format)
    mark(table, _cards(table, params), "title card", letters + f", min_letters {params.min_letters}")
    motion = "motion " + table["motion"].map("{:.2f}".format) + f", min_motion {params.min_motion:g}"
    mark(table, table["motion"] < params.min_motion, "frozen", motion)
    fades = (table["change"] >= params.min_fade) & (table["residual"] <= params.max_fade_residual)
    fade = "change " + table["change"].map("{:.1f}".format) + table["residual"].map(", residual {:.2f}".format)
    mark(table, fades, "transition", fade)


def _cards(table: pd.DataFrame, params: FrameParams) -> pd.Series:
    """Title cards; frames between two of them in one shot count too, as the title fades in and out."""
    # A card has many letters on any ground, or fewer on ground that is mostly plain.
    many = table["letters"] >= params.min_letters
    some = (SURE * table["letters"] >= params.min_letters) & (table["ground"] >= params.min_plain_share)
    frames = table["frame"].where(many | some)
    first, last = (frames.groupby(table["shot"]).transform(how) for how in ("min", "max"))
    return (table["frame"] >= first) & (table["frame"] <= last)
