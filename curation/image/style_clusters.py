"""Looks: categories for pictures that nobody has named, by colours and light alone, and named so.

A picture is told by the mean colour (CIE Lab) of each field of a 4 x 4 grid. K-means (scikit-learn) is fitted on the
training pictures, so that what is tested on has no say in it; every other picture has the look that is nearest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from curation.params import StyleClusterParams

PREFIX = "look: "
GRID = 4
RUNS = 10  # of K-means, of which the tightest counts
GREY_CHROMA = 7.0
LIGHT = ((18.0, "dark"), (38.0, "dim"), (62.0, "soft"), (80.0, "light"), (101.0, "pale"))  # below that L of 100
# Up to that angle in the plane of a and b, in degrees.
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
DARK_ORANGE_L = 55.0  # below it orange is called brown


def layouts_of(pictures_nhwc: np.ndarray) -> np.ndarray:
    """The colour layouts of RGB pictures: float32 N,48, Lab of each field, row by row."""
    fields = [_lab(picture_hwc).ravel() for picture_hwc in pictures_nhwc]
    return np.stack(fields) if fields else np.zeros((0, GRID * GRID * 3), np.float32)


def looks_of(layouts_nf: np.ndarray, train_n: np.ndarray, params: StyleClusterParams) -> list[str]:
    """The look of each picture, by name.

    Args:
        layouts_nf: What `layouts_of` gives.
        train_n: Which of them the looks are fitted to.
        params: How many, at most.
    """
    from sklearn.cluster import KMeans  # noqa: PLC0415 - a second, and most collections have no looks

    if not len(layouts_nf):
        return []
    fitted_nf = layouts_nf[train_n] if train_n.any() else layouts_nf
    count = min(params.count, len(np.unique(fitted_nf.round(2), axis=0)))
    means = KMeans(count, n_init=RUNS, random_state=params.seed).fit(fitted_nf.astype(np.float64))
    numbers_n = means.predict(layouts_nf.astype(np.float64))
    order = np.argsort(-np.bincount(means.labels_, minlength=count), kind="stable")
    names = dict(zip(order, names_of(means.cluster_centers_[order]), strict=True))
    return [names[number] for number in numbers_n]


def names_of(layouts_kf: np.ndarray) -> list[str]:
    """A name for each look, of its light and its colour; no two alike."""
    fields = layouts_kf.reshape(len(layouts_kf), GRID, GRID, 3)
    names = [_colour(one.mean(axis=(0, 1))) for one in fields]
    halves = [(_colour(one[:2].mean(axis=(0, 1))), _colour(one[2:].mean(axis=(0, 1)))) for one in fields]
    names = _told_apart(
        names, [f"{top} over {low}" if top != low else name for name, (top, low) in zip(names, halves, strict=True)]
    )
    levels = fields[..., 0].mean(axis=(1, 2))
    ranked = {
        name: sorted((k for k, one in enumerate(names) if one == name), key=lambda k: levels[k]) for name in names
    }
    ranks = [(len(ranked[name]), ranked[name].index(k)) for k, name in enumerate(names)]
    return [PREFIX + _ranked(name, count, rank) for name, (count, rank) in zip(names, ranks, strict=True)]


def _told_apart(names: list[str], longer: list[str]) -> list[str]:
    """The longer ones where the short ones are alike."""
    return [name if names.count(name) == 1 else more for name, more in zip(names, longer, strict=True)]


def _ranked(name: str, count: int, rank: int) -> str:
    """What is still alike is told by its light, from the darkest."""
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
    if np.hypot(red, yellow) < GREY_CHROMA:
        return f"{light} grey"
    angle = float(np.degrees(np.arctan2(yellow, red))) % 360
    hue = next(word for limit, word in HUES if angle < limit)
    return f"{light} {'brown' if hue == 'orange' and level < DARK_ORANGE_L else hue}"
