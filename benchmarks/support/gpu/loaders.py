"""Loaders of stock Lightning for the three families: torch's DataLoader with its usual options, a sample at a time.

Samples lie decoded in memory: what a user's own Dataset reads from files on top of that is left out.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import torch
from pytorch_lightning import LightningModule
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset

from models.components.batches import Batch
from models.script.data import TokenBatch, documents_of, lanes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from curation.store.sample_set import SampleSet
    from models.expression.params import TrainParams
    from models.scene.params import TrainParams as SceneParams
    from models.script.params import TrainParams as ScriptParams

MOST_WORKERS = 8


def loader(samples: Dataset[Any], batch_size: int, *, shuffle: bool, workers: int | None = None) -> DataLoader[Any]:
    """A DataLoader with a worker for each core but one, pinned memory, and workers that stay between epochs."""
    if workers is None:
        workers = max(2, min(MOST_WORKERS, (os.cpu_count() or 2) - 1))
    return DataLoader(
        samples, batch_size, shuffle=shuffle, num_workers=workers, pin_memory=torch.cuda.is_available(), drop_last=True,
        persistent_workers=workers > 0,
    )  # fmt: skip


class AugmentedFaces(Dataset[tuple[torch.Tensor, int]]):
    """Faces that are augmented one by one with OpenCV, in the loader's workers: the product's operations and limits.

    Effects of other cameras are left out, so that the peer has less to do.
    """

    def __init__(self, samples: SampleSet, params: TrainParams) -> None:
        self.pictures_nhwc = np.array(samples.array("train"))
        self.labels_n = samples.targets("train").argmax(1)
        self.params, self.mean, self.std = params, samples.info["mean"], samples.info["std"]

    def __len__(self) -> int:
        return len(self.pictures_nhwc)

    def __getitem__(self, row: int) -> tuple[torch.Tensor, int]:
        """One face, float 1,H,W, and its label."""
        params, random = self.params, np.random.default_rng(int(torch.randint(2**31, ())))
        picture_hw = self.pictures_nhwc[row, ..., 0]
        size = picture_hw.shape[0]
        # Combine rotation, zoom, shift and flip in one affine transform.
        turn, zoom = (
            random.uniform(-params.rotation_deg, params.rotation_deg),
            random.uniform(-params.scale, params.scale),
        )
        matrix_23 = cv2.getRotationMatrix2D(((size - 1) / 2, (size - 1) / 2), turn, 1.0 + zoom)
        matrix_23[:, 2] += random.uniform(-params.shift, params.shift, 2) * size / 2
        flipped_hw = picture_hw[:, ::-1] if random.random() < 0.5 else picture_hw  # noqa: PLR2004  # half of them
        moved_hw = cv2.warpAffine(
            np.ascontiguousarray(flipped_hw), matrix_23, (size, size), borderMode=cv2.BORDER_REPLICATE
        )
        value_hw = (moved_hw.astype(np.float32) / 255.0 - self.mean) / self.std
        # Change contrast and brightness, occlude every second face, add noise.
        value_hw = value_hw * random.uniform(1.0 - params.contrast, 1.0 + params.contrast)
        value_hw += random.uniform(-params.contrast, params.contrast)
        if random.random() < 0.5:  # noqa: PLR2004  # as above
            side = int(random.uniform(0.1, max(params.occlusion, 0.1)) * size)
            top, left = random.integers(0, size, 2) - side // 2
            value_hw[max(0, top) : max(0, top + side), max(0, left) : max(0, left + side)] = 0.0
        value_hw += random.uniform(0.0, 4.0 * params.noise) * random.standard_normal((size, size), np.float32)
        return torch.from_numpy(value_hw.astype(np.float32))[None], int(self.labels_n[row])


class PlainClassifier(LightningModule):
    """A network in a module as in Lightning's introduction."""

    def __init__(self, network: torch.nn.Module, params: TrainParams) -> None:
        super().__init__()
        self.network, self.params = network.to(memory_format=torch.contiguous_format), params  # type: ignore[call-overload]  # PyTorch's stubs lack it for modules

    def training_step(self, batch: tuple[torch.Tensor, torch.Tensor], _batch_idx: int = 0) -> torch.Tensor:
        """Cross-entropy of a batch."""
        pictures_nchw, labels_n = batch
        return functional.cross_entropy(
            self.network(pictures_nchw), labels_n, label_smoothing=self.params.label_smoothing
        )

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """SGD with Nesterov momentum."""
        return torch.optim.SGD(self.parameters(), lr=self.params.learning_rate, momentum=0.9, nesterov=True)


class Places(Dataset[tuple[torch.Tensor, torch.Tensor, torch.Tensor]]):
    """Pictures with their categories and text embeddings."""

    def __init__(self, samples: SampleSet) -> None:
        self.pictures_nhwc = torch.from_numpy(np.array(samples.array("train")))
        self.targets_nl = torch.from_numpy(samples.targets("train"))
        self.texts_nkt = torch.from_numpy(np.load(samples.folder / "text-train.npy"))

    def __len__(self) -> int:
        return len(self.pictures_nhwc)

    def __getitem__(self, row: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """One picture."""
        return self.pictures_nhwc[row], self.targets_nl[row], self.texts_nkt[row]


class Pieces(Dataset[torch.Tensor]):
    """Pieces of the text, so ordered that a batch continues all places of the one before."""

    def __init__(self, samples: SampleSet, params: ScriptParams) -> None:
        self.steps, self.places = params.sequence_length, params.batch_size
        self.lanes_nl = torch.from_numpy(lanes(np.concatenate(documents_of(samples, "train")), self.places))

    def __len__(self) -> int:
        return (self.lanes_nl.shape[1] - 1) // self.steps * self.places

    def __getitem__(self, number: int) -> torch.Tensor:
        """Ids of one place, and the one that follows."""
        step, place = divmod(number, self.places)
        return self.lanes_nl[place, step * self.steps : (step + 1) * self.steps + 1]


class Converted:
    """A loader's batches in the form that a family's module takes, on the device: Lightning's own copy is the same."""

    def __init__(self, batches: DataLoader[Any], make: Callable[[list[torch.Tensor], int], Any], device: str) -> None:
        self.batches, self.make, self.device = batches, make, device

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self) -> Iterator[Any]:
        for step, batch in enumerate(self.batches):
            tensors = [batch] if isinstance(batch, torch.Tensor) else batch
            yield self.make([tensor.to(self.device, non_blocking=True) for tensor in tensors], step)


def place_batches(samples: SampleSet, params: SceneParams, device: str, workers: int | None = None) -> Converted:
    """Batches for the scene family."""
    batches = loader(Places(samples), params.batch_size, shuffle=True, workers=workers)
    return Converted(batches, lambda parts, step: Batch(parts[0], parts[1], 0, step, parts[2]), device)


def text_batches(samples: SampleSet, params: ScriptParams, device: str, workers: int | None = None) -> Converted:
    """Batches for the script family."""
    batches = loader(Pieces(samples, params), params.batch_size, shuffle=False, workers=workers)
    return Converted(batches, lambda parts, step: TokenBatch(parts[0][:, :-1], parts[0][:, 1:], step), device)
