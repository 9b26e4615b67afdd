"""Image statistics, and the checks that need only the image and its source.

A check judges what the checks before it have left: it marks rows of the table and removes none. Sharpness and outliers
are judged relative to the image's own source, since a 48 px face and a film frame are not comparable.
Suffixes of names: N samples, H rows, W columns, C cells of a histogram, F features.
"""

from __future__ import annotations

import hashlib
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

import cv2
import numpy as np
import pandas as pd
from PIL import Image

from common.progress import progress
from curation.quality.reasons import mark
from rushes.media.image import decode_picture

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from curation.params import CleanParams


SMALL_PX = 32  # side of the thumbnail for perceptual hashes and outliers, as in imagehash
TONES = 32  # cells of the histogram of grey levels
CELL_PX, ORIENTATIONS = 8, 8  # of the histogram of gradients

# A source with fewer samples is too small to estimate what is usual in it.
MIN_FOR_MEDIAN = 20
MIN_FOR_OUTLIERS = 200
COMPONENTS = 32  # principal directions of a source's features
USUAL_SHARE = 0.9  # share of a source that those directions are fitted to
BATCH = 256  # images in flight; bounds the memory for undecoded bytes


class ImageStatistics(NamedTuple):
    """Statistics of one image; grey levels are 0 to 255, all at native size unless stated otherwise."""

    width: int
    height: int
    blur: float  # variance of the Laplacian
    slope: float  # mean square of the gradient, grey levels a pixel
    brightness: float  # mean
    contrast: float  # standard deviation
    dark: int  # 5th percentile
    bright: int  # 95th percentile
    pixels: str  # hash of size and grey levels: equal for two files of one image
    small_hw: np.ndarray  # uint8, SMALL_PX square, resized as by imagehash
    tones_c: np.ndarray  # float32: square roots of the shares of TONES cells


STATISTICS = ImageStatistics._fields[:-2]


@dataclass(frozen=True)
class StatisticsOfAll:
    """Statistics of all samples: columns for the table, and arrays with the same rows."""

    columns: pd.DataFrame
    smalls_nhw: np.ndarray
    tones_nc: np.ndarray


def measure(data: bytes) -> ImageStatistics | None:
    """Decodes an image and measures it; None if it does not decode."""
    grey_hw = decode(data, 1)
    return None if grey_hw is None else measure_grey(grey_hw[..., 0])


def measure_grey(grey_hw: np.ndarray) -> ImageStatistics:
    """Measures a decoded image, uint8 H,W."""
    height, width = grey_hw.shape
    mean, deviation = cv2.meanStdDev(grey_hw)
    # Sharpness: variance of the second derivative, to be divided by the mean square of the first (see mark_blurred).
    _, laplacian = cv2.meanStdDev(cv2.Laplacian(grey_hw, cv2.CV_16S))
    run_hw, rise_hw = cv2.spatialGradient(grey_hw)  # Sobel: eight times the slope
    # Percentiles from the histogram, which gives the exact grey level without sorting the pixels.
    counts = cv2.calcHist([grey_hw], [0], None, [256], [0, 256]).ravel()
    dark, bright = np.searchsorted(counts.cumsum(), [0.05 * grey_hw.size, 0.95 * grey_hw.size])
    small = Image.fromarray(grey_hw).resize((SMALL_PX, SMALL_PX), Image.Resampling.LANCZOS)
    return ImageStatistics(
        width=width,
        height=height,
        blur=float(laplacian[0, 0] ** 2),
        slope=(cv2.norm(run_hw, cv2.NORM_L2SQR) + cv2.norm(rise_hw, cv2.NORM_L2SQR)) / 64 / grey_hw.size,
        brightness=float(mean[0, 0]),
        contrast=float(deviation[0, 0]),
        dark=int(dark),
        bright=int(bright),
        pixels=hashlib.blake2b(grey_hw.tobytes(), digest_size=16, salt=f"{width}x{height}".encode()).hexdigest(),
        small_hw=np.asarray(small),
        tones_c=np.sqrt(counts.reshape(TONES, -1).sum(1) / grey_hw.size),
    )


def decode(data: bytes, channels: int) -> np.ndarray | None:
    """Decodes an image to uint8 H,W,1 (grey) or H,W,3 (RGB), upright and on white; None if it does not decode."""
    picture = decode_picture(data, channels)
    return picture if picture is None or channels == 1 else cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)


def measure_all(pictures: Iterable[tuple[Any, bytes]], index: pd.Index, title: str) -> StatisticsOfAll:
    """Measures all images, in threads.

    Args:
        pictures: (index label of the row, bytes), in any order, as `read_bytes` yields them.
        index: Index labels of the rows, in the order of the result.
        title: Title of the progress bar.
    """
    columns: dict[Any, tuple] = {}
    smalls_nhw = np.zeros((len(index), SMALL_PX, SMALL_PX), np.uint8)
    tones_nc = np.zeros((len(index), TONES), np.float32)
    for row, seen in threaded(measure, pictures, len(index), title):
        if seen is not None:
            place = index.get_loc(row)
            columns[row] = seen[:-2]
            smalls_nhw[place], tones_nc[place] = seen.small_hw, seen.tones_c
    frame = pd.DataFrame.from_dict(columns, orient="index", columns=list(STATISTICS)).reindex(index)
    return StatisticsOfAll(frame.fillna({"width": 0, "height": 0, "pixels": ""}), smalls_nhw, tones_nc)


