"""Overhead of Lightning and logging in a training step, and speed of loading packed sets.

    python -m benchmarks.train_step [--quick] [--data build/expression/set]

- step: the CPU-seconds of the product's step (Lightning's Trainer, figures logged every 50 steps) over a bare PyTorch
  loop on the same network, data, augmentation and optimiser; one thread. Once with the default network, once with one
  so small that a step takes some 30 ms: Lightning adds milliseconds, which weigh most there.
- load: pictures per second of the product's loader over torch's DataLoader that reads the same pictures as JPEG files.
"""

from __future__ import annotations

import copy
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import torch
from pytorch_lightning import Callback, Trainer
from pytorch_lightning.loggers import CSVLogger
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset

from benchmarks.support.command import new_parser, quiet
from benchmarks.support.figures import Figure, interleave, report
from curation.store.sample_set import SampleSet, write_set
from models.components.batches import PackedPictures, Shuffled
from models.components.randomness import generator_for, seed_default
from models.expression.definition import family
from models.expression.module import ExpressionModule, warmed_cosine
from models.expression.params import TrainParams
from models.expression.transforms import mixup

SMALL = {"widths": (16, 32, 64), "depths": (1, 1, 1), "batch_size": 64, "norm_samples": 64}
TINY = {"widths": (8, 16), "depths": (1, 1), "batch_size": 64, "norm_samples": 32}
LABELS = ["angry", "disgust", "fear", "happy", "neutral", "sad", "surprise"]
WARM_UP = 5


class CpuClock(Callback):
    """CPU-seconds between the end of the warm-up and the end of the last step."""

    def __init__(self) -> None:
        self.start = self.stop = 0.0

    def on_train_batch_start(self, *words: object) -> None:
        """Starts at the first measured step."""
        if words[-1] == WARM_UP:
            self.start = time.process_time()

    def on_train_batch_end(self, *_words: object) -> None:
        """Moves the end forward."""
        self.stop = time.process_time()


def lightning_step_s(samples: SampleSet, params: TrainParams, steps: int, folder: Path) -> float:
    """CPU-seconds of one step in Lightning, logging every 50."""
    module = family.module(samples.info, params)
    clock = CpuClock()
    trainer = Trainer(
        accelerator="cpu",
        precision="32-true",
        max_epochs=1,
        limit_train_batches=steps + WARM_UP,
        limit_val_batches=0,
        logger=CSVLogger(folder),
        callbacks=[clock],
        log_every_n_steps=50,
        enable_progress_bar=False,
        enable_model_summary=False,
        enable_checkpointing=False,
    )
    trainer.fit(module, PackedPictures(samples, params))
    return (clock.stop - clock.start) / steps


def bare_step_s(samples: SampleSet, params: TrainParams, steps: int) -> float:
    """CPU-seconds of one step of the same work in a plain loop."""
    module = family.module(samples.info, params)
    assert isinstance(module, ExpressionModule)
    network = module.network.train()
    matrices = [p for p in network.parameters() if p.ndim > 1]
    vectors = [p for p in network.parameters() if p.ndim <= 1]
    groups: list[dict[str, Any]] = [{"params": matrices, "weight_decay": params.weight_decay}, {"params": vectors}]
    optimiser = torch.optim.SGD(groups, lr=params.learning_rate, momentum=0.9, nesterov=True)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: warmed_cosine(step, 10, 1000))
    pictures_nhwc = torch.from_numpy(np.array(samples.array("train")))
    targets = torch.from_numpy(samples.targets("train"))
    batches = Shuffled(pictures_nhwc, targets, params.batch_size, params.norm_samples, params.seed)
    start = 0.0
    for step, batch in zip(range(steps + WARM_UP), batches, strict=False):
        if step == WARM_UP:
            start = time.process_time()
        optimiser.zero_grad(set_to_none=True)
        _bare_loss(module, network, batch.pictures_nhwc, batch.targets_nl, step, params).backward()  # type: ignore[no-untyped-call]  # torch's own
        optimiser.step()
        schedule.step()
    return (time.process_time() - start) / steps


def _bare_loss(
    module: ExpressionModule,
    network: torch.nn.Module,
    pictures_nhwc: torch.Tensor,
    targets_nl: torch.Tensor,
    step: int,
    params: TrainParams,
) -> torch.Tensor:
    losses = []
    parts = zip(
        torch.split(pictures_nhwc, params.norm_samples), torch.split(targets_nl, params.norm_samples), strict=True
    )
    for chunk, (part_nhwc, part_nl) in enumerate(parts):
        generator = generator_for("cpu", params.seed, 0, step, chunk)
        x_nchw = module.augmented(part_nhwc, generator)
        x_nchw, y_nl = mixup(x_nchw, part_nl, params.mixup, generator)
        seed_default(torch.device("cpu"), params.seed, 0, step, chunk, "dropout")
        logits_nl = network(x_nchw.contiguous(memory_format=torch.channels_last))
        losses.append(functional.cross_entropy(logits_nl, y_nl, label_smoothing=params.label_smoothing))
    return torch.stack(losses).mean()


