"""Packs the kept samples of a cleaned table into arrays, one file a split: images of one size, or texts in UTF-8."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from curation.store.sample_set import APART, DROPPED, SPLITS, SampleSet, array_names, write_set, write_text_set

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    import pandas as pd

    from curation.params import CollectionParams


@dataclass(frozen=True)
class Packing:
    """Arrays that a packed set is made of.

    Attributes:
        name: "pictures" or "texts".
        pack: Writes the set: (samples, table, params, out, columns=..., info=...).
        extras: Columns of every set that is packed so.
        about: Entries of set.json.
        size_bytes: Size of the arrays, estimated from (number of samples, bytes of the raw files, params).
    """

    name: str
    pack: Callable[..., SampleSet]
    extras: tuple[str, ...]
    about: Callable[[CollectionParams], dict[str, Any]]
    size_bytes: Callable[[int, int, CollectionParams], int]


def pack(
    pictures: Iterable[tuple[Any, np.ndarray]],
    table: pd.DataFrame,
    params: CollectionParams,
    out: Path,
    *,
    columns: list[str],
    info: Mapping[str, Any],
) -> SampleSet:
    """Writes the packed set of a cleaned table; replaces the previous content of `out`.

    Args:
        pictures: (index label of the row, uint8 size,size,C) of the rows that have a place, in any order.
        table: Every sample, with split, kept and row.
        params: Size and channels.
        out: The folder, build/clean/C.
        columns: Columns of the table to write.
        info: For set.json.
    """
    scratch = out.with_name(f".{out.name}.part")  # a fixed name, so that killed runs leave one at most
    for folder in (out, scratch):
        shutil.rmtree(folder, ignore_errors=True)
    scratch.mkdir(parents=True)
    names = array_names(table)
    arrays = _arrays(names, params, scratch)
    _fill(arrays, pictures, names, table["row"])
    written = write_set(out, table[columns], arrays, info)
    shutil.rmtree(scratch)
    return written


def pack_texts(
    texts: Iterable[tuple[Any, np.ndarray]],
    table: pd.DataFrame,
    _params: CollectionParams,
    out: Path,
    *,
    columns: list[str],
    info: Mapping[str, Any],
) -> SampleSet:
    """Writes the packed set of a cleaned table of texts; replaces the previous content of `out`.

    Args:
        texts: (index label of the row, UTF-8 uint8 B) of the rows that have a place, in any order.
        table: Every sample, with split, kept, row, offset and length.
        out: The folder, build/clean/C.
        columns: Columns of the table to write.
        info: For set.json.
    """
    shutil.rmtree(out, ignore_errors=True)
    names = array_names(table)
    sizes = table["length"].groupby(names).sum()
    arrays = {name: np.zeros(int(sizes.get(name, 0)), np.uint8) for name in (*SPLITS, DROPPED, APART)}
    for label, text in texts:
        start = int(table["offset"][label])
        arrays[names[label]][start : start + len(text)] = text
    return write_text_set(out, table[columns], arrays, info)


def _about_pictures(params: CollectionParams) -> dict[str, Any]:
    return {
        "size_px": params.size_px,
        "channels": params.channels,
        "colours": "grey" if params.channels == 1 else "rgb",
        "thresholds": params.clean.model_dump(),
    }


def _about_texts(params: CollectionParams) -> dict[str, Any]:
    return {"medium": params.medium, "thresholds": params.value_of(params.medium).model_dump()}


def _arrays(names: pd.Series, params: CollectionParams, scratch: Path) -> dict[str, np.ndarray]:
    """Memory-mapped arrays, so that a collection may be larger than memory."""
    counts = names.value_counts()
    side, channels = params.size_px, params.channels
    return {
        name: _array(scratch / f"{name}.npy", (int(counts.get(name, 0)), side, side, channels))
        for name in (*SPLITS, DROPPED, APART)
    }


def _array(path: Path, shape: tuple[int, ...]) -> np.ndarray:
    if not shape[0]:  # an empty file cannot be mapped
        return np.zeros(shape, np.uint8)
    return np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=shape)


def _fill(
    arrays: Mapping[str, np.ndarray],
    pictures: Iterable[tuple[Any, np.ndarray]],
    names: pd.Series,
    places: pd.Series,
) -> None:
    for label, picture_hwc in pictures:
        arrays[names[label]][places[label]] = picture_hwc


def _size_of_pictures(samples: int, _raw_bytes: int, params: CollectionParams) -> int:
    return samples * params.size_px**2 * params.channels


def _size_of_texts(_samples: int, raw_bytes: int, _params: CollectionParams) -> int:
    return raw_bytes


PICTURES = Packing(
    "pictures",
    pack,
    ("why", "copy_of", "width", "height", "blur", "sharpness", "brightness", "contrast", "outlier"),
    _about_pictures,
    _size_of_pictures,
)
TEXTS = Packing("texts", pack_texts, ("why", "copy_of", "offset", "length"), _about_texts, _size_of_texts)
