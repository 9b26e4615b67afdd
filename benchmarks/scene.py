"""The product's config for drawing scenes compared with the classic one, and the compressed generator with PyTorch's.

    python -m benchmarks.scene --data FOLDER_OF_CATEGORY_FOLDERS [--quick] [--seconds 600] [--seeds 3] [--sheet OUT.png]
                                [--only pictures|shapes] [--keep FOLDER]

- KID: between pictures drawn after so many CPU-seconds on one thread and held-out pictures; the product's over that of
  DCGAN with binary cross-entropy, whose generator has as many weights. Lower is better.
- headings as asked: the share of pictures drawn for an unseen heading, without a category, that a classifier of the
  real pictures assigns to the heading's category.
- missed modes: of the thousand of a set of stacked shapes, among 25,600 pictures drawn; as published, and by the
  pictures alone whose shapes the classifier recognises with confidence.
- diverged seeds: trainings that end in NaN, or in one picture for all inputs.
- pictures/s: the int8 graph over the PyTorch module in float32, one thread each.

Both configs train side by side, each in a separate process, with the same code.
"""

from __future__ import annotations

import hashlib
import multiprocessing
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import cv2
import numpy as np
import pandas as pd
import torch
from pytorch_lightning import Callback, Trainer
from tqdm import tqdm

from benchmarks.support.command import new_parser, quiet
from benchmarks.support.figures import Figure, interleave, report
from benchmarks.support.headings import pictures, share_as_asked
from benchmarks.support.shapes import SIZE_PX as SHAPE_PX
from benchmarks.support.shapes import SURE, ShapeClassifier, missed, stacked
from common.settings import load_settings
from compression.search.candidate import compress, reference
from curation.image.crop import fit as square
from curation.store.sample_set import SampleSet, write_set
from models.scene.crops import crop_closer
from models.scene.data import ScenePictures
from models.scene.definition import INPUTS, family, module
from models.scene.metrics.extractor import EXTRACTOR, features_of, load_extractor
from models.scene.metrics.measures import is_blank, kid_parts
from models.scene.network import latents_for
from models.scene.params import AugmentParams, CompressParams, TrainParams
from registry.assets import asset_reader
from rushes.inference.session import open_graph
from training.fit import averaging
from training.monitoring.progress import tiled

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Sequence

    from registry.assets import AssetReader

NETWORKS = ("r3", "dcgan")
SIZE_PX = 64
HELD_OUT = 0.15
DRAWN_SHAPES = 25_600  # as is usual for stacked MNIST
SPEED_BATCH = 16
# The classic config keeps its last weights, the product's an average. Its batch norms need the larger batches.
CLASSIC = {"ema_decay": 0.0, "batch_size": 64, "norm_samples": 64}


def read_asset() -> AssetReader:
    """Reads an asset from the packages that a nightly run fetches."""
    return asset_reader(Path(), load_settings())


class TimeLimit(Callback):
    """Ends a training after so many CPU-seconds of this process."""

    def __init__(self, seconds: float) -> None:
        self.seconds, self.start = seconds, 0.0

    def done(self, step: int = 0) -> float:
        """The spent share, 0 to 1, whatever the step."""
        del step
        return (time.process_time() - self.start) / self.seconds

    def on_train_start(self, *_words: object) -> None:
        """Starts the clock: imports and the first weights do not count."""
        self.start = time.process_time()

    def on_train_batch_end(self, trainer: Trainer, *_words: object) -> None:
        """Stops the training once the budget is spent."""
        trainer.should_stop = self.done() >= 1.0


@dataclass(frozen=True)
class TrainingJob:
    """One training: its config, seed, duration and set, and the pictures to draw after it."""

    network: str
    seed: int
    seconds: float
    folder: Path
    params: dict[str, Any]
    asked: int  # pictures to draw

    @property
    def out(self) -> Path:
        """Folder of its weights and pictures."""
        return self.folder / f"{self.network}-{self.seed}-{self.seconds:g}s"


