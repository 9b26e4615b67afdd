"""The objective and the calibration error, against figures worked out by hand or by scikit-learn."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import f1_score

from models.expression.score import MacroF1, calibration_error, fitted


def rows_of(truth: list[str], read: list[str], labels: list[str]) -> pd.DataFrame:
    shares = {f"p:{label}": [0.8 if r == label else 0.2 / (len(labels) - 1) for r in read] for label in labels}
    return pd.DataFrame({"label": truth, "predicted": read, "confidence": 0.8, **shares})


def random_rows(count: int = 200) -> pd.DataFrame:
    random = np.random.default_rng(3)
    labels = ["a", "b", "c"]
    return rows_of(list(random.choice(labels, count)), list(random.choice(labels, count)), labels)


def test_macro_f1_is_scikit_learns():
    """The same figure on random readings."""
    rows = random_rows()

    assert MacroF1()(rows) == pytest.approx(f1_score(rows["label"], rows["predicted"], average="macro"))


def test_weights_count_a_row_as_often():
    """A weight of two is the row twice: what the bootstrap relies on."""
    rows = random_rows()
    weights = np.random.default_rng(1).integers(0, 3, len(rows)).astype(float)
    repeated = rows.loc[rows.index.repeat(weights.astype(int))].reset_index(drop=True)

    assert MacroF1()(rows, weights) == pytest.approx(MacroF1()(repeated))


def test_a_model_without_a_label_is_compared_on_the_shared_ones():
    """Samples of the unknown label go; readings are chosen among the shared labels."""
    old = rows_of(["a", "b", "c"], ["a", "b", "b"], ["a", "b"])
    new = rows_of(["a", "b", "c"], ["a", "c", "c"], ["a", "b", "c"])

    first, second = MacroF1().shared(new, old)

    assert list(first["label"]) == list(second["label"]) == ["a", "b"]
    assert set(first["predicted"]) <= {"a", "b"}


def test_calibration_error_of_known_rows():
    """Confidence 0.8, right half of the time: off by 0.3."""
    rows = rows_of(["a", "a"], ["a", "b"], ["a", "b"])

    assert calibration_error(rows) == pytest.approx(0.3)


@pytest.mark.parametrize(("size_px", "channels"), [(16, 1), (24, 3), (48, 3), (24, 1)])
def test_an_older_bundle_is_fed_at_its_own_size(size_px, channels):
    """Size and channels are what its manifest asks for."""
    pictures_nhwc = np.full((3, 24, 24, 1), 90, np.uint8)

    out = fitted(pictures_nhwc, {"size_px": size_px, "channels": channels})

    assert out.shape == (3, size_px, size_px, channels)
    assert np.all(out == 90)
