"""Clean samples to the set that a family learns from: train and validation; the test split stays shut."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from curation.store.sample_set import SampleSet
from models.components.load import load_params
from models.families import by_name
from registry.assets import read_asset
from report.images.contact_sheet import sheet

PAIRS = 32


def run(item: str) -> None:
    """Writes build/F/set and its before-and-after sheet."""
    family = by_name(item)
    collection, params = load_params(Path("params.yaml"), family)
    clean = SampleSet(Path("build/clean") / collection)
    made = family.augment(clean, params.augment, Path("build") / item / "set", read_asset)
    _draw_before_and_after(made)


def _draw_before_and_after(made: SampleSet) -> None:
    """Pairs of an original and its first copy; where there are no copies there is nothing to draw."""
    table = made.kept("train")
    if "copy" not in table or not table["copy"].any():
        return
    pictures_nhwc = made.array("train")
    rows = table[~table["copy"]].set_index("id")["row"]
    copies = table[table["copy"]].assign(original=lambda them: them["id"].str.rpartition("+")[0])
    copies = copies.drop_duplicates("original")
    chosen = copies.iloc[np.linspace(0, len(copies) - 1, min(PAIRS, len(copies))).astype(int)]
    pictures, captions = [], []
    for original, label, row in zip(chosen["original"], chosen["label"], chosen["row"], strict=True):
        pictures += [pictures_nhwc[rows[original]], pictures_nhwc[row]]
        captions += [label, "copy"]
    sheet(pictures, captions, made.folder / "before_after.jpg", title="Before and after augmentation", columns=8)
