"""Batches of tokens in the order of the text: many places are read at once, each continuing where it stopped.

Legend: N places in the text, T steps.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import torch

from models.components.placement import CPU, PlacedData, Prefetched
from models.components.randomness import derived_seed
from rushes.errors import MisuseError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from curation.store.sample_set import SampleSet
    from models.script.params import TrainParams

VALIDATION_LANES, VALIDATION_STEPS = 64, 128
ID_BYTES = 8  # of a token on the device: an int64

Ids = TypeVar("Ids", np.ndarray, torch.Tensor)


@dataclass(frozen=True)
class TokenBatch:
    """Ids N,T, the ids that follow each, and the number of the batch in its pass; 0: states are reset.

    `targets_nt` is -1 where there is no target. `first_place` is the index of the first of these places among those of
    all processes.
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
    """Cuts a text into `count` pieces of equal length.

    Returns:
        Ids int64 count,length+1: the last is only a target. The end is padded with -1.
    """
    length = math.ceil(max(1, len(tokens) - 1) / count)
    padded = np.concatenate([tokens.astype(np.int64), np.full(count * length + 1 - len(tokens), -1, np.int64)])
    return np.stack([padded[i * length : (i + 1) * length + 1] for i in range(count)])


def batches(lanes_nl: Ids, steps: int) -> Iterator[tuple[Ids, Ids]]:
    """Ids N,T and targets N,T, consecutive pieces to the end of the lanes; the last may be shorter."""
    length = lanes_nl.shape[1] - 1
    for start in range(0, length, steps):
        stop = min(start + steps, length)
        yield lanes_nl[:, start:stop].clip(0), lanes_nl[:, start + 1 : stop + 1]


@dataclass(frozen=True)
class Contiguous:
    """One epoch of batches, as seen by this process: documents in a new order, cut into lanes.

    Args:
        documents: Tokens of each document.
        batch_size: Lanes of all processes.
        steps: Steps of a batch.
        seed: Determines the order, together with the epoch.
        characters: Characters in an epoch; 0: all.
        rank: Index of this process.
        world_size: Number of processes.
        epoch: Returns the current epoch; called at the start of each pass.
        device: Where the tokens of an epoch are kept.

    Raises:
        ValueError: The lanes cannot be divided among the processes.
    """

    documents: tuple[np.ndarray, ...]
    batch_size: int
    steps: int
    seed: int
    characters: int = 0
    rank: int = 0
    world_size: int = 1
    epoch: Callable[[], int] = int
    device: torch.device = CPU

    def __post_init__(self) -> None:
        if self.batch_size % self.world_size:
            message = f"{self.batch_size} places in the text do not divide among {self.world_size} processes"
            raise MisuseError(message, f"set train.batch_size in params.yaml to a multiple of {self.world_size}")

    def __len__(self) -> int:
        return max(1, math.ceil(max(1, self.read - 1) / self.batch_size) // self.steps)

    @property
    def read(self) -> int:
        """Characters in an epoch."""
        total = sum(len(document) for document in self.documents)
        return min(self.characters, total) if self.characters else total

    def __iter__(self) -> Iterator[TokenBatch]:
        read = len(self) * self.batch_size * self.steps
        lanes_nl = lanes(self._text(read + 1), self.batch_size)
        share = self.batch_size // self.world_size
        mine = slice(self.rank * share, (self.rank + 1) * share)
        pieces = batches(torch.from_numpy(lanes_nl[mine]).to(self.device), self.steps)
        for step, (ids_nt, targets_nt) in zip(range(len(self)), pieces, strict=False):
            yield TokenBatch(ids_nt, targets_nt, step, self.rank * share)

    def _text(self, count: int) -> np.ndarray:
        """An epoch's share of all documents in a shuffled order; the next epoch continues where it ends."""
        total = sum(len(document) for document in self.documents)
        # Position in an endless sequence of shuffled passes over the documents.
        turn, start = divmod(self.epoch() * (count - 1), total)
        parts: list[np.ndarray] = []
        while sum(len(part) for part in parts) < start + count:
            random = np.random.default_rng(derived_seed(self.seed, turn, "order"))
            parts += [self.documents[place] for place in random.permutation(len(self.documents))]
            turn += 1
        return np.concatenate(parts)[start : start + count].astype(np.int64)


@dataclass(frozen=True)
class InTurn:
    """The validation split, read once with carried state; each process reads a share of the lanes."""

    tokens: np.ndarray
    rank: int = 0
    world_size: int = 1
    device: torch.device = CPU

    def __len__(self) -> int:
        length = math.ceil(max(1, len(self.tokens) - 1) / VALIDATION_LANES)
        return math.ceil(length / VALIDATION_STEPS)

    def __iter__(self) -> Iterator[TokenBatch]:
        mine = lanes(self.tokens, VALIDATION_LANES)[self.rank :: self.world_size]
        for step, (ids_nt, targets_nt) in enumerate(batches(torch.from_numpy(mine).to(self.device), VALIDATION_STEPS)):
            yield TokenBatch(ids_nt, targets_nt, step)


class ScriptTokens(PlacedData):
    """Tokens of a set; on a GPU those of an epoch are kept on the device if they fit."""

    def __init__(self, samples: SampleSet, params: TrainParams) -> None:
        super().__init__()
        self.samples, self.params = samples, params

    def train_dataloader(self) -> Contiguous | Prefetched:
        """The training split by document, in a new order each epoch."""
        text = Contiguous(
            tuple(documents_of(self.samples, "train")),
            self.params.batch_size,
            self.params.sequence_length,
            self.params.seed,
            self.params.epoch_characters,
            *self.process(),
            epoch=lambda: self.trainer.current_epoch if self.trainer else 0,
        )
        home = self.home_of(ID_BYTES * text.read)
        return self.ahead(dataclasses.replace(text, device=home), home)

    def val_dataloader(self) -> InTurn | Prefetched:
        """The validation split."""
        tokens = tokens_of(self.samples, "validation").astype(np.int64)
        home = self.home_of(tokens.nbytes)
        return self.ahead(InTurn(tokens, *self.process(), home), home)


def tokens_of(samples: SampleSet, split: str) -> np.ndarray:
    """Tokens of a split, uint8, in the order of its texts."""
    tokens: np.ndarray = np.load(samples.folder / f"tokens-{split}.npy", mmap_mode="r")
    return tokens


def documents_of(samples: SampleSet, split: str) -> list[np.ndarray]:
    """Tokens of each document of a split."""
    tokens, rows = tokens_of(samples, split), samples.kept(split)
    ends = rows["tokens"].cumsum()
    last = ends.groupby(rows["group"], sort=False).max()
    first = (ends - rows["tokens"]).groupby(rows["group"], sort=False).min()
    return [np.asarray(tokens[a:b]) for a, b in zip(first, last, strict=True)]