def train(job: TrainingJob) -> Path:
    """Trains and draws, in this process, on one thread; writes weights.pt, and drawn.npy last."""
    if (job.out / "drawn.npy").exists():
        return job.out
    torch.set_num_threads(1)
    quiet()
    samples = SampleSet(job.folder)
    config = {"network": job.network, "seed": job.seed} | (CLASSIC if job.network == "dcgan" else {})
    params = TrainParams(**{**job.params, **config, "precision": "32-true"})
    learner, budget = module(samples.info, params), TimeLimit(job.seconds)
    learner.share_done = budget.done  # type: ignore[method-assign]  # by time, not by epochs
    trainer = Trainer(
        accelerator="cpu", max_epochs=100_000, limit_val_batches=0, logger=False, enable_progress_bar=False,
        enable_model_summary=False, enable_checkpointing=False, callbacks=[*averaging(params), budget],
    )  # fmt: skip
    trainer.fit(learner, ScenePictures(samples, params))
    job.out.mkdir(parents=True, exist_ok=True)
    torch.save(learner.network.state_dict(), job.out / "weights.pt")
    np.save(job.out / "drawn.npy", draw(learner.network.eval(), samples, job.asked))
    spent = f"# {job.out.name}: {trainer.global_step // 2:,} steps in {budget.done() * job.seconds:.0f} CPU-s"
    print(spent, file=sys.stderr, flush=True)
    return job.out


def draw(network: torch.nn.Module, samples: SampleSet, count: int) -> np.ndarray:
    """Pictures uint8 N,S,S,3, with the category frequencies of training and a fixed seed."""
    random = np.random.default_rng(7)
    rows = random.integers(0, len(samples.kept("train")), count)
    texts_nt = np.load(samples.folder / "text-train.npy", mmap_mode="r")[rows, 0]
    latents_nz = random.standard_normal((count, latents_for(samples.info["size_px"])), np.float32)
    return pictures(network, latents_nz, texts_nt, samples.targets("train")[rows])


def picture_set(data: Path, folder: Path, *, most: int) -> SampleSet:
    """The pictures of category folders: each once, cropped to squares, a part held out; packed, with their texts."""
    paths = sorted(path for path in data.rglob("*") if path.suffix.lower() in {".jpg", ".jpeg", ".png"})
    np.random.default_rng(0).shuffle(paths)
    seen: dict[str, tuple[str, np.ndarray]] = {}
    for path in tqdm(paths[:most], desc="read", disable=None, leave=False):
        content = path.read_bytes()
        picture = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
        if picture is not None:
            fitted = square(np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)), SIZE_PX)
            seen.setdefault(hashlib.sha256(content).hexdigest(), (path.parent.name, fitted))
    labels, pictures = zip(*seen.values(), strict=True)
    return packed(np.stack(pictures), list(labels), folder)


def shape_set(folder: Path, count: int) -> SampleSet:
    """Stacked shapes under one category: only the pictures distinguish the modes."""
    return packed(stacked(count, 0)[0], ["shapes"] * count, folder)


def packed(pictures_nhwc: np.ndarray, labels: Sequence[str], folder: Path) -> SampleSet:
    """A clean set in FOLDER/clean, and the training set in FOLDER/set."""
    count = len(labels)
    held = max(2, round(HELD_OUT * count))
    splits = np.array(["test"] * held + ["validation"] * 2 + ["train"] * (count - held - 2), dtype=object)
    ids = [f"{place:06d}" for place in range(count)]
    table = pd.DataFrame({"id": ids, "sha256": ids, "group": ids, "label": labels, "split": splits})
    table = table.assign(source="benchmark", performer=None, kept=True, reason="", votes=None)
    table["row"] = table.groupby("split").cumcount()
    arrays = {str(split): pictures_nhwc[splits == split] for split in ("train", "validation", "test")}
    info = {"labels": sorted(set(labels)), "size_px": pictures_nhwc.shape[1], "channels": 3}
    clean = write_set(folder / "clean", table, arrays, info)
    return crop_closer(clean, AugmentParams(crops=0), folder / "set", read_asset())


