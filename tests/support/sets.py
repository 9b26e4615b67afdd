"""Small packed sets that can be learned from: each label has its own pattern under noise."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from curation.store.sample_set import SampleSet, write_set

if TYPE_CHECKING:
    from pathlib import Path

LABELS = ["angry", "happy", "sad"]
SIZE_PX = 16


def pictures_of(label: int, count: int, random: np.random.Generator, size_px: int = SIZE_PX) -> np.ndarray:
    """Grey pictures uint8 N,H,W,1: stripes whose direction and width encode the label."""
    across, down = np.meshgrid(np.arange(size_px), np.arange(size_px))
    wave = [across, down, across + down][label % 3]
    phase_n = random.uniform(0, 2 * np.pi, count)
    stripes_nhw = np.sin(wave[None] * (0.8 + 0.3 * label) + phase_n[:, None, None])
    noisy_nhw = 128 + 70 * stripes_nhw + 25 * random.standard_normal((count, size_px, size_px))
    return np.clip(noisy_nhw, 0, 255).astype(np.uint8)[..., None]


def small_set(folder: Path, counts: dict[str, int], *, seed: int = 0, labels: list[str] | None = None) -> SampleSet:
    """A packed set with `counts` samples per label in each split, two samples per group."""
    random = np.random.default_rng(seed)
    labels = labels or LABELS
    tables, arrays = [], {}
    for split, count in counts.items():
        arrays[split] = np.concatenate([pictures_of(i, count, random) for i in range(len(labels))])
        tables.append(_table(split, count, labels))
    info = {"labels": labels, "size_px": SIZE_PX, "channels": 1, "mean": 0.5, "std": 0.25}
    return write_set(folder, pd.concat(tables, ignore_index=True), arrays, info)


def _table(split: str, count: int, labels: list[str]) -> pd.DataFrame:
    total = count * len(labels)
    ids = [f"{split}-{i:05d}" for i in range(total)]
    return pd.DataFrame(
        {
            "id": ids,
            "source": ["one" if i % 3 else "two" for i in range(total)],
            "sha256": ids,
            "label": np.repeat(labels, count),
            "split": split,
            "group": [f"{split}-g{i // 2}" for i in range(total)],
            "performer": None,
            "kept": True,
            "reason": "",
            "row": np.arange(total),
            "votes": None,
        }
    )
