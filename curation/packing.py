"""The kept pictures of a cleaned table as arrays: one size, one file a split."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import numpy as np

from curation.sampleset import DROPPED, SPLITS, SampleSet, array_names, write_set

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    import pandas as pd

    from curation.params import CollectionParams


def pack(
    pictures: Iterable[tuple[Any, np.ndarray]],
    table: pd.DataFrame,
    params: CollectionParams,
    out: Path,
    *,
    columns: list[str],
    info: Mapping[str, Any],
) -> SampleSet:
    """Writes the packed set of a cleaned table; what stood in `out` before is gone.

    Args:
        pictures: (label of the row, uint8 size,size,C) of the rows that have a place, in any order.
        table: Every sample, with split, kept and row.
        params: Size and channels.
        out: The folder, build/clean/C.
        columns: Those of the table that are written.
        info: For set.json.
    """
    scratch = out.with_name(f".{out.name}.part")  # of this collection alone, so that a killed run leaves one at most
    for folder in (out, scratch):
        shutil.rmtree(folder, ignore_errors=True)
    scratch.mkdir(parents=True)
    names = array_names(table)
    arrays = _arrays(names, params, scratch)
    _fill(arrays, pictures, names, table["row"])
    written = write_set(out, table[columns], arrays, info)
    shutil.rmtree(scratch)
    return written


def _arrays(names: pd.Series, params: CollectionParams, scratch: Path) -> dict[str, np.ndarray]:
    """Memory-mapped, so that a collection may be larger than memory."""
    counts = names.value_counts()
    side, channels = params.size_px, params.channels
    return {
        name: _array(scratch / f"{name}.npy", (int(counts.get(name, 0)), side, side, channels))
        for name in (*SPLITS, DROPPED)
    }


def _array(path: Path, shape: tuple[int, ...]) -> np.ndarray:
    if not shape[0]:  # nothing cannot be mapped
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
