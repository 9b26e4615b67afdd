"""The kept pictures of a cleaned table as arrays: one size, one file a split."""

from __future__ import annotations

import shutil
from functools import partial
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from curation.checks import decode, threaded
from curation.sampleset import DROPPED, SPLITS, SampleSet, array_names, write_set

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    import pandas as pd

    from curation.params import CollectionParams


def fit(picture_hwc: np.ndarray, size_px: int) -> np.ndarray:
    """The centre square of a picture, scaled; never stretched."""
    side = min(picture_hwc.shape[:2])
    top, left = ((length - side) // 2 for length in picture_hwc.shape[:2])
    square_hwc = picture_hwc[top : top + side, left : left + side]
    method = cv2.INTER_AREA if side > size_px else cv2.INTER_CUBIC
    fitted = cv2.resize(square_hwc, (size_px, size_px), interpolation=method)
    return fitted.reshape(size_px, size_px, picture_hwc.shape[2])


def pack(
    pictures: Iterable[tuple[Any, bytes]],
    table: pd.DataFrame,
    params: CollectionParams,
    out: Path,
    *,
    columns: list[str],
    info: Mapping[str, Any],
) -> SampleSet:
    """Writes the packed set of a cleaned table; what stood in `out` before is gone.

    Args:
        pictures: (label of the row, bytes) of the rows that have a place, in any order; what `read_bytes` yields.
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
    _fill(arrays, pictures, names[names != ""], table["row"], params)
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
    pictures: Iterable[tuple[Any, bytes]],
    names: pd.Series,
    places: pd.Series,
    params: CollectionParams,
) -> None:
    work = partial(_decode_and_fit, channels=params.channels, size_px=params.size_px)
    for label, picture_hwc in threaded(work, pictures, len(names), "clean: pack"):
        arrays[names[label]][places[label]] = picture_hwc


def _decode_and_fit(data: bytes, *, channels: int, size_px: int) -> np.ndarray:
    picture_hwc = decode(data, channels)
    if picture_hwc is None:
        message = "a picture that decoded as grey does not decode in colour"
        raise ValueError(message)
    return fit(picture_hwc, size_px)
