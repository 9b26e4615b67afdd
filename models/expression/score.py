"""Scores of an exported bundle: runs its own graph over a split with ONNX Runtime."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np
import pandas as pd

from models.components.held_out import held_out
from models.family import Scores, Sheet
from rushes.inference.session import open_graph

if TYPE_CHECKING:
    from pathlib import Path

    from common.assets import Read
    from curation.store.sample_set import SampleSet
    from rushes.bundle.manifest import Bundle

BATCH = 64
BINS = 15
SHEET_PICTURES = 32


def score(bundle: Bundle, samples: SampleSet, split: str, _read: Read) -> Scores:
    """Scores a bundle on a split, with the bundle's own labels and input size.

    Returns:
        rows: id, group, source, label, predicted, confidence, `p:LABEL` for each label of the bundle.
        metrics: accuracy, macro_f1, ece (expected calibration error), nll.

    Raises:
        ScoreError: The split is empty.
    """
    table = held_out(samples, split)
    pictures_nhwc = fitted(samples.array(split), bundle.manifest.input)
    probabilities_nl = run_graph(bundle.path("graph"), pictures_nhwc)
    rows = _rows(table, probabilities_nl, bundle.manifest.labels)
    metrics = {"accuracy": float((rows["label"] == rows["predicted"]).mean()), "macro_f1": MacroF1()(rows)}
    return Scores(rows, metrics | {"ece": calibration_error(rows), "nll": _nll(rows)})


def run_graph(path: Path, pictures_nhwc: np.ndarray) -> np.ndarray:
    """Images uint8 N,H,W,C -> probabilities float32 N,L, in batches."""
    session = open_graph(path, threads=0)
    starts = range(0, len(pictures_nhwc), BATCH)
    parts = [session.run(None, {"pictures": np.ascontiguousarray(pictures_nhwc[i : i + BATCH])})[0] for i in starts]
    return np.concatenate(parts)


def fitted(pictures_nhwc: np.ndarray, wanted: dict[str, int]) -> np.ndarray:
    """Converts images to the size and channels of a bundle; those of an older bundle may differ from the set's."""
    size_px, channels = wanted["size_px"], wanted["channels"]
    if pictures_nhwc.shape[1:] == (size_px, size_px, channels):
        return pictures_nhwc
    resized = np.empty((len(pictures_nhwc), size_px, size_px, channels), np.uint8)
    for place, picture_hwc in enumerate(pictures_nhwc):
        picture = cv2.resize(_with_channels(picture_hwc, channels), (size_px, size_px), interpolation=cv2.INTER_AREA)
        resized[place] = picture.reshape(size_px, size_px, channels)
    return resized


def _with_channels(picture_hwc: np.ndarray, channels: int) -> np.ndarray:
    if picture_hwc.shape[2] == channels:
        return picture_hwc
    code = cv2.COLOR_BGR2GRAY if channels == 1 else cv2.COLOR_GRAY2BGR
    return cv2.cvtColor(picture_hwc, code)


def _rows(table: pd.DataFrame, probabilities_nl: np.ndarray, labels: list[str]) -> pd.DataFrame:
    best_n = probabilities_nl.argmax(1)
    rows = table[["id", "group", "source", "label"]].assign(
        predicted=np.array(labels)[best_n], confidence=probabilities_nl.max(1)
    )
    shares = pd.DataFrame(probabilities_nl, columns=[f"p:{label}" for label in labels], index=rows.index)
    return pd.concat([rows, shares], axis=1)


def calibration_error(rows: pd.DataFrame) -> float:
    """Expected calibration error over 15 bins of equal width (Guo et al. 2017)."""
    correct_n = (rows["label"] == rows["predicted"]).to_numpy(float)
    confidence_n = rows["confidence"].to_numpy(float)
    # Sum (confidence - correctness) in each bin; the error is the sum of the absolute gaps, weighted by bin size.
    bins_n = np.minimum((confidence_n * BINS).astype(int), BINS - 1)
    gaps = np.bincount(bins_n, confidence_n - correct_n, BINS)
    return float(np.abs(gaps).sum() / max(1, len(rows)))


