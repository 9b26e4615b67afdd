"""Batches of images with their text embeddings."""

from __future__ import annotations

import numpy as np
import torch

from models.components.batches import PackedPictures


class ScenePictures(PackedPictures):
    """Packed set whose samples have several texts each; text-SPLIT.npy has their embeddings, float16 N,K,T."""

    def extras_of(self, split: str) -> torch.Tensor:
        """Embeddings of a split, N,K,T."""
        return torch.from_numpy(np.load(self.samples.folder / f"text-{split}.npy"))
