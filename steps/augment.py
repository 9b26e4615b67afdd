"""Clean samples to the set that a family learns from: train and validation; the test split stays shut."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from curation.sampleset import SampleSet
from models.families import by_name
from models.load import load_params
from registry.assets import read_asset
from report.sheets import sheet

PAIRS = 32


def run(item: str) -> None:
    """Writes build/F/set and its before-and-after sheet."""
    family = by_name(item)
    collection, params = load_params(Path("params.yaml"), family)
    clean = SampleSet(Path("build/clean") / collection)
    made = family.augment(clean, params.augment, Path("build") / item / "set", read_asset)
    _draw_before_and_after(made)


def _draw_before_and_after(made: SampleSet) -> None:
    """Pairs of an original and its copy; where no label needed copies there is nothing to draw."""
    table, pictures_nhwc = made.kept("train"), made.array("train")
    copies = table[table["copy"]].drop_duplicates("sha256") if "copy" in table else table.iloc[:0]
    originals = table[~table["copy"]].set_index("id")["row"] if "copy" in table else None
    if originals is None or copies.empty:
        return
    chosen = copies.iloc[np.linspace(0, len(copies) - 1, min(PAIRS, len(copies))).astype(int)]
    pictures, captions = [], []
    for name, label, row in zip(chosen["id"], chosen["label"], chosen["row"], strict=True):
        pictures += [pictures_nhwc[originals[name.rsplit("+", 1)[0]]], pictures_nhwc[row]]
        captions += [label, "copy"]
    sheet(pictures, captions, made.folder / "before_after.jpg", title="Before and after: balanced copies", columns=8)
