"""Batches from a packed set: each is one gather of shuffled rows, without per-sample Python.

A global batch is divided into chunks of `chunk` samples; with several processes each takes its share of the chunks, so
the content of a chunk does not depend on the number of processes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from models.components.placement import PlacedData, Prefetched
from models.components.randomness import derived_seed
from rushes.errors import MisuseError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from curation.store.sample_set import SampleSet

VALIDATION_BATCH = 512


@dataclass(frozen=True)
class Batch:
    """Images uint8 N,H,W,C and soft labels float32 N,L; `first_chunk` is its offset in the global batch, in chunks.

    `extra` is additional input with samples on its first axis, such as text embeddings for a generator.
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
    """One epoch of global batches, as seen by this process.

    Args:
        pictures_nhwc: Images of the split, in memory or memory-mapped.
        targets_nl: Their soft labels.
        batch_size: Samples of a global batch; the remainder of an epoch is dropped until the next shuffle.
        chunk: Samples that are normalised together.
        seed: Determines the order, together with the epoch.
        rank: Index of this process.
        world_size: Number of processes.
        epoch: Returns the current epoch; called at the start of each pass.
        samples: Samples in an epoch; 0: each once.
        extra: Additional input of each sample.

    Raises:
        ValueError: The global batch cannot be divided into chunks for each process.
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
            step = self.chunk * self.world_size
            message = (
                f"a batch of {self.batch_size} does not divide into chunks of {self.chunk} for {self.world_size} "
                "processes"
            )
            remedy = f"set train.batch_size in params.yaml to a multiple of {step}, or change train.norm_samples"
            raise MisuseError(message, remedy)

    def __len__(self) -> int:
        return max(1, (self.samples or len(self.pictures_nhwc)) // self.batch_size)

    def __iter__(self) -> Iterator[Batch]:
        # The order is a function of (seed, epoch); each process takes a contiguous share of every global batch.
        order = self._order().to(self.pictures_nhwc.device)
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
        # An epoch may be longer than the set: then it consists of several permutations.
        orders = [random.permutation(count) for _ in range(max(1, math.ceil(wanted / count)))]
        return torch.from_numpy(np.concatenate(orders)[:wanted])


def gather(source: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
    """Selects rows of a tensor in the given order, on the tensor's device."""
    return source.index_select(0, rows.to(source.device))


@dataclass(frozen=True)
class InOrder:
    """A split in its own order; each process takes every `world_size`-th sample of a batch."""

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


class PackedPictures(PlacedData):
    """Lightning data module of a packed set; on a GPU the whole set is kept on the device if it fits."""

    def __init__(self, samples: SampleSet, params: Any) -> None:  # noqa: ANN401  # each family has its own params
        super().__init__()
        self.samples = samples
        self.params = params

    def train_dataloader(self) -> Shuffled | Prefetched:
        """The training split, shuffled differently in each epoch."""
        pictures_nhwc, targets_nl, extra = self._tensors("train")
        batches = Shuffled(
            pictures_nhwc,
            targets_nl,
            self.params.batch_size,
            self.params.norm_samples,
            self.params.seed,
            *self.process(),
            epoch=lambda: self.trainer.current_epoch if self.trainer else 0,
            samples=getattr(self.params, "epoch_samples", 0),
            extra=extra,
        )
        return self.ahead(batches, pictures_nhwc.device)

    def val_dataloader(self) -> InOrder | Prefetched:
        """The validation split."""
        pictures_nhwc, targets_nl, extra = self._tensors("validation")
        return self.ahead(InOrder(pictures_nhwc, targets_nl, *self.process(), extra=extra), pictures_nhwc.device)

    def extras_of(self, split: str) -> torch.Tensor | None:
        """Additional input of each sample of a split; None by default, families override it."""
        del split
        return None

    def _tensors(self, split: str) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor | None]:
        """Images, targets and additional input, all in one place."""
        array = self.samples.array(split)
        # torch warns about read-only arrays; nothing here writes to it.
        pictures_nhwc = torch.from_numpy(np.asarray(array) if array.flags.writeable else _writeable_view(array))
        targets_nl, extra = torch.from_numpy(self.samples.targets(split)), self.extras_of(split)
        home = self.home_of(pictures_nhwc.nbytes + targets_nl.nbytes + (0 if extra is None else extra.nbytes))
        return pictures_nhwc.to(home), targets_nl.to(home), None if extra is None else extra.to(home)


def _writeable_view(array: np.ndarray) -> np.ndarray:
    """The same memory map opened copy-on-write: torch accepts it without a warning, and the file is never written."""
    if not isinstance(array, np.memmap) or array.filename is None:
        return array.copy()
    return np.memmap(array.filename, dtype=np.uint8, mode="c", offset=array.offset, shape=tuple(array.shape))
