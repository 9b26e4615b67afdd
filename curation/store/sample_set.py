"""Packed sample set: one row a sample in samples.parquet, one memory-mapped array a split.

    FOLDER/samples.parquet   every sample, kept or not, with the reason (columns below)
    FOLDER/SPLIT.npy         images uint8 N,H,W,C of the samples kept in SPLIT; `row` is the index into it
    FOLDER/test-dropped.npy  decodable test samples that clean dropped; their `row` is the index into it
    FOLDER/apart.npy         valid samples that are kept apart: texts in another language, images without a label
    FOLDER/set.json          properties of the whole set: labels, size_px, channels, ...

A set of texts has UTF-8 uint8 B in place of images: all texts of an array concatenated in the order of their rows;
`offset` and `length` locate each, in bytes.

A set of takes has float32 T,WIDTH: the frames of all takes, one take after another; `offset` and `length` locate each,
in frames. Its columns stand in curation/store/take_fields.py. FOLDER/SPLIT-pictures.npy has six pictures of each take
for the report, uint8 N,6,96,96,3, RGB; `row` is the index into it.

Mandatory columns: id, source, sha256, label, split (train|validation|test), group, performer (or None), kept (bool),
reason (empty if kept), row (-1 if in no array), votes (list of one share a label of set.json, or None). A medium adds
typed extras. A batch is one gather of rows; there is no per-sample Python.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

SPLITS = ("train", "validation", "test")
TRAIN, TEST = SPLITS[0], SPLITS[2]
DROPPED = "test-dropped"  # array of the test samples that clean dropped
PICTURES_OF_TAKES = "-pictures"  # after the name of an array of takes
APART = "apart"  # array of valid samples that are not trained on
NO_LABEL = "unlabelled"
REASONS_APART = ("another language", NO_LABEL)
COLUMNS = ("id", "source", "sha256", "label", "split", "group", "performer", "kept", "reason", "row", "votes")


@dataclass(frozen=True)
class SampleSet:
    """A packed set on disk, read lazily.

    With `as_given` its test split ends with the samples that clean dropped, so that a score can be compared with a
    published one over the whole split. With `with_unlabelled` its train split ends with the images without a label, for
    distillation from a teacher.
    """

    folder: Path
    as_given: bool = False
    with_unlabelled: bool = False

    @cached_property
    def info(self) -> dict[str, Any]:
        """Content of set.json: labels, size_px, channels and what the writer added."""
        return dict(json.loads((self.folder / "set.json").read_text(encoding="utf-8")))

    @property
    def starter_only(self) -> bool:
        """True if it holds nothing but starter data."""
        return bool(self.info.get("starter_only"))

    @property
    def labels(self) -> list[str]:
        """The taxonomy, in the order of the votes and of every probability vector."""
        return list(self.info["labels"])

    @cached_property
    def table(self) -> pd.DataFrame:
        """Every sample, kept or not."""
        return pd.read_parquet(self.folder / "samples.parquet")

    def kept(self, split: str) -> pd.DataFrame:
        """Samples of a split's array, in the order of its rows."""
        rows = self.table[array_names(self.table) == split].sort_values("row")
        if self.as_given and split == TEST:
            dropped = self.table[array_names(self.table) == DROPPED].sort_values("row")
            if "offset" in dropped:
                dropped = dropped.assign(offset=dropped["offset"] + rows["length"].sum())
            rows = pd.concat([rows, dropped])
        if self.with_unlabelled and split == TRAIN:
            rows = pd.concat([rows, self.table[self._unlabelled].sort_values("row")])
        return rows.reset_index(drop=True)

    def text(self, split: str) -> np.ndarray:
        """Concatenated texts of a split, UTF-8 uint8 B, memory-mapped and read-only.

        `offset` and `length` of `kept(split)` locate each text, in bytes.
        """
        return self.array(split)

    def texts(self, split: str) -> Iterator[str]:
        """Texts of a split, one by one, in the order of `kept(split)`."""
        rows, text = self.kept(split), self.text(split)
        for offset, length in zip(rows["offset"], rows["length"], strict=True):
            yield text[offset : offset + length].tobytes().decode()

    def frames(self, split: str) -> np.ndarray:
        """Frames of all takes of a split, float32 T,WIDTH, memory-mapped and read-only.

        `offset` and `length` of `kept(split)` locate each take, in frames.
        """
        return self.array(split)

    def thumbnails(self, split: str) -> np.ndarray:
        """Pictures of the takes of a split, uint8 N,6,96,96,3, RGB, in the order of `kept(split)`; read-only."""
        return self._load(split, PICTURES_OF_TAKES)

    def array(self, split: str) -> np.ndarray:
        """Images of a split, uint8 N,H,W,C, its texts, uint8 B, or its frames, float32 T,WIDTH; read-only.

        Memory-mapped, unless it is composed of two arrays.
        """
        return self._load(split)

    def _load(self, split: str, part: str = "") -> np.ndarray:
        array: np.ndarray = np.load(self.folder / f"{split}{part}.npy", mmap_mode="r")
        if self.as_given and split == TEST:
            return np.concatenate([array, np.load(self.folder / f"{DROPPED}{part}.npy")])
        if self.with_unlabelled and split == TRAIN and self._unlabelled.any():
            return np.concatenate([array, np.load(self.folder / f"{APART}{part}.npy")])
        return array

    @cached_property
    def _unlabelled(self) -> pd.Series:
        return (array_names(self.table) == APART) & (self.table["reason"] == NO_LABEL)

    @property
    def whole(self) -> SampleSet:
        """The set with its test split as given, before clean."""
        return replace(self, as_given=True)

    @property
    def and_unlabelled(self) -> SampleSet:
        """The set with the unlabelled samples in its train split."""
        return replace(self, with_unlabelled=True)

    def targets(self, split: str) -> np.ndarray:
        """Soft labels of a split, float32 N,L: votes if there are any, else one-hot; zeros if there is no label."""
        rows = self.kept(split)
        index = {label: i for i, label in enumerate(self.labels)}
        targets_nl = np.zeros((len(rows), len(index)), np.float32)
        labelled_n = np.flatnonzero(rows["label"] != "")
        targets_nl[labelled_n, [index[label] for label in rows["label"].iloc[labelled_n]]] = 1.0
        voted = rows["votes"].notna().to_numpy()
        if voted.any():
            targets_nl[voted] = np.stack(rows.loc[voted, "votes"].to_list())
        return targets_nl


