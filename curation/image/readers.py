"""Readers of images for clean: original, for review, and fitted, for packing."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from curation.errors import DataError
from curation.image.crop import fit
from curation.image.metrics import decode, threaded
from curation.store.index import read_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import pandas as pd

    from curation.params import CollectionParams


@dataclass(frozen=True)
class RawReader:
    """Reads the raw images of a collection, as ingested."""

    root: Path
    collection: str
    params: CollectionParams

    def shown(self, rows: pd.DataFrame) -> Iterator[tuple[Any, np.ndarray]]:
        """Decoded images."""
        for row, data in read_bytes(self.root, self.collection, rows):
            picture_hwc = decode(data, 3)
            yield row, np.zeros((64, 64, 3), np.uint8) if picture_hwc is None else picture_hwc

    def fitted(self, rows: pd.DataFrame) -> Iterator[tuple[Any, np.ndarray]]:
        """Decoded, cropped and scaled images, in threads.

        Raises:
            DataError: An image that passed the checks in grey does not decode in colour.
        """
        work = partial(_decode_and_fit, params=self.params)
        for row, fitted_hwc in threaded(work, read_bytes(self.root, self.collection, rows), len(rows), "clean: pack"):
            if fitted_hwc is None:
                name, source = rows.loc[row, "member"], rows.loc[row, "source"]
                message = f"datasets/{self.collection}/{source}: {name} decodes in grey, but not in colour"
                remedy = (
                    f"save it in another format and ingest {source} again, or set channels: 1 for {self.collection}"
                )
                raise DataError(message, remedy)
            yield row, fitted_hwc


@dataclass(frozen=True)
class ArrayReader:
    """Reads square images from an array, scaled down to the packed size if larger.

    Attributes:
        squares_nhwc: uint8 RGB.
        column: Column of the table with the position in the array.
        params: Size and channels.
    """

    squares_nhwc: np.ndarray
    column: str
    params: CollectionParams

    def shown(self, rows: pd.DataFrame) -> Iterator[tuple[Any, np.ndarray]]:
        """Images as they are in the array."""
        for row, place in zip(rows.index, rows[self.column], strict=True):
            yield row, np.asarray(self.squares_nhwc[int(place)])

    def fitted(self, rows: pd.DataFrame) -> Iterator[tuple[Any, np.ndarray]]:
        """Images at the packed size."""
        for row, square_hwc in self.shown(rows):
            yield row, as_channels(fit(square_hwc, self.params.size_px), self.params.channels)


def as_channels(picture_hwc: np.ndarray, channels: int) -> np.ndarray:
    """Converts an RGB image to one or three channels; grey weights are OpenCV's (ITU-R BT.601)."""
    if channels == picture_hwc.shape[2]:
        return picture_hwc
    grey_hw = picture_hwc.astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32)
    return grey_hw.round().astype(np.uint8)[..., None]


def _decode_and_fit(data: bytes, *, params: CollectionParams) -> np.ndarray | None:
    picture_hwc = decode(data, params.channels)
    return None if picture_hwc is None else fit(picture_hwc, params.size_px, params.crop)
