"""Batches of pictures with their texts as numbers."""

from __future__ import annotations

import numpy as np
import torch

from models.components.batches import PackedPictures


class ScenePictures(PackedPictures):
    """A packed set whose samples have several texts each; text-SPLIT.npy holds their embeddings, float16 N,K,T."""

    def extras_of(self, split: str, device: torch.device) -> torch.Tensor:
        """The embeddings of a split, N,K,T."""
        return torch.from_numpy(np.load(self.samples.folder / f"text-{split}.npy")).to(device)
