"""Batches of pieces of takes.

Legend: N takes, T frames, I inputs, U units, A angles.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from models.components.placement import PlacedData
from models.components.randomness import derived_seed
from models.tracking.encode import takes_of
from rushes.errors import MisuseError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from curation.store.sample_set import SampleSet
    from models.tracking.encode import Takes
    from models.tracking.params import TrainParams

# Of a batch of validation: takes, and frames with their padding. A frame takes 8 KB while the network runs.
VALIDATION_BATCH, VALIDATION_FRAMES = 64, 1 << 14


@dataclass(frozen=True)
class TakeBatch:
    """Inputs N,T,I and targets N,T,U+A of pieces of takes, each beginning without a state.

    `targets` is NaN where nothing is known, as beyond the end of a take. `first` is the place of the first of them
    among those of all processes.
    """

    inputs_nti: torch.Tensor
    targets_ntc: torch.Tensor
    step: int = 0
    first: int = 0

    def to(self, device: torch.device, *, non_blocking: bool = False) -> TakeBatch:
        """The batch on another device; Lightning calls this."""
        inputs, targets = (part.to(device, non_blocking=non_blocking) for part in (self.inputs_nti, self.targets_ntc))
        return TakeBatch(inputs, targets, self.step, self.first)


@dataclass(frozen=True)
class ShuffledTakes:
    """One epoch of batches, as seen by this process: takes in a new order, another piece of each."""

    takes: Takes
    batch_size: int
    frames: int
    seed: int
    samples: int = 0  # pieces in an epoch; 0: as many as the takes have
    rank: int = 0
    world_size: int = 1
    epoch: Callable[[], int] = int

    def __post_init__(self) -> None:
        if self.batch_size % self.world_size:
            message = f"a batch of {self.batch_size} takes does not divide among {self.world_size} processes"
            raise MisuseError(message, f"set train.batch_size in params.yaml to a multiple of {self.world_size}")

    @property
    def _each(self) -> np.ndarray:
        """Numbers of the takes, one for each piece: a long take has many."""
        return np.repeat(np.arange(len(self.takes.starts)), np.ceil(self.takes.lengths / self.frames).astype(int))

    def __len__(self) -> int:
        return max(1, (self.samples or len(self._each)) // self.batch_size)

    def __iter__(self) -> Iterator[TakeBatch]:
        random = np.random.default_rng(derived_seed(self.seed, self.epoch(), "takes"))
        wanted, each = len(self) * self.batch_size, self._each
        order = np.concatenate([random.permutation(each) for _ in range(math.ceil(wanted / len(each)))])
        begins = (random.random(len(order)) * (np.maximum(self.takes.lengths[order] - self.frames, 0) + 1)).astype(int)
        share = self.batch_size // self.world_size
        for step in range(len(self)):
            first = self.rank * share
            mine = slice(step * self.batch_size + first, step * self.batch_size + first + share)
            yield TakeBatch(*self.takes.pieces(order[mine], begins[mine], self.frames), step, first)


@dataclass(frozen=True)
class WholeTakes:
    """A split by length, the shortest take first, each from its beginning; each process reads a share of them."""

    takes: Takes
    rank: int = 0
    world_size: int = 1

    def __len__(self) -> int:
        return len(self._batches)

    @cached_property
    def _batches(self) -> list[np.ndarray]:
        """Takes of each batch, as many as its frames leave room for: the longest one pads the others."""
        batches: list[list[int]] = [[]]
        for take in np.argsort(self.takes.lengths, kind="stable").tolist():
            most = min(VALIDATION_BATCH, VALIDATION_FRAMES // int(self.takes.lengths[take]))
            if batches[-1] and len(batches[-1]) >= most:
                batches.append([])
            batches[-1].append(take)
        return [np.array(batch) for batch in batches]

    def __iter__(self) -> Iterator[TakeBatch]:
        for batch in self._batches:
            mine = batch[self.rank :: self.world_size]
            # Each process has as many batches; one without a take has a batch without a target.
            chosen = mine if len(mine) else batch[:1]
            frames = int(self.takes.lengths[chosen].max())
            inputs_nti, targets_ntc = self.takes.pieces(chosen, np.zeros(len(chosen), int), frames)
            yield TakeBatch(inputs_nti, targets_ntc if len(mine) else torch.full_like(targets_ntc, np.nan))


class TrackingTakes(PlacedData):
    """Batches of a set."""

    def __init__(self, samples: SampleSet, params: TrainParams) -> None:
        super().__init__()
        self.samples, self.params = samples, params

    def train_dataloader(self) -> Any:  # noqa: ANN401  # batches, or batches that are copied ahead
        """Pieces of the takes of the training split, others in each epoch."""
        batches = ShuffledTakes(
            takes_of(self.samples, "train"),
            self.params.batch_size,
            self.params.sequence_length,
            self.params.seed,
            self.params.epoch_samples,
            *self.process(),
            epoch=lambda: self.trainer.current_epoch if self.trainer else 0,
        )
        return self.ahead(batches, torch.device("cpu"))

    def val_dataloader(self) -> Any:  # noqa: ANN401  # as above
        """The takes of the validation split."""
        return self.ahead(WholeTakes(takes_of(self.samples, "validation"), *self.process()), torch.device("cpu"))