class Jpegs(Dataset[tuple[torch.Tensor, int]]):
    """Pictures as files, read as in torch's own examples."""

    def __init__(self, paths: list[Path]) -> None:
        self.paths = paths

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, row: int) -> tuple[torch.Tensor, int]:
        """One picture, decoded, uint8 H,W,1."""
        picture_hw = cv2.imread(str(self.paths[row]), cv2.IMREAD_GRAYSCALE)
        return torch.from_numpy(np.asarray(picture_hw)[..., None]), row % len(LABELS)


def packed_rate(samples: SampleSet, params: TrainParams) -> float:
    """Pictures per second of the product's loader, straight from the memory map, over one pass."""
    batches = PackedPictures(samples, params).train_dataloader()
    start = time.perf_counter()
    count = sum(len(batch.pictures_nhwc) for batch in batches)
    return count / (time.perf_counter() - start)


def jpeg_rate(paths: list[Path], params: TrainParams, workers: int) -> float:
    """Pictures per second of torch's DataLoader, over one pass; its workers are started before the clock."""
    loader = DataLoader(
        Jpegs(paths), params.batch_size, shuffle=True, num_workers=workers, drop_last=True,
        persistent_workers=workers > 0,
    )  # fmt: skip
    if workers:
        for _ in loader:
            break
    start = time.perf_counter()
    count = sum(len(pictures) for pictures, _ in loader)
    return count / (time.perf_counter() - start)


def made_up_set(folder: Path, count: int) -> SampleSet:
    """A set of smooth random pictures: the time does not depend on their content."""
    random = np.random.default_rng(0)
    rough = random.integers(0, 255, (count, 12, 12)).astype(np.uint8)
    pictures_nhwc = np.stack([cv2.resize(p, (48, 48), interpolation=cv2.INTER_CUBIC) for p in rough])[..., None]
    ids = [f"{i:06d}" for i in range(count)]
    columns = {
        "id": ids,
        "source": "made-up",
        "sha256": ids,
        "group": ids,
        "performer": None,
        "kept": True,
        "reason": "",
    }
    train = pd.DataFrame(
        {**columns, "label": np.resize(LABELS, count), "split": "train", "row": range(count), "votes": None}
    )
    info = {"labels": LABELS, "size_px": 48, "channels": 1, "mean": 0.5, "std": 0.25}
    return write_set(folder, train, {"train": pictures_nhwc}, info)


def write_jpegs(samples: SampleSet, folder: Path) -> list[Path]:
    """The pictures of the training split as files."""
    paths = []
    for row, picture_hwc in enumerate(samples.array("train")):
        path = folder / f"{row:06d}.jpg"
        cv2.imwrite(str(path), picture_hwc)
        paths.append(path)
    return paths


def main(words: list[str] | None = None) -> int:
    """Measures and prints."""
    parser = new_parser("train_step", __doc__)
    parser.add_argument("--data", type=Path, help="a packed set, such as build/expression/set; made up otherwise")
    choices = parser.parse_args(words)
    torch.set_num_threads(1)
    quiet()
    with tempfile.TemporaryDirectory() as scratch:
        return report(measure(choices.data, Path(scratch), quick=choices.quick))


def measure(data: Path | None, scratch: Path, *, quick: bool) -> list[Figure]:
    """All figures."""
    samples = SampleSet(data) if data else made_up_set(scratch / "set", 1024 if quick else 8192)
    # More steps than 50, so that the measured part includes a logged step.
    sizes = {"tiny": (TINY, 4, 2)} if quick else {"small": (SMALL, 100, 7), "default": ({}, 50, 5)}
    figures = [step_figure(samples, name, *size, scratch / "logs") for name, size in sizes.items()]
    (scratch / "jpegs").mkdir()
    paths = write_jpegs(samples, scratch / "jpegs")
    params, rounds = TrainParams(**(TINY if quick else {})), 2 if quick else 7
    for workers in (0, 2):
        jpegs = partial(jpeg_rate, paths, params, workers)
        rates = interleave(lambda: packed_rate(samples, copy.copy(params)), jpegs, rounds, f"load, {workers} workers")
        figures.append(Figure(f"pictures/s, ours/DataLoader of JPEGs, {workers} workers", *rates, 15.0, at_most=False))
    return figures


def step_figure(samples: SampleSet, name: str, size: dict[str, Any], steps: int, rounds: int, logs: Path) -> Figure:
    """The product's step over the bare one, for a network of that size."""
    params = TrainParams(**size, ema_decay=0.0)
    steps = min(steps, len(samples.array("train")) // params.batch_size - WARM_UP)
    ours, bare = interleave(
        lambda: lightning_step_s(samples, params, steps, logs),
        lambda: bare_step_s(samples, params, steps),
        rounds,
        f"step of the {name} network",
    )
    return Figure(f"step of the {name} network in CPU-s, ours/bare PyTorch", ours, bare, 1.05, at_most=True)


if __name__ == "__main__":
    sys.exit(main())
