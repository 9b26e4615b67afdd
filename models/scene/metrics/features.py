"""Features of a set's images, and statistics of its training images; cached for the life of the process.

A nightly run scores several bundles against the same clean set, whose features are computed once.
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

    from common.assets import Read
    from curation.store.sample_set import SampleSet

MOST_FITTED = 6000  # images the classifier is fitted to, at most; more make it slower and hardly better
# Suits 1280 features of some thousand images; on photographs of six categories 0.89 in a range of 0.86 to 0.89.
REGULARISATION = 0.01
ITERATIONS = 200

Stamp = tuple[tuple[str, int, int], ...]


@dataclass(frozen=True)
class Training:
    """Statistics of the training images that drawings are compared with.

    Attributes:
        features_nd: Their features.
        groups_n: Group number of each.
        ids: Id of each.
        limits: Limits below which a drawing is a near copy.
        classifier: Classifier of their categories; None if there is only one.
    """

    features_nd: np.ndarray
    groups_n: np.ndarray
    ids: np.ndarray
    limits: CopyLimits
    classifier: Pipeline | None

    def fits(self, features_md: np.ndarray, labels_m: np.ndarray) -> np.ndarray:
        """True for each image whose predicted category is the given one."""
        if self.classifier is None:
            return np.ones(len(features_md), bool)
        return np.asarray(self.classifier.predict(features_md) == labels_m)


def features_of_split(read: Read, samples: SampleSet, split: str) -> np.ndarray:
    """Features of a split's images, float32 N,D."""
    return _features(load_extractor(read(EXTRACTOR)), samples, split, _stamp(samples))


def features_of_pictures(read: Read, pictures_nhwc: np.ndarray) -> np.ndarray:
    """Features of any images uint8 N,H,W,3, float32 N,D."""
    return features_of(load_extractor(read(EXTRACTOR)), pictures_nhwc)


def training(read: Read, samples: SampleSet) -> Training:
    """Statistics of the training images."""
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
    if len(set(labels_n)) < 2:  # noqa: PLR2004  a classifier needs two
        return None
    # Evenly spread rows, unless these would miss a rare category.
    rows = np.linspace(0, len(labels_n) - 1, min(MOST_FITTED, len(labels_n))).astype(int)
    rows = rows if len(set(labels_n[rows])) == len(set(labels_n)) else np.arange(len(labels_n))
    model = make_pipeline(StandardScaler(), LogisticRegression(C=REGULARISATION, max_iter=ITERATIONS))
    return model.fit(features_nd[rows], labels_n[rows])


def _stamp(samples: SampleSet) -> Stamp:
    """Identity of the set's files (path, time, size), so that changed files are read again."""
    files = [samples.folder / "samples.parquet", *sorted(samples.folder.glob("*.npy"))]
    return tuple(_file_identity(path) for path in files)


def _file_identity(path: Path) -> tuple[str, int, int]:
    about = path.stat()
    return str(path.resolve()), about.st_mtime_ns, about.st_size
