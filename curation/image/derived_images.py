"""Clean for a collection with a parent: its own images, checked, and the samples that the parent kept, in one set.

What the parent's clean dropped stays dropped, and what it kept keeps its split and group. Starter samples are left out
as soon as the collection has a source of its own, so that nobody trains on them unknowingly.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pandas as pd

from curation.image import medium
from curation.image.crop import fit
from curation.image.near_duplicates import mark_copies
from curation.image.own_images import examine_own
from curation.image.readers import as_channels
from curation.image.style_clusters import layouts_of, looks_of
from curation.quality.reasons import UNNAMED, mark
from curation.quality.verdicts import Examined, findings, places
from curation.store.index import learned_from, sources
from curation.store.sample_set import SPLITS, SampleSet
from curation.store.source_info import credits_by_source, real_sources

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from curation.params import CollectionParams

EXTRAS = ("film", "shot", "frame", "time_s", "crop")
SMALL_PX = 32


@dataclass(frozen=True)
class JoinedReader:
    """Reads the collection's own images from their sources, and the parent's from its packed set."""

    own: Examined | None  # its rows come first, with the index of its table
    parent: SampleSet
    params: CollectionParams

    def shown(self, rows: pd.DataFrame) -> Iterator[tuple[Any, np.ndarray]]:
        """The original image, or the image as the parent packed it."""
        if self.own is not None:
            yield from self.own.reader.shown(self._own_rows(self.own, rows))
        for split, part in rows[rows["parent_row"] >= 0].groupby("split"):
            squares_nhwc = self.parent.array(str(split))
            yield from ((row, np.asarray(squares_nhwc[n])) for row, n in part["parent_row"].items())

    def fitted(self, rows: pd.DataFrame) -> Iterator[tuple[Any, np.ndarray]]:
        """The image at the packed size."""
        if self.own is not None:
            yield from self.own.reader.fitted(self._own_rows(self.own, rows))
        for row, picture_hwc in self.shown(rows[rows["parent_row"] >= 0]):
            yield row, as_channels(fit(picture_hwc, self.params.size_px), self.params.channels)

    def _own_rows(self, own: Examined, rows: pd.DataFrame) -> pd.DataFrame:
        return own.table.loc[rows.index[rows["parent_row"] < 0]]


def examine_joined(root: Path, collection: str, params: CollectionParams) -> Examined:
    """Examines the collection's own images and joins the parent's kept samples to them.

    Raises:
        DataError: The own images cannot be read.
    """
    named = pd.Series(sources(root, collection), dtype=object)
    own = examine_own(root, collection, params) if len(named) and learned_from(named, params).any() else None
    parent = SampleSet(root / "build" / "clean" / str(params.parent))
    starters = list(parent.info.get("starters", [])) if real_sources(root, collection) else []
    taken = _taken(parent, params, starters)
    table = pd.concat([*([] if own is None else [_of_own(own, params)]), taken], ignore_index=True)
    reader = JoinedReader(own, parent, params)
    layouts_nf = _looked(table, reader, both=own is not None and len(taken) > 0, params=params)
    labels = _name(table, layouts_nf, params)
    table["kept"] = table["reason"] == ""
    table["row"] = places(table)
    left_out = dict(own.left_out if own else {})
    if starters:
        from_starters = parent.table["kept"] & parent.table["source"].isin(starters)
        left_out[f"frames of {', '.join(starters)}: there are real images now"] = int(from_starters.sum())
    extra = {"labels": labels, "credits": _credits(root, collection, table, parent, params)}
    extra["findings"] = findings(table) | _untested(table, labels)
    return Examined(medium, table, own.not_judged if own else [], left_out, reader, EXTRAS, extra)


def _taken(parent: SampleSet, params: CollectionParams, starters: list[str]) -> pd.DataFrame:
    rows = pd.concat([parent.kept(split)[lambda part: part["kept"]] for split in SPLITS], ignore_index=True)
    rows = rows[~rows["source"].isin(starters)].reset_index(drop=True)
    rows["parent_row"] = rows["row"]
    rows["source"] = f"{params.parent}/" + rows["source"]
    rows["label"] = rows["label"].where(rows["label"] != UNNAMED, "")
    taken: pd.DataFrame = rows.assign(votes=None, reason="", why="", copy_of=None)
    return taken


def _of_own(own: Examined, params: CollectionParams) -> pd.DataFrame:
    columns = {"parent_row": -1, "crop": params.crop} | dict.fromkeys(EXTRAS[:4])
    return own.table.assign(**columns)


def _looked(table: pd.DataFrame, reader: JoinedReader, *, both: bool, params: CollectionParams) -> np.ndarray:
    """Colour layouts of samples without a category; also marks own images that are copies of the parent's."""
    wanted = table[(table["reason"] == "") & (both | (table["label"] == ""))]
    layouts_nf = np.zeros((len(table), layouts_of(np.zeros((1, 8, 8, 3), np.uint8)).shape[1]), np.float32)
    smalls_nhw = np.zeros((len(table), SMALL_PX, SMALL_PX), np.uint8)
    pixels = pd.Series("", index=table.index)
    for row, picture_hwc in reader.shown(wanted):
        square_hwc = fit(picture_hwc, params.size_px, "centre")
        layouts_nf[row] = layouts_of(square_hwc[None])[0]
        grey_hw = cv2.cvtColor(square_hwc, cv2.COLOR_RGB2GRAY)
        smalls_nhw[row] = cv2.resize(grey_hw, (SMALL_PX, SMALL_PX), interpolation=cv2.INTER_AREA)
        pixels[row] = hashlib.blake2b(square_hwc.tobytes(), digest_size=16).hexdigest()
    if both:
        # Parent frames carry no label that could contradict a category, so labels are not compared.
        unnamed = table.assign(label=UNNAMED, pixels=pixels)
        mark_copies(unnamed, smalls_nhw, params.clean, [UNNAMED])
        written = ["reason", "why", "param", "copy_of"]
        table[written] = unnamed[written]
    return layouts_nf