def _nll(rows: pd.DataFrame) -> float:
    columns = {name: rows[name].to_numpy(float) for name in rows if str(name).startswith("p:")}
    nothing = np.zeros(len(rows))
    shares = np.stack([columns.get(f"p:{label}", nothing)[i] for i, label in enumerate(rows["label"])])
    return float(-np.log(np.maximum(shares, 1e-9)).mean())


class MacroF1:
    """Mean F1 of all labels that occur, so that a rare label counts as much as a common one."""

    name = "macro_f1"

    def __call__(self, rows: pd.DataFrame, weights: np.ndarray | None = None) -> float:
        """Metric over rows, each counted `weights` times."""
        return float(np.mean(list(self._by_label(rows, weights).values()) or [0.0]))

    def worst(self, rows: pd.DataFrame, weights: np.ndarray | None = None) -> dict[str, float]:
        """F1 of each label."""
        return self._by_label(rows, weights)

    def shared(self, first: pd.DataFrame, second: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Restricts both tables to the labels of both models: drops other samples and recomputes predictions."""
        labels = sorted(_taxonomy(first) & _taxonomy(second))
        if _taxonomy(first) == _taxonomy(second):
            return _coded(first), _coded(second)
        return _cut(first, labels), _cut(second, labels)

    def _by_label(self, rows: pd.DataFrame, weights: np.ndarray | None) -> dict[str, float]:
        # Encode labels, then count them with weights by bincount: a bootstrap evaluates this a thousand times.
        truth_n, truths = pd.factorize(rows["label"], sort=True)
        read_n = pd.Categorical(rows["predicted"], categories=truths).codes
        hit_n = truth_n == read_n
        known_n = read_n >= 0
        count = len(truths)
        weight_n = np.ones(len(rows)) if weights is None else weights
        hits_l = np.bincount(truth_n[hit_n], weight_n[hit_n], count)
        truths_l = np.bincount(truth_n, weight_n, count)
        reads_l = np.bincount(read_n[known_n], weight_n[known_n], count)
        # F1 = 2 TP / (2 TP + FP + FN) = 2 hits / (true count + predicted count).
        f1_l = np.divide(2 * hits_l, truths_l + reads_l, out=np.zeros(count), where=truths_l + reads_l > 0)
        return {str(truths[i]): float(f1_l[i]) for i in range(count) if truths_l[i] > 0}


def _taxonomy(rows: pd.DataFrame) -> set[str]:
    return {str(name)[2:] for name in rows if str(name).startswith("p:")}


def _coded(rows: pd.DataFrame) -> pd.DataFrame:
    """Encodes labels as categories, because a bootstrap counts them a thousand times."""
    return rows.astype({"label": "category", "predicted": "category"})


def _cut(rows: pd.DataFrame, labels: list[str]) -> pd.DataFrame:
    kept = rows[rows["label"].isin(labels)]
    shares_nl = kept[[f"p:{label}" for label in labels]].to_numpy()
    return _coded(kept.assign(predicted=np.array(labels)[shares_nl.argmax(1)]))


def draw(scores: Scores, samples: SampleSet, split: str) -> list[Sheet]:
    """Composes two sheets: the most confident mistakes, which reveal wrong labels, and evenly spread predictions."""
    pictures_nhwc, rows = samples.array(split), scores.rows
    wrong = rows[rows["label"] != rows["predicted"]].sort_values("confidence", ascending=False)
    some = rows.iloc[np.linspace(0, len(rows) - 1, min(SHEET_PICTURES, len(rows))).astype(int)]
    return [
        _sheet("surest_mistakes", "The surest mistakes: truth > reading", wrong.head(SHEET_PICTURES), pictures_nhwc),
        _sheet("readings", "Readings as they come: truth > reading", some, pictures_nhwc),
    ]


def _sheet(name: str, title: str, rows: pd.DataFrame, pictures_nhwc: np.ndarray) -> Sheet:
    columns = zip(rows["label"], rows["predicted"], rows["confidence"], strict=True)
    captions = [f"{label} > {read} {100 * confidence:.0f}%" for label, read, confidence in columns]
    return Sheet(name, title, [pictures_nhwc[row] for row in rows.index], captions)
