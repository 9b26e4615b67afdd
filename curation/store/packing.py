"""Packs the kept samples of a cleaned table into arrays, one file a split: images, texts in UTF-8, or frames."""

from __future__ import annotations

import math
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from curation.store.sample_set import (
    APART,
    DROPPED,
    SPLITS,
    SampleSet,
    array_names,
    write_set,
    write_take_set,
    write_text_set,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    import pandas as pd

    from curation.params import CollectionParams


THUMBNAILS = (6, 96, 96, 3)  # of a take: number, height, width, RGB


@dataclass(frozen=True)
class Packing:
    """Arrays that a packed set is made of.

    Attributes:
        name: "pictures", "texts" or "takes".
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


def pack_takes(
    takes: Iterable[tuple[Any, tuple[np.ndarray, np.ndarray]]],
    table: pd.DataFrame,
    _params: CollectionParams,
    out: Path,
    *,
    columns: list[str],
    info: Mapping[str, Any],
) -> SampleSet:
    """Writes the packed set of a cleaned table of takes; replaces the previous content of `out`.

    Args:
        takes: (index label of the row, (float32 T,WIDTH, uint8 THUMBNAILS)) of the rows that have a place, in any
            order.
        table: Every sample, with split, kept, row, offset and length.
        out: The folder, build/clean/C.
        columns: Columns of the table to write.
        info: For set.json; contains `width`.
    """
    scratch = out.with_name(f".{out.name}.part")
    for folder in (out, scratch):
        shutil.rmtree(folder, ignore_errors=True)
    scratch.mkdir(parents=True)
    names = array_names(table)
    places = [*SPLITS, DROPPED, APART]
    sizes, counts = table["length"].groupby(names).sum(), names.value_counts()
    shapes = {name: (int(sizes.get(name, 0)), int(info["width"])) for name in places}
    frames = {name: _array(scratch / f"{name}.npy", shape, np.float32) for name, shape in shapes.items()}
    pictures = {name: np.zeros((int(counts.get(name, 0)), *THUMBNAILS), np.uint8) for name in places}
    for label, (frames_tw, pictures_nhwc) in takes:
        start = int(table["offset"][label])
        frames[names[label]][start : start + len(frames_tw)] = frames_tw
        pictures[names[label]][table["row"][label]] = pictures_nhwc
    written = write_take_set(out, table[columns], frames, pictures, info)
    shutil.rmtree(scratch)
    return written


def _about_pictures(params: CollectionParams) -> dict[str, Any]:
    return {
        "size_px": params.size_px,
        "channels": params.channels,
        "colours": "grey" if params.channels == 1 else "rgb",
        "thresholds": params.clean.model_dump(),
    }


def _about_own_checks(params: CollectionParams) -> dict[str, Any]:
    return {"medium": params.medium, "thresholds": params.value_of(params.medium).model_dump()}


def _arrays(names: pd.Series, params: CollectionParams, scratch: Path) -> dict[str, np.ndarray]:
    """Memory-mapped arrays, so that a collection may be larger than memory."""
    counts = names.value_counts()
    side, channels = params.size_px, params.channels
    return {
        name: _array(scratch / f"{name}.npy", (int(counts.get(name, 0)), side, side, channels))
        for name in (*SPLITS, DROPPED, APART)
    }


def _array(path: Path, shape: tuple[int, ...], dtype: type[np.generic] = np.uint8) -> np.ndarray:
    if not shape[0]:  # an empty file cannot be mapped
        return np.zeros(shape, dtype)
    return np.lib.format.open_memmap(path, mode="w+", dtype=dtype, shape=shape)


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


def _size_of_takes(samples: int, raw_bytes: int, _params: CollectionParams) -> int:
    # A frame has 6 kB; coded it has 8 kB or more at 720p.
    return raw_bytes + samples * math.prod(THUMBNAILS)


PICTURES = Packing(
    "pictures",
    pack,
    ("why", "copy_of", "width", "height", "blur", "sharpness", "brightness", "contrast", "outlier"),
    _about_pictures,
    _size_of_pictures,
)
IN_PIECES = ("why", "copy_of", "offset", "length")
TEXTS = Packing("texts", pack_texts, IN_PIECES, _about_own_checks, _size_of_texts)
TAKES = Packing("takes", pack_takes, IN_PIECES, _about_own_checks, _size_of_takes)
