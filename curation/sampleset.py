"""A packed sample set: one row a sample in samples.parquet, one memory-mapped array a split.

    FOLDER/samples.parquet   every sample, kept or not, and why (columns below)
    FOLDER/SPLIT.npy         pictures uint8 N,H,W,C of the samples kept in SPLIT; `row` points into it
    FOLDER/set.json          what a reader must know of the whole: labels, size_px, channels, ...

Columns that are always there: id, source, sha256, label, split (train|validation|test), group, performer (or None),
kept (bool), reason (empty where kept), row (-1 where dropped), votes (list of one share a label of set.json, or None).
A medium adds typed extras. A batch is one gather of rows; nothing is done a sample at a time in Python.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

SPLITS = ("train", "validation", "test")
COLUMNS = ("id", "source", "sha256", "label", "split", "group", "performer", "kept", "reason", "row", "votes")


@dataclass(frozen=True)
class SampleSet:
    """A packed set on disk, read lazily."""

    folder: Path

    @cached_property
    def info(self) -> dict[str, Any]:
        """What set.json says: labels, size_px, channels and what the writer added."""
        return dict(json.loads((self.folder / "set.json").read_text(encoding="utf-8")))

    @property
    def labels(self) -> list[str]:
        """The taxonomy, in the order of the votes and of every probability vector."""
        return list(self.info["labels"])

    @cached_property
    def table(self) -> pd.DataFrame:
        """Every sample, kept or not."""
        return pd.read_parquet(self.folder / "samples.parquet")

    def kept(self, split: str) -> pd.DataFrame:
        """The samples kept in a split, in the order of the rows of its array."""
        rows = self.table[(self.table["split"] == split) & self.table["kept"]]
        return rows.sort_values("row").reset_index(drop=True)

    def array(self, split: str) -> np.ndarray:
        """The pictures of a split, uint8 N,H,W,C, memory-mapped and read-only."""
        array: np.ndarray = np.load(self.folder / f"{split}.npy", mmap_mode="r")
        return array

    def targets(self, split: str) -> np.ndarray:
        """The soft labels of a split, float32 N,L: the votes where there are any, else all on the label."""
        rows = self.kept(split)
        index = {label: i for i, label in enumerate(self.labels)}
        targets_nl = np.zeros((len(rows), len(index)), np.float32)
        targets_nl[np.arange(len(rows)), [index[label] for label in rows["label"]]] = 1.0
        voted = rows["votes"].notna().to_numpy()
        if voted.any():
            targets_nl[voted] = np.stack(rows.loc[voted, "votes"].to_list())
        return targets_nl


def write_set(
    folder: Path, table: pd.DataFrame, arrays: Mapping[str, np.ndarray], info: Mapping[str, Any]
) -> SampleSet:
    """Writes a packed set.

    Args:
        folder: Where; made if it is not there.
        table: One row a sample, with at least COLUMNS.
        arrays: For each split its pictures, uint8 N,H,W,C.
        info: For set.json; holds at least `labels`.

    Raises:
        ValueError: A column is missing, or the rows kept in a split are not 0..N-1 of its array.
    """
    missing = [column for column in COLUMNS if column not in table.columns]
    if missing:
        message = f"the table lacks the columns {missing}"
        raise ValueError(message)
    for split, array in arrays.items():
        rows = np.sort(table.loc[(table["split"] == split) & table["kept"], "row"].to_numpy())
        if not np.array_equal(rows, np.arange(len(array))):
            message = f"{split}: the rows of the table are not those of the array"
            raise ValueError(message)
    folder.mkdir(parents=True, exist_ok=True)
    for split, array in arrays.items():
        np.save(folder / f"{split}.npy", array)
    table.to_parquet(folder / "samples.parquet", index=False)
    (folder / "set.json").write_text(json.dumps(dict(info), indent=2, sort_keys=True) + "\n", encoding="utf-8")
    return SampleSet(folder)
