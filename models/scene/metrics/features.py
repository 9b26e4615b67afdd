"""The features of a set's pictures, and what is known of its training pictures; kept as long as the process lives.

A night scores several bundles against one and the same clean set: its pictures are looked at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from models.scene.metrics.extractor import EXTRACTOR, features_of, load_extractor
from models.scene.metrics.measures import CopyLimits, copy_limits

if TYPE_CHECKING:
    from pathlib import Path

    from torch import nn

    from curation.store.sample_set import SampleSet
    from models.family import Read

MOST_FITTED = 6000  # pictures that the classifier is fitted on, at most; more make it slower and hardly better
# As strong as suits 1280 features of some thousand pictures; on photographs of six categories 0.89 of 0.86 to 0.89.
REGULARISATION = 0.01
ITERATIONS = 200

Stamp = tuple[tuple[str, int, int], ...]


@dataclass(frozen=True)
class Training:
    """What drawings are held against of the pictures that were learned from.

    Attributes:
        features_nd: Their features.
        groups_n: The group of each, as a number.
        ids: The id of each.
        limits: Below which a drawing is a near copy.
        classifier: Tells their categories apart; None where there is but one.
    """

    features_nd: np.ndarray
    groups_n: np.ndarray
    ids: np.ndarray
    limits: CopyLimits
    classifier: Pipeline | None

    def fits(self, features_md: np.ndarray, labels_m: np.ndarray) -> np.ndarray:
        """Whether the classifier gives each picture the category that it is said to have."""
        if self.classifier is None:
            return np.ones(len(features_md), bool)
        return np.asarray(self.classifier.predict(features_md) == labels_m)


def features_of_split(read: Read, samples: SampleSet, split: str) -> np.ndarray:
    """Features of a split's pictures, float32 N,D."""
    return _features(load_extractor(read(EXTRACTOR)), samples, split, _stamp(samples))


def features_of_pictures(read: Read, pictures_nhwc: np.ndarray) -> np.ndarray:
    """Features of any pictures uint8 N,H,W,3, float32 N,D."""
    return features_of(load_extractor(read(EXTRACTOR)), pictures_nhwc)


def training(read: Read, samples: SampleSet) -> Training:
    """What is known of the training pictures."""
    return _training(load_extractor(read(EXTRACTOR)), samples, _stamp(samples))


@lru_cache(maxsize=4)
def _features(extractor: nn.Module, samples: SampleSet, split: str, _stamp: Stamp) -> np.ndarray:
    return features_of(extractor, samples.array(split))


@lru_cache(maxsize=2)
def _training(extractor: nn.Module, samples: SampleSet, stamp: Stamp) -> Training:
    table = samples.kept("train")
    features_nd = _features(extractor, samples, "train", stamp)
    groups_n = np.asarray(pd.factorize(table["group"].where(table["group"].fillna("") != "", table["id"]))[0])
    classifier = _classifier(features_nd, table["label"].to_numpy())
    return Training(features_nd, groups_n, table["id"].to_numpy(), copy_limits(features_nd, groups_n), classifier)


def _classifier(features_nd: np.ndarray, labels_n: np.ndarray) -> Pipeline | None:
    if len(set(labels_n)) < 2:  # noqa: PLR2004  one alone cannot be told from another
        return None
    rows = np.linspace(0, len(labels_n) - 1, min(MOST_FITTED, len(labels_n))).astype(int)
    rows = rows if len(set(labels_n[rows])) == len(set(labels_n)) else np.arange(len(labels_n))
    model = make_pipeline(StandardScaler(), LogisticRegression(C=REGULARISATION, max_iter=ITERATIONS))
    return model.fit(features_nd[rows], labels_n[rows])


def _stamp(samples: SampleSet) -> Stamp:
    """What tells whether the files are still those that were looked at."""
    files = [samples.folder / "samples.parquet", *sorted(samples.folder.glob("*.npy"))]
    return tuple(_told(path) for path in files)


def _told(path: Path) -> tuple[str, int, int]:
    about = path.stat()
    return str(path.resolve()), about.st_mtime_ns, about.st_size
