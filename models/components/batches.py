"""Batches out of a packed set: one gather of shuffled rows each, no per-sample Python.

A global batch is cut into chunks of `chunk` samples; with several processes each takes its share of the chunks, so
what a chunk holds does not depend on how many processes there are.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from pytorch_lightning import LightningDataModule

from models.components.randomness import derived_seed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from curation.store.sample_set import SampleSet

VALIDATION_BATCH = 512


@dataclass(frozen=True)
class Batch:
    """Pictures uint8 N,H,W,C and soft labels float32 N,L; `first_chunk` places it in its global batch.

    `extra` is what else a family learns from, its first axis the samples: texts as numbers, for a family that draws.
    """

    pictures_nhwc: torch.Tensor
    targets_nl: torch.Tensor
    first_chunk: int
    step: int
    extra: torch.Tensor | None = None

    def to(self, device: torch.device, *, non_blocking: bool = False) -> Batch:
        """The batch on another device; Lightning calls this."""
        return Batch(
            self.pictures_nhwc.to(device, non_blocking=non_blocking),
            self.targets_nl.to(device, non_blocking=non_blocking),
            self.first_chunk,
            self.step,
            None if self.extra is None else self.extra.to(device, non_blocking=non_blocking),
        )


@dataclass(frozen=True)
class Shuffled:
    """One epoch of global batches, as this process sees them.

    Args:
        pictures_nhwc: The split, in memory or memory-mapped.
        targets_nl: Its soft labels.
        batch_size: Samples of a global batch; those left over at the end of an epoch wait for another shuffle.
        chunk: Samples that are normalised together.
        seed: With the epoch, decides the order.
        rank: This process.
        world_size: How many there are.
        epoch: Asked at the start of each pass, for which one it is.
        samples: How many an epoch shows; 0: each once.
        extra: What else goes with each sample.

    Raises:
        ValueError: The global batch does not divide into chunks for each process.
    """

    pictures_nhwc: torch.Tensor
    targets_nl: torch.Tensor
    batch_size: int
    chunk: int
    seed: int
    rank: int = 0
    world_size: int = 1
    epoch: Callable[[], int] = int
    samples: int = 0
    extra: torch.Tensor | None = None

    def __post_init__(self) -> None:
        if self.batch_size % (self.chunk * self.world_size):
            message = (
                f"a batch of {self.batch_size} does not divide into chunks of {self.chunk} for {self.world_size} "
                "processes: change train.batch_size or train.norm_samples in params.yaml"
            )
            raise ValueError(message)

    def __len__(self) -> int:
        return max(1, (self.samples or len(self.pictures_nhwc)) // self.batch_size)

    def __iter__(self) -> Iterator[Batch]:
        order = self._order()
        share = self.batch_size // self.world_size
        for step in range(len(self)):
            start = step * self.batch_size + self.rank * share
            rows = order[start : start + share]
            yield Batch(
                gather(self.pictures_nhwc, rows),
                gather(self.targets_nl, rows),
                self.rank * share // self.chunk,
                step,
                None if self.extra is None else gather(self.extra, rows),
            )

    def _order(self) -> torch.Tensor:
        random = np.random.default_rng(derived_seed(self.seed, self.epoch(), "order"))
        count, wanted = len(self.pictures_nhwc), len(self) * self.batch_size
        # A set smaller than a batch, or than what an epoch shows, is gone through more than once.
        orders = [random.permutation(count) for _ in range(max(1, math.ceil(wanted / count)))]
        return torch.from_numpy(np.concatenate(orders)[:wanted])


def gather(source: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
    """Rows of a tensor, in the order asked for, on the tensor's device."""
    return source.index_select(0, rows.to(source.device))


@dataclass(frozen=True)
class InOrder:
    """A split in its own order; of each batch a process takes every `world_size`-th sample."""

    pictures_nhwc: torch.Tensor
    targets_nl: torch.Tensor
    rank: int = 0
    world_size: int = 1
    extra: torch.Tensor | None = None

    def __len__(self) -> int:
        return math.ceil(len(self.pictures_nhwc) / VALIDATION_BATCH)

    def __iter__(self) -> Iterator[Batch]:
        for start in range(0, len(self.pictures_nhwc), VALIDATION_BATCH):
            stop = min(start + VALIDATION_BATCH, len(self.pictures_nhwc))
            mine = slice(start + self.rank, stop, self.world_size)
            extra = None if self.extra is None else self.extra[mine]
            yield Batch(self.pictures_nhwc[mine], self.targets_nl[mine], 0, 0, extra)


class PackedPictures(LightningDataModule):
    """A packed set as Lightning wants it; on a GPU the whole set lies on the device where it fits."""

    def __init__(self, samples: SampleSet, params: Any) -> None:  # noqa: ANN401  # each family has its own params
        super().__init__()
        self.samples = samples
        self.params = params

    def train_dataloader(self) -> Shuffled:
        """The training split, shuffled anew each epoch."""
        pictures_nhwc, targets_nl = self._tensors("train")
        return Shuffled(
            pictures_nhwc,
            targets_nl,
            self.params.batch_size,
            self.params.norm_samples,
            self.params.seed,
            *self._place(),
            epoch=lambda: self.trainer.current_epoch if self.trainer else 0,
            samples=getattr(self.params, "epoch_samples", 0),
            extra=self.extras_of("train", pictures_nhwc.device),
        )

    def val_dataloader(self) -> InOrder:
        """The validation split."""
        pictures_nhwc, targets_nl = self._tensors("validation")
        extra = self.extras_of("validation", pictures_nhwc.device)
        return InOrder(pictures_nhwc, targets_nl, *self._place(), extra=extra)

    def extras_of(self, split: str, device: torch.device) -> torch.Tensor | None:
        """What else goes with each sample of a split, on a device; None here, a family may have some."""
        del split, device
        return None

    def _place(self) -> tuple[int, int]:
        return (self.trainer.global_rank, self.trainer.world_size) if self.trainer else (0, 1)

    def _tensors(self, split: str) -> tuple[torch.Tensor, torch.Tensor]:
        array = self.samples.array(split)
        device = self._device(array.nbytes)
        # torch warns of a read-only array; nothing here writes to it.
        pictures_nhwc = torch.from_numpy(np.asarray(array) if array.flags.writeable else _writeable_view(array))
        return pictures_nhwc.to(device), torch.from_numpy(self.samples.targets(split)).to(device)

    def _device(self, size_bytes: int) -> torch.device:
        device = self.trainer.strategy.root_device if self.trainer else torch.device("cpu")
        if device.type != "cuda" or size_bytes > torch.cuda.mem_get_info(device)[0] // 4:
            return torch.device("cpu")
        return device


def _writeable_view(array: np.ndarray) -> np.ndarray:
    """The same memory map opened copy-on-write: torch takes it without a warning, the file stays as it is."""
    if not isinstance(array, np.memmap) or array.filename is None:
        return array.copy()
    return np.memmap(array.filename, dtype=np.uint8, mode="c", offset=array.offset, shape=tuple(array.shape))
