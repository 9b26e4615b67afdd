"""A set of a thousand distinguishable modes: three shapes out of ten, one per colour channel.

Stacked MNIST (Metz et al. 2017) with shapes instead of digits: no download is needed. As there, a classifier names
the shape of each channel, and a mode is missed if no picture has that name. Noise would miss 99 of 100.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np
from sklearn.linear_model import LogisticRegression

if TYPE_CHECKING:
    from collections.abc import Callable

SHAPES = 10
SIZE_PX = 32
FINE = 4  # drawn so many times larger, then averaged: edges are smooth
LEAST_LIKE = 0.3  # a channel that correlates less with the mean of the predicted shape shows none: noise, or nothing
SURE = 0.8  # a probability of the classifier that counts as confident


def draw_shape(shape: int, random: np.random.Generator) -> np.ndarray:
    """One of the ten, white on black, slightly moved and scaled, uint8 S,S."""
    side = SIZE_PX * FINE
    canvas = np.zeros((side, side), np.uint8)
    x, y = (int(side * random.uniform(0.44, 0.56)) for _ in range(2))
    _DRAW[shape](canvas, x, y, int(side * random.uniform(0.24, 0.32)))
    return np.asarray(cv2.resize(canvas, (SIZE_PX, SIZE_PX), interpolation=cv2.INTER_AREA))


def stacked(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Pictures uint8 N,S,S,3, and their modes 0 to 999, which are equally likely."""
    random = np.random.default_rng(seed)
    shapes_n3 = random.integers(0, SHAPES, (count, 3))
    pictures = np.stack([np.stack([draw_shape(int(shape), random) for shape in row], -1) for row in shapes_n3])
    return pictures, shapes_n3 @ np.array([100, 10, 1])


class ShapeClassifier:
    """Classifies the shape of each channel, by logistic regression on the channel at 16 px."""

    def __init__(self) -> None:
        random = np.random.default_rng(1)
        shapes_n = np.arange(3000) % SHAPES
        drawn = np.stack([draw_shape(int(shape), random) for shape in shapes_n])
        self.model = LogisticRegression(max_iter=500).fit(_small(drawn), shapes_n)
        means = np.stack([_small(drawn[shapes_n == shape]).mean(0) for shape in range(SHAPES)])
        self.means = _centred(means)

    def modes(self, pictures_nhwc: np.ndarray, least: float = 0.0) -> np.ndarray:
        """The mode of each picture; -1 if a channel shows no shape, or the classifier gives it less than `least`."""
        shapes_n3 = np.stack([self._shapes(pictures_nhwc[..., channel], least) for channel in range(3)], 1)
        return np.where((shapes_n3 >= 0).all(1), shapes_n3 @ np.array([100, 10, 1]), -1)

    def _shapes(self, channels_nhw: np.ndarray, least: float) -> np.ndarray:
        small = _small(channels_nhw)
        shares = self.model.predict_proba(small)
        found_n = shares.argmax(1)
        like_n = (_centred(small) * self.means[found_n]).sum(1)
        return np.where((shares.max(1) >= least) & (like_n >= LEAST_LIKE), found_n, -1)


def missed(modes_n: np.ndarray) -> int:
    """The number of the thousand modes that no picture shows."""
    return SHAPES**3 - len(set(modes_n[modes_n >= 0].tolist()))


def _centred(rows: np.ndarray) -> np.ndarray:
    """Of mean 0 and length 1: the product of two is their correlation."""
    rows = rows - rows.mean(1, keepdims=True)
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True).clip(1e-9))


def _small(channels_nhw: np.ndarray) -> np.ndarray:
    half = SIZE_PX // 2
    blocks = channels_nhw.reshape(-1, half, 2, half, 2).astype(np.float32)
    return np.asarray(blocks.mean((2, 4)).reshape(len(channels_nhw), -1) / 255.0)


def _poly(*points: tuple[float, float]) -> Callable[[np.ndarray, int, int, int], None]:
    def draw(canvas: np.ndarray, x: int, y: int, r: int) -> None:
        corners = np.array([[x + a * r, y + b * r] for a, b in points], np.int32)
        cv2.fillPoly(canvas, [corners], 255)

    return draw


def _lines(*ends: tuple[float, float, float, float]) -> Callable[[np.ndarray, int, int, int], None]:
    def draw(canvas: np.ndarray, x: int, y: int, r: int) -> None:
        for a, b, c, d in ends:
            start, stop = (int(x + a * r), int(y + b * r)), (int(x + c * r), int(y + d * r))
            cv2.line(canvas, start, stop, 255, max(1, r // 3))

    return draw


def _disc(canvas: np.ndarray, x: int, y: int, r: int) -> None:
    cv2.circle(canvas, (x, y), r, 255, -1)


def _ring(canvas: np.ndarray, x: int, y: int, r: int) -> None:
    cv2.circle(canvas, (x, y), r, 255, r // 3)


_DRAW = (
    _disc,
    _ring,
    _poly((-1, -1), (1, -1), (1, 1), (-1, 1)),
    _poly((0, -1.1), (1, 0.9), (-1, 0.9)),
    _poly((0, 1.1), (1, -0.9), (-1, -0.9)),
    _lines((-1, 0, 1, 0)),
    _lines((0, -1, 0, 1)),
    _lines((-1, 0, 1, 0), (0, -1, 0, 1)),
    _lines((-0.9, -0.9, 0.9, 0.9), (-0.9, 0.9, 0.9, -0.9)),
    _lines((-0.8, -1, -0.8, 0.9), (-0.8, 0.9, 0.9, 0.9)),
)