def trained(
    samples: SampleSet, choices: argparse.Namespace, asked: int, params: dict[str, Any]
) -> dict[str, list[Path]]:
    """Trains every config with every seed, the configs of a seed side by side."""
    folders: dict[str, list[Path]] = {network: [] for network in NETWORKS}
    context = multiprocessing.get_context("spawn")
    for seed in range(choices.seeds):
        jobs = [TrainingJob(network, seed, choices.seconds, samples.folder, params, asked) for network in NETWORKS]
        with ProcessPoolExecutor(len(NETWORKS), mp_context=context) as pool:
            for network, out in zip(NETWORKS, pool.map(train, jobs), strict=True):
                folders[network].append(out)
    return folders


def kid(real_nd: np.ndarray, drawn_nhwc: np.ndarray, extractor: torch.nn.Module) -> float:
    """The kernel inception distance on the product's own features (Binkowski et al. 2018)."""
    return float(kid_parts(real_nd, features_of(extractor, drawn_nhwc)[:, None]).mean())


def diverged(out: Path) -> bool:
    """True if a training ended in NaN, or draws one picture for all inputs."""
    weights = torch.load(out / "weights.pt", weights_only=True)
    finite = all(bool(torch.isfinite(value).all()) for value in weights.values() if value.is_floating_point())
    drawn = np.load(out / "drawn.npy")
    spread = drawn[:256].astype(np.float32).std(0).mean()
    return not finite or bool(is_blank(drawn).mean() > 0.5) or spread < 2.0  # noqa: PLR2004  # half; two levels


def generator(samples: SampleSet, weights: Path, network: str = "r3") -> torch.nn.Module:
    """A trained generator."""
    learner = module(samples.info, TrainParams(network=network))
    learner.network.load_state_dict(torch.load(weights, weights_only=True))
    return cast("torch.nn.Module", learner.network.eval())


def headings_figure(samples: SampleSet, folders: dict[str, list[Path]]) -> list[Figure]:
    """Share drawn as asked by headings, the product's over the classic config's; none without a known category."""
    shares = [
        [
            share_as_asked(generator(samples, out / "weights.pt", network), samples, read_asset(), out.name)
            for out in outs
        ]
        for network, outs in folders.items()
    ]
    ours, classic = ([share for share in of if share is not None] for of in shares)
    return [Figure("headings as asked, ours/DCGAN with BCE", ours, classic, 1.0, at_most=False)] if ours else []


def speed_figure(samples: SampleSet, weights: Path, rounds: int, scratch: Path) -> Figure:
    """The compressed graph over its source module."""
    network = generator(samples, weights)
    compressing = CompressParams()
    graphs = reference(family, network, samples, compressing, scratch / "reference", read_asset())
    compress(family, samples, compressing, graphs, scratch / "reference", scratch / "candidate")
    session = open_graph(scratch / "candidate" / "scene.onnx")
    shapes = (latents_for(samples.info["size_px"]), samples.info["text"], len(samples.labels))
    feed = {name: np.zeros((SPEED_BATCH, width), np.float32) for name, width in zip(INPUTS, shapes, strict=True)}
    tensors = [torch.from_numpy(value) for value in feed.values()]

    def ours() -> float:
        return _rate(lambda: session.run(None, feed))

    def peer() -> float:
        with torch.inference_mode():
            return _rate(lambda: network(*tensors))

    figures = interleave(ours, peer, rounds, "pictures/s")
    return Figure("pictures/s, int8 graph/PyTorch fp32", *figures, 2.0, at_most=False)


def _rate(draw_once: Callable[[], object], runs: int = 20) -> float:
    start = time.perf_counter()
    for _ in range(runs):
        draw_once()
    return runs * SPEED_BATCH / (time.perf_counter() - start)


def measure(choices: argparse.Namespace, scratch: Path) -> list[Figure]:
    """All figures; those of pictures only if there are any."""
    figures, ended = [], []
    if choices.data and choices.only != "shapes":
        samples = picture_set(choices.data, scratch / "pictures", most=200 if choices.quick else 10**9)
        real_nhwc = np.array(SampleSet(scratch / "pictures" / "clean").array("test"))
        folders = trained(samples, choices, len(real_nhwc), {})
        figures += [kid_figure(real_nhwc, folders)]
        figures += headings_figure(samples, folders)
        figures += [speed_figure(samples, folders["r3"][0] / "weights.pt", 2 if choices.quick else 7, scratch)]
        ended.append(folders)
        if choices.sheet:
            show(folders, choices.sheet)
    if choices.only == "pictures":
        return [*figures, diverged_figure(ended)]
    samples = shape_set(scratch / "shapes", 256 if choices.quick else 20_000)
    folders = trained(samples, choices, 256 if choices.quick else DRAWN_SHAPES, shape_params())
    return [*figures, *missed_figures(folders), diverged_figure([*ended, folders])]


