"""Tokens in the order of the text: many places are read at the same time, each goes on where it was.

Legend: N places in the text, T steps.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from pytorch_lightning import LightningDataModule

from models.components.randomness import derived_seed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from curation.store.sample_set import SampleSet
    from models.script.params import TrainParams

VALIDATION_LANES, VALIDATION_STEPS = 64, 128


@dataclass(frozen=True)
class TokenBatch:
    """Ids N,T, what comes after each, and the number of the batch in its pass; 0: states begin anew.

    In `targets_nt` -1 stands where there is nothing to foretell. `first_place` is that of the first of these places
    among those of all processes.
    """

    ids_nt: torch.Tensor
    targets_nt: torch.Tensor
    step: int
    first_place: int = 0

    def to(self, device: torch.device, *, non_blocking: bool = False) -> TokenBatch:
        """The batch on another device; Lightning calls this."""
        ids_nt, targets_nt = (part.to(device, non_blocking=non_blocking) for part in (self.ids_nt, self.targets_nt))
        return TokenBatch(ids_nt, targets_nt, self.step, self.first_place)


def lanes(tokens: np.ndarray, count: int) -> np.ndarray:
    """A text cut into `count` pieces of one length.

    Returns:
        Ids int64 count,length+1: the last is the one to foretell. What is left over at the end is -1.
    """
    length = math.ceil(max(1, len(tokens) - 1) / count)
    padded = np.concatenate([tokens.astype(np.int64), np.full(count * length + 1 - len(tokens), -1, np.int64)])
    return np.stack([padded[i * length : (i + 1) * length + 1] for i in range(count)])


def batches(lanes_nl: np.ndarray, steps: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Ids N,T and targets N,T, piece after piece to the end of the lanes; the last may be shorter."""
    length = lanes_nl.shape[1] - 1
    for start in range(0, length, steps):
        stop = min(start + steps, length)
        yield lanes_nl[:, start:stop].clip(0), lanes_nl[:, start + 1 : stop + 1]


@dataclass(frozen=True)
class Contiguous:
    """One epoch of batches, as this process sees them: works in a new order, cut into lanes.

    Args:
        works: The tokens of each work.
        batch_size: Lanes of all processes.
        steps: Of a batch.
        seed: With the epoch, decides the order.
        characters: How many an epoch reads; 0: all.
        rank: This process.
        world_size: How many there are.
        epoch: Asked at the start of each pass, for which one it is.

    Raises:
        ValueError: The lanes do not divide among the processes.
    """

    works: tuple[np.ndarray, ...]
    batch_size: int
    steps: int
    seed: int
    characters: int = 0
    rank: int = 0
    world_size: int = 1
    epoch: Callable[[], int] = int

    def __post_init__(self) -> None:
        if self.batch_size % self.world_size:
            message = (
                f"{self.batch_size} places in the text do not divide among {self.world_size} processes: change "
                "train.batch_size in params.yaml"
            )
            raise ValueError(message)

    def __len__(self) -> int:
        total = sum(len(work) for work in self.works)
        read = min(self.characters, total) if self.characters else total
        return max(1, math.ceil(max(1, read - 1) / self.batch_size) // self.steps)

    def __iter__(self) -> Iterator[TokenBatch]:
        read = len(self) * self.batch_size * self.steps
        lanes_nl = lanes(self._text(read + 1), self.batch_size)
        share = self.batch_size // self.world_size
        mine = slice(self.rank * share, (self.rank + 1) * share)
        pieces = batches(lanes_nl[mine], self.steps)
        for step, (ids_nt, targets_nt) in zip(range(len(self)), pieces, strict=False):
            yield TokenBatch(torch.from_numpy(ids_nt), torch.from_numpy(targets_nt), step, self.rank * share)

    def _text(self, count: int) -> np.ndarray:
        """So many characters: an epoch's share of all works in a shuffled order; the next epoch goes on with it."""
        total = sum(len(work) for work in self.works)
        turn, start = divmod(self.epoch() * (count - 1), total)
        parts: list[np.ndarray] = []
        while sum(len(part) for part in parts) < start + count:
            random = np.random.default_rng(derived_seed(self.seed, turn, "order"))
            parts += [self.works[place] for place in random.permutation(len(self.works))]
            turn += 1
        return np.concatenate(parts)[start : start + count].astype(np.int64)


@dataclass(frozen=True)
class InTurn:
    """The validation split, read through once with carried state; of the lanes a process has its share."""

    tokens: np.ndarray
    rank: int = 0
    world_size: int = 1

    def __len__(self) -> int:
        length = math.ceil(max(1, len(self.tokens) - 1) / VALIDATION_LANES)
        return math.ceil(length / VALIDATION_STEPS)

    def __iter__(self) -> Iterator[TokenBatch]:
        mine = lanes(self.tokens, VALIDATION_LANES)[self.rank :: self.world_size]
        for step, (ids_nt, targets_nt) in enumerate(batches(mine, VALIDATION_STEPS)):
            yield TokenBatch(torch.from_numpy(ids_nt), torch.from_numpy(targets_nt), step)


class ScriptTokens(LightningDataModule):
    """The tokens of a set.

    Args:
        samples: The set.
        params: The recipe.
    """

    def __init__(self, samples: SampleSet, params: TrainParams) -> None:
        super().__init__()
        self.samples, self.params = samples, params

    def train_dataloader(self) -> Contiguous:
        """The training split, work by work, in a new order each epoch."""
        return Contiguous(
            tuple(works_of(self.samples, "train")),
            self.params.batch_size,
            self.params.sequence_length,
            self.params.seed,
            self.params.epoch_characters,
            *self._place(),
            epoch=lambda: self.trainer.current_epoch if self.trainer else 0,
        )

    def val_dataloader(self) -> InTurn:
        """The validation split."""
        return InTurn(tokens_of(self.samples, "validation").astype(np.int64), *self._place())

    def _place(self) -> tuple[int, int]:
        return (self.trainer.global_rank, self.trainer.world_size) if self.trainer else (0, 1)


def tokens_of(samples: SampleSet, split: str) -> np.ndarray:
    """The tokens of a split, uint8, in the order of its texts."""
    tokens: np.ndarray = np.load(samples.folder / f"tokens-{split}.npy", mmap_mode="r")
    return tokens


def works_of(samples: SampleSet, split: str) -> list[np.ndarray]:
    """The tokens of each work of a split."""
    tokens, rows = tokens_of(samples, split), samples.kept(split)
    ends = rows["tokens"].cumsum()
    last = ends.groupby(rows["group"], sort=False).max()
    first = (ends - rows["tokens"]).groupby(rows["group"], sort=False).min()
    return [np.asarray(tokens[a:b]) for a, b in zip(first, last, strict=True)]