def threaded(
    work: Callable[[bytes], Any], pictures: Iterable[tuple[Any, bytes]], total: int, title: str
) -> Iterator[tuple[Any, Any]]:
    """Yields (index label of the row, result of `work` on the bytes), in batches, so that memory stays bounded."""
    source = iter(pictures)
    with ThreadPoolExecutor(os.cpu_count()) as pool, progress(total=total, title=title, unit="picture") as bar:
        while batch := list(islice(source, BATCH)):
            rows, data = zip(*batch, strict=True)
            yield from zip(rows, pool.map(work, data), strict=True)
            bar.update(len(batch))


def mark_pictures(table: pd.DataFrame, params: CleanParams) -> None:
    """Marks images by their own statistics: unreadable, too small, too narrow, constant, badly exposed."""
    shorter, longer = table[["width", "height"]].min(axis=1), table[["width", "height"]].max(axis=1)
    size = table["width"].astype(int).astype(str) + " x " + table["height"].astype(int).astype(str) + " px"
    mark(table, table["contrast"].isna(), "unreadable", "does not decode")
    mark(table, shorter < params.min_size_px, "too small", size + f", min_size_px {params.min_size_px}")
    mark(table, longer > shorter * params.max_aspect, "too narrow", size + f", max_aspect {params.max_aspect:g}")
    for column, reason, param, sign in (
        ("contrast", "constant", "min_contrast", -1),
        ("bright", "underexposed", "min_p95_brightness", -1),
        ("dark", "overexposed", "max_p5_brightness", 1),
    ):
        limit = getattr(params, param)
        why = f"{column} " + table[column].map("{:.4g}".format) + f", {param} {limit:g}"
        mark(table, sign * table[column] > sign * limit, reason, why)


def mark_blurred(table: pd.DataFrame, params: CleanParams, size_px: int) -> list[str]:
    """Fills the column `sharpness`, relative to what is usual, and marks images that are far less sharp.

    The variance of the Laplacian grows with contrast: alone it calls dark faces and misty hills blurred. Divided by the
    mean square of the gradient it measures the width of an edge: about one over the square of the blur radius. Usual is
    the median of images of similar size (within half an octave) in the same source. An image that will be scaled down
    by s may be s times as soft, since scaling removes that detail anyway.

    Args:
        table: One row a sample.
        params: Thresholds.
        size_px: Side that images are scaled to.

    Returns:
        Notes on what could not be judged.
    """
    alive = table["reason"] == ""
    shorter_px = table[["width", "height"]].min(axis=1).clip(lower=1)
    # Groups of similar images: same source, sides within half an octave.
    like = [table["source"], shorter_px.map(np.log2).round()]
    # Edge width, independent of contrast; the floor keeps flat images from dividing by zero.
    sharpness = (table["blur"] / table["slope"].clip(lower=1e-3)).where(alive)
    medians, counts = sharpness.groupby(like).transform("median"), alive.groupby(like).transform("sum")
    # Forgive the softness that scaling down removes: s in the radius is s squared in this measure.
    scaled = (shorter_px / size_px).clip(lower=1.0) ** 2
    table["sharpness"] = (sharpness / medians.where(medians > 0) * scaled).where(counts >= MIN_FOR_MEDIAN).round(4)
    why = "sharpness " + table["sharpness"].map("{:.3f}".format) + f", min_sharpness {params.min_sharpness:g}"
    mark(table, table["sharpness"] < params.min_sharpness, "blurred", why)
    return _too_few(table[alive], counts[alive], MIN_FOR_MEDIAN, "sharpness")


def mark_outliers(table: pd.DataFrame, looks: StatisticsOfAll, params: CleanParams) -> list[str]:
    """Fills the column `outlier` and marks images that are unlike everything else in their source.

    A placeholder, a page of text or a logo among faces has other edges and other grey levels. The distance is
    Mahalanobis over the principal directions of the source's training images, fitted a second time without the farthest
    tenth so that outliers do not mask themselves; its logarithm is scaled by median and median absolute deviation.

    Returns:
        Notes on what could not be judged.
    """
    alive = table["reason"] == ""
    counts = alive.groupby(table["source"]).transform("sum")
    table["outlier"] = np.nan
    for _source, rows in table[alive & (counts >= MIN_FOR_OUTLIERS)].groupby("source", sort=True):
        places = table.index.get_indexer(rows.index)
        features_nf = np.hstack([edges(looks.smalls_nhw[places]), looks.tones_nc[places]])
        # Fit to the train split only; a source with too little of it is fitted to all of its samples.
        fitted = (rows["split"] == "train").to_numpy()
        distances = _distances(features_nf, fitted if fitted.sum() >= MIN_FOR_OUTLIERS else np.ones(len(rows), bool))
        table.loc[rows.index, "outlier"] = distances.round(2)
    why = "distance " + table["outlier"].map("{:.1f}".format) + f", max_outlier_z {params.max_outlier_z:g}"
    mark(table, table["outlier"] > params.max_outlier_z, "outlier", why)
    return _too_few(table[alive], counts[alive], MIN_FOR_OUTLIERS, "outliers")