def kid_figure(real_nhwc: np.ndarray, folders: dict[str, list[Path]]) -> Figure:
    """KID of each seed, the product's over the classic config's."""
    extractor = load_extractor(read_asset()(EXTRACTOR))
    real_nd = features_of(extractor, real_nhwc)
    kids = [[kid(real_nd, np.load(out / "drawn.npy"), extractor) for out in folders[network]] for network in NETWORKS]
    return Figure("KID efficientnet_lite0, ours/DCGAN with BCE", kids[0], kids[1], 0.5, at_most=True)


def missed_figures(folders: dict[str, list[Path]]) -> list[Figure]:
    """Modes that no picture shows, of each seed: by the classifier's label, and by its confident labels only."""
    reader, figures = ShapeClassifier(), []
    for name, least in ((f"missed modes of 1,000 at {SHAPE_PX} px", 0.0), ("missed modes, of certain readings", SURE)):
        counts = [
            [missed(reader.modes(np.load(out / "drawn.npy"), least)) for out in folders[network]]
            for network in NETWORKS
        ]
        figures.append(Figure(f"{name}, ours/DCGAN with BCE", counts[0], counts[1], 0.0, at_most=True))
    return figures


def diverged_figure(ended: Sequence[dict[str, list[Path]]]) -> Figure:
    """Numbers of diverged trainings."""
    counts = [[sum(diverged(out) for folders in ended for out in folders[network])] for network in NETWORKS]
    return Figure("diverged seeds, ours/DCGAN with BCE", counts[0], counts[1], 0.0, at_most=True)


def shape_params() -> dict[str, Any]:
    """The networks without their last resolution, since shapes are half as large, and with params for plain shapes.

    The discriminator is narrower, which gives twice the steps; the penalty fits such data; batches are as large as the
    baseline's. With so many pictures no augmentation is needed, nor any noise.
    """
    usual = TrainParams()
    return {
        "widths": usual.widths[:-1],
        "depths": usual.depths[:-1],
        "critic_widths": (16, 32, 64),
        "critic_depths": usual.critic_depths[1:],
        "noise_px": 0,
        "gamma": 1.0,
        "batch_size": 64,
        "norm_samples": 64,
        "flip": False,
        "colour": 0.0,
        "shift": 0.0,
    }


def show(folders: dict[str, list[Path]], path: Path) -> None:
    """A sheet of drawings of both configs, the product's above."""
    rows = [tiled(list(np.load(outs[0] / "drawn.npy")[:36])) for outs in folders.values()]
    sheet = cv2.resize(np.concatenate(rows, 1), None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC)
    cv2.imwrite(str(path), cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR))


def main(words: list[str] | None = None) -> int:
    """Measures and prints."""
    parser = new_parser("scene", __doc__)
    parser.add_argument("--data", type=Path, help="a folder of category folders of pictures; no KID without")
    parser.add_argument("--seconds", type=float, default=600.0, help="CPU-seconds of each training")
    parser.add_argument("--seeds", type=int, default=3, help="trainings of each network on each set")
    parser.add_argument("--only", choices=("pictures", "shapes"), help="one of both sets")
    parser.add_argument(
        "--keep",
        type=Path,
        help="a folder for sets and trainings: what is trained there is not trained again; take another for other code",
    )
    parser.add_argument("--sheet", type=Path, help="where a sheet of what was drawn goes, ours left")
    choices = parser.parse_args(words)
    if choices.quick:
        choices.seconds, choices.seeds = 4.0, 1
    torch.set_num_threads(1)
    quiet()
    with tempfile.TemporaryDirectory() as scratch:
        return report(measure(choices, choices.keep or Path(scratch)))


if __name__ == "__main__":
    sys.exit(main())