def array_names(table: pd.DataFrame) -> pd.Series:
    """Array of each row: its split's, that of dropped test samples, that of samples apart, or empty for none."""
    dropped = np.where(table["split"] == TEST, DROPPED, "")
    beside = np.where(table["reason"].isin(REASONS_APART), APART, dropped)
    return table["split"].where(table["kept"], beside).where(table["row"] >= 0, "")


def write_set(
    folder: Path, table: pd.DataFrame, arrays: Mapping[str, np.ndarray], info: Mapping[str, Any]
) -> SampleSet:
    """Writes a packed set of images.

    Args:
        folder: The folder; created if absent.
        table: One row a sample, with at least COLUMNS.
        arrays: Images of each split, uint8 N,H,W,C; dropped test samples under DROPPED, and samples kept apart under
            APART.
        info: For set.json; contains at least `labels`.

    Raises:
        ValueError: A column is missing, or the rows of an array are not 0..N-1.
    """
    _check_columns(table, COLUMNS)
    names = array_names(table)
    for split, array in arrays.items():
        _check_rows(split, table.loc[names == split, "row"], len(array))
    return _write(folder, table, arrays, info)


def write_text_set(
    folder: Path, table: pd.DataFrame, arrays: Mapping[str, np.ndarray], info: Mapping[str, Any]
) -> SampleSet:
    """Writes a packed set of texts.

    Args:
        folder: The folder; created if absent.
        table: One row a sample, with at least COLUMNS, offset and length.
        arrays: Concatenated texts of each split, UTF-8 uint8 B; also under DROPPED and APART.
        info: For set.json; contains at least `labels`.

    Raises:
        ValueError: A column is missing, or an array is not the concatenation of its rows' texts.
    """
    _check_pieces(table, arrays, "texts", np.uint8, ())
    return _write(folder, table, arrays, info)


def write_take_set(
    folder: Path,
    table: pd.DataFrame,
    arrays: Mapping[str, np.ndarray],
    pictures: Mapping[str, np.ndarray],
    info: Mapping[str, Any],
) -> SampleSet:
    """Writes a packed set of takes.

    Args:
        folder: The folder; created if absent.
        table: One row a sample, with at least COLUMNS, offset and length.
        arrays: Frames of all takes of each split, float32 T,WIDTH; also under DROPPED and APART.
        pictures: Pictures of the takes of the same arrays, uint8 N,6,H,W,3.
        info: For set.json; contains at least `labels` and `width`.

    Raises:
        ValueError: A column is missing, or an array is not made of its rows' frames or pictures.
    """
    _check_pieces(table, arrays, "takes", np.float32, (info["width"],))
    names = array_names(table)
    for split, pictures_nkhwc in pictures.items():
        _check_rows(split, table.loc[names == split, "row"], len(pictures_nkhwc))
    beside = {f"{split}{PICTURES_OF_TAKES}": array for split, array in pictures.items()}
    return _write(folder, table, {**arrays, **beside}, info)


def _check_pieces(
    table: pd.DataFrame,
    arrays: Mapping[str, np.ndarray],
    pieces: str,
    dtype: type[np.generic],
    shape: tuple[int, ...],
) -> None:
    """Checks that each array is made of its rows' texts or takes, one after another."""
    _check_columns(table, (*COLUMNS, "offset", "length"))
    names = array_names(table)
    for split, array in arrays.items():
        rows = table[names == split].sort_values("row")
        _check_rows(split, rows["row"], len(rows))
        ends = rows["length"].cumsum().to_numpy()
        whole = np.array_equal(rows["offset"], ends - rows["length"]) and (ends[-1] if len(ends) else 0) == len(array)
        if array.dtype != dtype or array.shape[1:] != shape or not whole:
            message = f"{split}: offset and length of the table are not those of the {pieces} in the array"
            raise ValueError(message)


def _check_columns(table: pd.DataFrame, wanted: Sequence[str]) -> None:
    missing = [column for column in wanted if column not in table.columns]
    if missing:
        message = f"the table lacks the columns {missing}"
        raise ValueError(message)


def _check_rows(split: str, rows: pd.Series, count: int) -> None:
    if not np.array_equal(np.sort(rows.to_numpy()), np.arange(count)):
        message = f"{split}: the rows of the table are not those of the array"
        raise ValueError(message)


def _write(folder: Path, table: pd.DataFrame, arrays: Mapping[str, np.ndarray], info: Mapping[str, Any]) -> SampleSet:
    folder.mkdir(parents=True, exist_ok=True)
    for split, array in arrays.items():
        np.save(folder / f"{split}.npy", array)
    table.to_parquet(folder / "samples.parquet", index=False)
    (folder / "set.json").write_text(json.dumps(dict(info), indent=2, sort_keys=True) + "\n", encoding="utf-8")
    return SampleSet(folder)
