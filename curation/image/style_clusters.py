"""Style clusters: categories for unlabelled images by colour and light alone, with names to match.

An image is described by the mean colour (CIE Lab) of each field of a 4 x 4 grid. K-means (scikit-learn) is fitted to
the training images, so that evaluation images have no influence; every other image joins the nearest cluster.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from curation.params import StyleClusterParams

PREFIX = "look: "
GRID = 4
RUNS = 10  # of K-means; the tightest is kept
GREY_CHROMA = 7.0
LIGHT = ((18.0, "dark"), (38.0, "dim"), (62.0, "soft"), (80.0, "light"), (101.0, "pale"))  # upper limits of L, 0 to 100
# Upper limits of the angle in the a-b plane, in degrees.
HUES = (
    (20.0, "pink"),
    (48.0, "red"),
    (72.0, "orange"),
    (103.0, "yellow"),
    (165.0, "green"),
    (225.0, "teal"),
    (312.0, "blue"),
    (340.0, "violet"),
    (361.0, "pink"),
)
DARK_ORANGE_L = 55.0  # darker orange is called brown


def layouts_of(pictures_nhwc: np.ndarray) -> np.ndarray:
    """Colour layouts of RGB images: float32 N,48, Lab of each field, row by row."""
    fields = [_lab(picture_hwc).ravel() for picture_hwc in pictures_nhwc]
    return np.stack(fields) if fields else np.zeros((0, GRID * GRID * 3), np.float32)


def looks_of(layouts_nf: np.ndarray, train_n: np.ndarray, params: StyleClusterParams) -> list[str]:
    """Name of each image's style cluster.

    Args:
        layouts_nf: Result of `layouts_of`.
        train_n: Images that the clusters are fitted to.
        params: Maximum number of clusters.
    """
    from sklearn.cluster import KMeans  # noqa: PLC0415 - imports in 1 s, few collections need it

    if not len(layouts_nf):
        return []
    fitted_nf = layouts_nf[train_n] if train_n.any() else layouts_nf
    # No more clusters than distinct layouts, or K-means would return empty ones.
    count = min(params.count, len(np.unique(fitted_nf.round(2), axis=0)))
    means = KMeans(count, n_init=RUNS, random_state=params.seed).fit(fitted_nf.astype(np.float64))
    numbers_n = means.predict(layouts_nf.astype(np.float64))
    # Number clusters by size, largest first, so that names do not depend on K-means' order.
    order = np.argsort(-np.bincount(means.labels_, minlength=count), kind="stable")
    names = dict(zip(order, names_of(means.cluster_centers_[order]), strict=True))
    return [names[number] for number in numbers_n]


def names_of(layouts_kf: np.ndarray) -> list[str]:
    """Unique names of the clusters, from their light and colour."""
    fields = layouts_kf.reshape(len(layouts_kf), GRID, GRID, 3)
    names = [_colour(one.mean(axis=(0, 1))) for one in fields]
    # Where a single colour is ambiguous, name the upper and lower halves separately.
    halves = [(_colour(one[:2].mean(axis=(0, 1))), _colour(one[2:].mean(axis=(0, 1)))) for one in fields]
    names = _distinguished(
        names, [f"{top} over {low}" if top != low else name for name, (top, low) in zip(names, halves, strict=True)]
    )
    # Names that are still equal are ranked by lightness.
    levels = fields[..., 0].mean(axis=(1, 2))
    ranked = {
        name: sorted((k for k, one in enumerate(names) if one == name), key=lambda k: levels[k]) for name in names
    }
    ranks = [(len(ranked[name]), ranked[name].index(k)) for k, name in enumerate(names)]
    return [PREFIX + _ranked(name, count, rank) for name, (count, rank) in zip(names, ranks, strict=True)]


def _distinguished(names: list[str], longer: list[str]) -> list[str]:
    """Longer names where the short ones are not unique."""
    return [name if names.count(name) == 1 else more for name, more in zip(names, longer, strict=True)]


def _ranked(name: str, count: int, rank: int) -> str:
    """Adds a rank by lightness, from the darkest, where names are still equal."""
    if count == 1:
        return name
    words = {2: ("darker", "lighter"), 3: ("darkest", "middling", "lightest")}.get(count)
    return f"{name}, {words[rank]}" if words else f"{name}, {rank + 1} of {count}"


def _lab(picture_hwc: np.ndarray) -> np.ndarray:
    small_hwc = cv2.resize(picture_hwc, (GRID, GRID), interpolation=cv2.INTER_AREA)
    lab_hwc: np.ndarray = cv2.cvtColor(small_hwc.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
    return lab_hwc


def _colour(lab: np.ndarray) -> str:
    level, red, yellow = (float(value) for value in lab)
    light = next(word for limit, word in LIGHT if level < limit)
    # Low chroma is grey, whatever its hue angle.
    if np.hypot(red, yellow) < GREY_CHROMA:
        return f"{light} grey"
    angle = float(np.degrees(np.arctan2(yellow, red))) % 360
    hue = next(word for limit, word in HUES if angle < limit)
    return f"{light} {'brown' if hue == 'orange' and level < DARK_ORANGE_L else hue}"