def edges(smalls_nhw: np.ndarray) -> np.ndarray:
    """Histograms of gradient directions over cells of 8 px (Dalal and Triggs, 2005), one row an image.

    Contrast is normalised, and square roots are taken, so that distances are Hellinger distances. float32 N,F.
    """
    parts = [_edges(smalls_nhw[start : start + 1024]) for start in range(0, len(smalls_nhw), 1024)]
    return np.concatenate(parts)


def _edges(smalls_nhw: np.ndarray) -> np.ndarray:
    rise_nhw, run_nhw = np.gradient(smalls_nhw.astype(np.float32), axis=(1, 2))
    strength_nhw = np.hypot(run_nhw, rise_nhw)
    turn_nhw = np.arctan2(rise_nhw, run_nhw) * np.float32(ORIENTATIONS / np.pi)  # opposite directions count as one
    # Share each gradient linearly between its two nearest orientations, so that a small rotation changes little.
    lower_nhw = np.floor(turn_nhw)
    upper_nhw = strength_nhw * (turn_nhw - lower_nhw)
    lower_nhw = lower_nhw.astype(np.int64)
    # One bincount fills all histograms: image, cell and orientation make one flat bin number.
    cells_nhw = _cells(len(smalls_nhw)) * ORIENTATIONS
    places = [cells_nhw + lower_nhw % ORIENTATIONS, cells_nhw + (lower_nhw + 1) % ORIENTATIONS]
    size = len(smalls_nhw) * (SMALL_PX // CELL_PX) ** 2 * ORIENTATIONS
    counts = np.bincount(places[0].ravel(), (strength_nhw - upper_nhw).ravel(), size)
    counts += np.bincount(places[1].ravel(), upper_nhw.ravel(), size)
    features_nf = counts.reshape(len(smalls_nhw), -1).astype(np.float32)
    # Unit norm removes contrast; the root turns Euclidean distance into Hellinger distance.
    rooted_nf: np.ndarray = np.sqrt(features_nf / (np.linalg.norm(features_nf, axis=1, keepdims=True) + 1e-3))
    return rooted_nf


def _cells(count: int) -> np.ndarray:
    """Cell number of each pixel for so many images."""
    side = np.arange(SMALL_PX) // CELL_PX
    cells_hw = side[:, None] * (SMALL_PX // CELL_PX) + side
    cells_nhw: np.ndarray = np.arange(count)[:, None, None] * (cells_hw.max() + 1) + cells_hw
    return cells_nhw


def _distances(features_nf: np.ndarray, fitted_n: np.ndarray) -> np.ndarray:
    """Distances in robust standard deviations; fitted twice, the second time only to the usual samples."""
    # First fit: rank the samples, and drop the farthest tenth from the second.
    squares_n = _squares(features_nf, fitted_n)
    usual_n = fitted_n & (squares_n <= np.quantile(squares_n[fitted_n], USUAL_SHARE))
    # Squared distances are skewed; logarithms are near normal, so median and MAD describe them.
    logs_n = np.log(_squares(features_nf, usual_n) + 1e-9)
    middle = np.median(logs_n[fitted_n])
    spread = 1.4826 * np.median(np.abs(logs_n[fitted_n] - middle))
    distances_n: np.ndarray = (logs_n - middle) / max(spread, 1e-3)
    return distances_n


def _squares(features_nf: np.ndarray, fitted_n: np.ndarray) -> np.ndarray:
    """Squared Mahalanobis distances over the principal directions of the fitted rows."""
    fitted_nf = features_nf[fitted_n].astype(np.float64)
    mean_f = fitted_nf.mean(0)
    # eigh sorts ascending: the last directions have the largest variance. At most one for 8 rows, or they would fit
    # noise.
    variances, directions_ff = np.linalg.eigh(np.cov(fitted_nf, rowvar=False))
    kept = min(COMPONENTS, len(fitted_nf) // 8)
    scores_nk = (features_nf - mean_f) @ directions_ff[:, -kept:]
    squares_n: np.ndarray = (scores_nk**2 / np.maximum(variances[-kept:], 1e-9)).sum(1)
    return squares_n


def _too_few(table: pd.DataFrame, counts: pd.Series, least: int, check: str) -> list[str]:
    few = table.loc[counts < least, "source"].value_counts().sort_index()
    return [
        f"{source}: {check} of {number:,} not judged; at least {least} similar ones are needed"
        for source, number in few.items()
    ]
