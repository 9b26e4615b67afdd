"""Clean for takes: the face of each film is tracked once, and the frames are packed with the curves at their times.

A take keeps the split, the group and the terms of its row, so no performer spans two splits. Checks run in this order:
length, face, motion, fit of the curves, then duplicates: films of which the same was seen.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from common.progress import progress
from curation.quality.reasons import SHELTER, UNNAMED, mark
from curation.quality.verdicts import Examined, places, withhold
from curation.store.consent import read_expired
from curation.store.index import check_stored, collection_folder, read_index, sources
from curation.store.packing import THUMBNAILS
from curation.store.sample_set import array_names
from curation.store.source_info import credits_by_source, real_sources
from curation.store.take_fields import SIZES, WIDTH
from curation.take import medium
from curation.take.tracking import Seen, Task, join_arrays, track_all, write_networks
from rushes.tracking.face import UNITS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from common.assets import Read
    from curation.params import CollectionParams, TakeParams

EXTRAS = (
    "title", "licence", "width", "height", "fps", "frames", "length_s", "curves", "face_share", "motion", "fit",
    "lag_s",
)  # fmt: skip
# Curves that are shifted fit better by so much, and well: of 300 rendered takes of 6 s, whose curves fit, one has 0.32
# as they are and 0.47 with a shift of a second.
BETTER, WELL = 0.1, 0.6
# Length from which a low correlation is not chance: of curves that fit, rendered takes of 6 s have 0.13 to 0.95, of
# 18 s 0.48 to 0.93; of those of another film 98 % are below 0.4 at 10 s, most of them with any shift.
LONG_S = 10.0


@dataclass(frozen=True)
class TakeReader:
    """Reads the arrays of tracked takes, by place; their files have no name any more, and vanish with the reader."""

    arrays: Mapping[int, tuple[np.ndarray, np.ndarray]]

    def shown(self, rows: pd.DataFrame) -> Iterator[tuple[Any, np.ndarray]]:
        """Six pictures side by side, RGB uint8 H,W,3; black if the take cannot be read."""
        for row, place in rows["place"].items():
            pictures_nhwc = self.arrays[place][1] if place in self.arrays else np.zeros(THUMBNAILS, np.uint8)
            yield row, np.hstack(list(pictures_nhwc))

    def fitted(self, rows: pd.DataFrame) -> Iterator[tuple[Any, tuple[np.ndarray, np.ndarray]]]:
        """Frames float32 T,WIDTH, and pictures uint8 6,96,96,3."""
        for row, place in rows["place"].items():
            yield row, self.arrays[place]


def examine(root: Path, collection: str, params: CollectionParams, read: Read, workers: int | None = None) -> Examined:
    """Tracks the face of all takes, and runs all checks over them.

    Args:
        root: The checkout.
        collection: The collection's name.
        params: Its section of params.yaml.
        read: Reads the networks.
        workers: Number of processes; by default one for each processor.

    Raises:
        DataError: There are no takes, or one is missing or damaged.
    """
    index = read_index(root, collection, params)
    table = index.sort_values(["source", "id"], ignore_index=True)
    table = table.assign(reason="", why="", copy_of=None, label=table["label"].replace("", UNNAMED))
    table["place"] = range(len(table))
    withhold(table, table["id"], read_expired(root, collection))
    tasks = [_task(root, collection, row) for _, row in table[table["reason"] == ""].iterrows()]
    scratch = root / "build" / "clean" / f".{collection}.takes"  # a fixed name: a killed run leaves one at most
    shutil.rmtree(scratch, ignore_errors=True)
    try:
        networks = write_networks(medium.assets, read, scratch)
        tracked = track_all(tasks, networks, scratch, params.take, workers)
        seen_by_task = list(progress(tracked, title="clean: track", unit="take", total=len(tasks)))
        seen = dict(zip([task.place for task in tasks], seen_by_task, strict=True))
        reader = TakeReader(join_arrays(scratch, {place: one for place, one in seen.items() if not one.problem}))
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    table = table.join(
        pd.DataFrame([_columns(seen.get(place, Seen()), table["fps"][place]) for place in table["place"]])
    )
    _mark(table, params.take)
    _place(table)
    left_out = dict(index.attrs.get("left_out", {}))
    return Examined(medium, table, [], left_out, reader, EXTRAS, _info(root, collection, table))


def _task(root: Path, collection: str, row: pd.Series) -> Task:
    folder = collection_folder(root, collection) / str(row["source"])
    film, curves = folder / str(row["shard"]), folder / row["curves"] if row["curves"] else None
    for file, sha256 in ((film, row["sha256"]), *([(curves, row["curves_sha256"])] if curves is not None else ())):
        check_stored(file, str(sha256))
    return Task(int(row["place"]), film, curves, int(row["frames"]), float(row["fps"]), float(row["length_s"]))


def _columns(seen: Seen, fps: float) -> dict[str, Any]:
    correlation, best, lag = seen.fit or (np.nan, np.nan, 0)
    return {
        "length": seen.frames,
        "face_share": seen.face_share,
        "motion": seen.motion,
        "fit": correlation,
        "best_fit": best,
        "lag_s": lag / fps if seen.fit else np.nan,
        "digest": seen.digest,
        "problem": seen.problem,
    }


def _mark(table: pd.DataFrame, params: TakeParams) -> None:
    mark(table, table["problem"] != "", "unreadable", table["problem"])
    frames = table["length"].map("{:,} frames".format) + f", min_frames {params.min_frames}"
    mark(table, table["length"] < params.min_frames, "too short", frames)
    faces = "a face in " + table["face_share"].map("{:.0%}".format) + f", min_face_share {params.min_face_share:.0%}"
    mark(table, table["face_share"] < params.min_face_share, "no face", faces)
    motion = "motion " + table["motion"].map("{:.3f}".format) + f", min_motion {params.min_motion:g}"
    mark(table, table["motion"] < params.min_motion, "still", motion)
    better = table["best_fit"] >= (table["fit"] + BETTER).clip(lower=WELL)
    misfit = (table["fit"] < params.min_fit) & (better | (table["length_s"] >= LONG_S))
    shift: pd.Series = (
        " if " + table["lag_s"].abs().map("{:.2f} s ".format) + np.where(table["lag_s"] > 0, "earlier", "later")
    )
    best = table["best_fit"].map("{:.2f}".format)
    best = (best + shift).where(better, "at most " + best + " with a shift")
    mark(table, misfit, "curves do not fit", table["fit"].map("correlation {:.2f}, ".format) + best)
    _mark_duplicates(table)


def _mark_duplicates(table: pd.DataFrame) -> None:
    """Marks films of which the same was seen; the one in test stays, else the one in validation."""
    alive = table[table["reason"] == ""].assign(rank=table["split"].map(SHELTER.index))
    ordered = alive.sort_values(["rank", "source", "id"])
    first = ordered.groupby("digest")["id"].transform("first").reindex(table.index)
    copies = ordered["digest"].duplicated().reindex(table.index, fill_value=False)
    table["copy_of"] = first.where(copies, None).astype(object).where(copies, None)
    mark(table, copies, "exact duplicate", "of " + first.fillna("").astype(str))


def _place(table: pd.DataFrame) -> None:
    """Sets kept, and the position of each take in its array, in frames."""
    table["kept"] = table["reason"] == ""
    table["row"] = places(table)
    table["length"] = table["length"].where(table["row"] >= 0, 0)
    ends = table["length"].groupby(array_names(table)).cumsum()
    table["offset"] = (ends - table["length"]).where(table["row"] >= 0, -1)


def _info(root: Path, collection: str, table: pd.DataFrame) -> dict[str, Any]:
    """Labels that occur, required credit lines, starter sources, and the columns of the arrays."""
    real = real_sources(root, collection)
    return {
        "labels": sorted(table.loc[table["kept"], "label"].unique()),
        "credits": credits_by_source(root, collection),
        "starters": [name for name in sources(root, collection) if name not in real],
        "fields": dict(SIZES),
        "width": WIDTH,
        "units": list(UNITS),
    }
