"""Scores of a generator: its bundle's drawings for each held-out image, compared with those images.

Every held-out image gets its own drawings, for its category and caption, drawn with the bundle's own files and a fixed
seed: all bundles are compared with the same images, and every metric is a mean over rows that a bootstrap by group can
weight.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from models.components.held_out import held_out
from models.family import Scores
from models.scene.draw import SAMPLES, Drawer, rows_shown, shown
from models.scene.figures import PARTS
from models.scene.metrics import measures
from models.scene.metrics.extractor import NAME
from models.scene.metrics.features import Training, features_of_pictures, features_of_split, training

if TYPE_CHECKING:
    from common.assets import Read
    from curation.store.sample_set import SampleSet
    from rushes.bundle.manifest import Bundle

DRAWINGS = 1024  # of a split, approximately: a small split gets several per image
MOST_A_ROW = 8
LEAST_ROWS = 2
KID, FRECHET = f"kid_{NAME}", f"frechet_{NAME}"


@dataclass(frozen=True)
class _Drawn:
    """Drawings of each row, uint8 N,R,S,S,3, and their features N,R,D."""

    pictures_nrhwc: np.ndarray
    features_nrd: np.ndarray

    @property
    def flat_md(self) -> np.ndarray:
        """All features, N*R,D."""
        return self.features_nrd.reshape(-1, self.features_nrd.shape[2])

    def by_row(self, values_m: np.ndarray) -> np.ndarray:
        """Mean over each row's drawings."""
        return np.asarray(values_m.reshape(self.features_nrd.shape[:2]).mean(1))


def score(bundle: Bundle, samples: SampleSet, split: str, read: Read) -> Scores:
    """Scores a bundle on a split, with the bundle's own size, categories and text encoder.

    Returns:
        rows: id, group, source, label; `kid`, whose plain mean is the KID; shares of the row's drawings: `inside` the
            real images' manifold, `original` (not near copies of training images), `fits` (classified as the row's
            category); `covered`: share with a drawing near the held-out image itself; for the first drawing the id of
            the `nearest` training image, its distance relative to the usual one (`apart`), and whether it is `copied`.
        metrics: of the whole split; those based only on the extractor's distances include its name.
        arrays: Images for `draw`.

    Raises:
        ScoreError: The split has fewer than two images.
    """
    table = held_out(samples, split, LEAST_ROWS)
    drawer, known = Drawer.open(bundle), training(read, samples)
    drawn = _drawings(drawer, table, read)
    real_nd = features_of_split(read, samples, split)
    rows, density = _rows(table, real_nd, drawn, known)
    metrics = _metrics(rows, real_nd, drawn, known) | {"density": density}
    examples = drawn.pictures_nrhwc[rows_shown(len(table)), 0]
    return Scores(rows, metrics, {**shown(drawer), SAMPLES: examples})


def drawings_a_row(count: int) -> int:
    """Number of drawings for each of `count` held-out images."""
    return max(1, min(MOST_A_ROW, round(DRAWINGS / count)))


def _drawings(drawer: Drawer, table: pd.DataFrame, read: Read) -> _Drawn:
    each = drawings_a_row(len(table))
    captions = table["caption"] if "caption" in table else pd.Series([None] * len(table))
    labels = [str(label) for label in table["label"] for _ in range(each)]
    texts = [
        str(caption) if isinstance(caption, str) and caption.strip() else drawer.text_of(str(label), place)
        for caption, label in zip(captions, table["label"], strict=True)
        for place in range(each)
    ]
    pictures_mhwc = drawer.draw(drawer.latents_nz(len(labels)), drawer.embed(texts), drawer.one_hot(labels))
    features_md = features_of_pictures(read, pictures_mhwc)
    shape = (len(table), each)
    return _Drawn(pictures_mhwc.reshape(*shape, *pictures_mhwc.shape[1:]), features_md.reshape(*shape, -1))


def _rows(table: pd.DataFrame, real_nd: np.ndarray, drawn: _Drawn, known: Training) -> tuple[pd.DataFrame, float]:
    near = measures.nearest(drawn.flat_md, known.features_nd, known.groups_n)
    copied_m = known.limits.copies(near)
    labels_m = np.repeat(table["label"].to_numpy(), drawn.features_nrd.shape[1])
    among = measures.manifold(real_nd, drawn.features_nrd)
    first = slice(None, None, drawn.features_nrd.shape[1])
    rows = table[["id", "group", "source", "label"]].assign(
        kid=measures.kid_parts(real_nd, drawn.features_nrd),
        inside=among.inside_nr.mean(1),
        covered=among.covered_n,
        original=1.0 - drawn.by_row(copied_m),
        fits=drawn.by_row(known.fits(drawn.flat_md, labels_m)),
        nearest=known.ids[near.row_m[first]],
        apart=near.distance_m[first] / (known.limits.usual or 1.0),
        copied=copied_m[first],
    )
    return rows, among.density


def _metrics(rows: pd.DataFrame, real_nd: np.ndarray, drawn: _Drawn, known: Training) -> dict[str, float]:
    objective = NegativeKid()
    pictures_mhwc = drawn.pictures_nrhwc.reshape(-1, *drawn.pictures_nrhwc.shape[2:])
    return {
        objective.name: objective(rows),
        KID: float(rows["kid"].mean()),
        FRECHET: measures.frechet(real_nd, drawn.flat_md),
        "precision": float(rows["inside"].mean()),
        "coverage": float(rows["covered"].mean()),
        "originality": float(rows["original"].mean()),
        "nearest_ratio": float(rows["apart"].median()),
        "diversity": measures.diversity(real_nd, drawn.features_nrd),
        "distinct": measures.distinct(real_nd, drawn.features_nrd),
        "conditional_accuracy": float(rows["fits"].mean()),
        "real_accuracy": float(known.fits(real_nd, rows["label"].to_numpy()).mean()),
        "finite": float(not measures.is_blank(pictures_mhwc).any()),
    }


class NegativeKid:
    """Negated kernel distance, as for losses in scikit-learn: higher is better, and 0 is as good as real images."""

    name = f"neg_{KID}"

    def __call__(self, rows: pd.DataFrame, weights: np.ndarray | None = None) -> float:
        """Metric over rows, each counted `weights` times."""
        return -_mean(rows["kid"], weights)

    def worst(self, rows: pd.DataFrame, weights: np.ndarray | None = None) -> dict[str, float]:
        """Guard rails of the distance, each a share; higher is better."""
        return {part: _mean(rows[part], weights) for part in PARTS}

    def shared(self, first: pd.DataFrame, second: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Rows of the images with scores in both tables.

        A category that is unknown to a bundle is drawn from its text, and counts: knowing the category is an advantage.
        """
        ids = set(first["id"]) & set(second["id"])
        return first[first["id"].isin(ids)], second[second["id"].isin(ids)]


def _mean(values: pd.Series, weights: np.ndarray | None) -> float:
    return float(np.average(np.asarray(values, float), weights=weights))