def _name(table: pd.DataFrame, layouts_nf: np.ndarray, params: CollectionParams) -> list[str]:
    """Names samples without a category by style cluster; returns labels with a train sample, marks the others."""
    unnamed = (table["label"] == "") & (table["reason"] == "")
    if params.style_clusters.count == 0:
        mark(
            table, unnamed, "no train sample", "has no category, and style_clusters.count is 0", "style_clusters.count"
        )
    elif unnamed.any():
        train_n = (table.loc[unnamed, "split"] == "train").to_numpy()
        table.loc[unnamed, "label"] = looks_of(layouts_nf[unnamed.to_numpy()], train_n, params.style_clusters)
    # A label needs at least one train sample to be learned; samples of the others are dropped.
    kept = table[table["reason"] == ""]
    taught = set(kept.loc[kept["split"] == "train", "label"])
    why = "no picture of " + table["label"].astype(str) + " is in train"
    mark(table, ~table["label"].isin(taught) & (table["reason"] == ""), "no train sample", why)
    # Votes are aligned with the new list of labels: taxonomy first, then the clusters.
    looks = kept.loc[~kept["label"].isin(params.labels), "label"].value_counts()
    labels = [label for label in [*params.labels, *sorted(looks.index)] if label in taught]
    votes = [_remapped(one, params.labels, labels) for one in table["votes"]]
    table["votes"] = pd.Series(votes, index=table.index, dtype=object)
    return labels


def _remapped(votes: Sequence[float] | None, known: list[str], labels: list[str]) -> list[float] | None:
    if votes is None:
        return None
    shares = dict(zip(known, votes, strict=True))
    return [float(shares.get(label, 0.0)) for label in labels]


def _untested(table: pd.DataFrame, labels: list[str]) -> dict[str, Any]:
    tested = set(table.loc[table["kept"] & (table["split"] == "test"), "label"])
    lacking = [label for label in labels if label not in tested]
    return {"labels without a test sample": {"number": len(lacking), "names": ", ".join(lacking)}} if lacking else {}


def _credits(
    root: Path, collection: str, table: pd.DataFrame, parent: SampleSet, params: CollectionParams
) -> dict[str, str]:
    there = set(table.loc[table["kept"], "source"])
    all_of_them = credits_by_source(root, collection)
    all_of_them |= {f"{params.parent}/{name}": text for name, text in parent.info.get("credits", {}).items()}
    return {name: text for name, text in sorted(all_of_them.items()) if name in there}
