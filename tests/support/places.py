"""A small set that the scene family can learn from, with texts embedded without the real encoder."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from models.scene.crops import crop_closer
from tests.support.drawn import scene_set

if TYPE_CHECKING:
    from pathlib import Path

    from curation.store.sample_set import SampleSet

WIDTH = 384
TRAIN = {
    "epochs": 2,
    "epoch_samples": 64,
    "batch_size": 16,
    "norm_samples": 8,
    "widths": (16, 8),
    "depths": (1, 0),
    "critic_widths": (8, 16),
    "critic_depths": (0, 1),
    "precision": "32-true",
}


class WordEncoder:
    """Embeds a text as the mean of a fixed random direction for each of its words: texts with common words are near."""

    def embed(self, texts: list[str]) -> np.ndarray:
        """Float32 N,384 of unit length."""
        sums = np.array([np.mean([_direction(word) for word in text.lower().split()], axis=0) for text in texts])
        sums = sums.reshape(-1, WIDTH)
        return (sums / np.linalg.norm(sums, axis=1, keepdims=True)).astype(np.float32)


def _direction(word: str) -> np.ndarray:
    seed = int.from_bytes(word.encode()[:8].ljust(8, b"."), "big")
    return np.random.default_rng(seed).standard_normal(WIDTH)


def place_set(folder: Path, counts: dict[str, int] | None = None, *, params, monkeypatch) -> SampleSet:
    """FOLDER/clean and FOLDER/set: pictures of 16 px in three categories."""
    monkeypatch.setattr("models.scene.crops.open_encoder", lambda _read: WordEncoder())
    clean = scene_set(folder / "clean", counts or {"train": 24, "validation": 8, "test": 8})
    return crop_closer(clean, params, folder / "set", lambda _asset: b"")
