"""Training on a GPU compared with stock Lightning and with loops written by hand, and faces learned in ten minutes.

    python -m benchmarks.gpu [--rounds 5] [--quick]
    python -m benchmarks.gpu --data FER2013_FOLDER_OR_ARCHIVE [--minutes 10] [--keep FOLDER]

- samples/s of each family's training step, with loader and augmentation, in the profile that `training.gpu` chooses
  on this device: over stock Lightning with torch's DataLoader (workers, pinned memory), which trains the same network
  in the same precision on batches of the same size; and over a loop written by hand in the same profile. Stock
  Lightning makes no average of the weights; the others do. Pictures are of 48 px for the classifier, of 64 px for the
  generator; a sample of the recurrent network is a character.
- With --data the classifier learns from FER2013's folder `train` for so many minutes; its accuracy is that on the
  folder `validation`, all of its pictures that decode. The best epoch is chosen on a tenth of `train`.

It needs a CUDA device. `--quick` runs on a CPU, to test this code: its figures mean nothing.
"""

from __future__ import annotations

import contextlib
import gc
import sys
import tempfile
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from benchmarks.support import made_up_sets
from benchmarks.support.command import new_parser, quiet
from benchmarks.support.face_sets import SMALL, SPLIT, below, check_arguments, collected, make_sets, run
from benchmarks.support.figures import Figure, interleave, report
from benchmarks.support.gpu import loaders, loops
from benchmarks.support.gpu.loops import Conditions
from benchmarks.support.within import planned, trained
from common.settings import GpuSettings
from models.expression.definition import family as expression
from models.expression.network import ExportWrapper
from models.scene.definition import family as scene
from models.script.definition import family as script
from training.fit import averaging, precision_for
from training.gpu.probe import StepClock, probe_trainer, profile_for
from training.gpu.profile import GpuProfile, UseProfile, exact_products

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Sequence

    from pytorch_lightning import LightningModule
    from pytorch_lightning.callbacks import Callback

    from curation.store.sample_set import SampleSet
    from models.family import Family

MISSING = "python -m benchmarks.gpu needs a CUDA device, and PyTorch finds none; --quick tests its code on a CPU\n"
STEPS, QUICK_STEPS = 100, 3
STOCK_GOAL, HAND_GOAL = 15.0, 0.9
EPOCHS = 1000  # so that compiling pays in the eyes of the probe: the figures are those of a long training
ACCURACY, MOST_EPOCHS = 0.70, 150
# Batches that occupy a GPU; what changes a result stands in params.yaml.
FACES = {"batch_size": 512, "norm_samples": 512}
PLACES = {"batch_size": 64, "norm_samples": 64}
TEXTS = {"batch_size": 256, "sequence_length": 64, "epoch_characters": 0}
QUICK: dict[str, dict[str, Any]] = {
    "expression": {"batch_size": 16, "norm_samples": 8, "widths": (8, 16), "depths": (1, 1)},
    "scene": {"batch_size": 8, "norm_samples": 8, "widths": (8, 8), "depths": (0, 0), "critic_widths": (8, 8),
              "critic_depths": (0, 0)},
    "script": {"batch_size": 8, "sequence_length": 8, "width": 16, "embedding": 8, "epoch_characters": 0},
}  # fmt: skip
# For FER2013 within minutes of a GPU: four times the default's weights, and more epochs.
WIDE = {
    "batch_size": 256, "norm_samples": 256, "widths": (64, 128, 256, 512), "depths": (2, 2, 2, 2), "dropout": 0.3,
    "mixup": 0.2, "warmup_epochs": 5.0, "ema_decay": 0.999,
}  # fmt: skip


@dataclass(frozen=True)
class Contest:
    """One family's step, in three ways.

    Attributes:
        family: The family.
        params: Its training params.
        samples: A made-up set.
        stock: (module, samples, params, device, workers) -> module and batches of stock Lightning.
        by_hand: The loop.
        unit: What is counted.
        a_batch: So many of it in a batch.
    """

    family: Family
    params: Any
    samples: SampleSet
    stock: Callable[..., tuple[LightningModule, Any]]
    by_hand: Callable[[Any, SampleSet, Conditions], float]
    unit: str
    a_batch: int

    @property
    def module(self) -> LightningModule:
        """A new module."""
        return self.family.module(self.samples.info, self.params)


def contests(folder: Path, *, small: bool) -> list[Contest]:
    """Those of the three families; small ones for a smoke run."""
    params = {
        family.name: family.params.model_validate({"train": QUICK[family.name] if small else given}).train
        for family, given in ((expression, FACES), (scene, PLACES), (script, TEXTS))
    }
    faces = made_up_sets.faces(folder / "faces", 64 if small else 32_768)
    places = made_up_sets.scenes(folder / "scenes", 32 if small else 8192, 16 if small else 64)
    texts = made_up_sets.scripts(folder / "scripts", 4096 if small else 8_000_000)
    characters = params["script"].batch_size * params["script"].sequence_length
    return [
        Contest(expression, params["expression"], faces, stock_faces, loops.faces_ms, "pictures",
                params["expression"].batch_size),
        Contest(scene, params["scene"], places, stock_places, loops.places_ms, "pictures",
                params["scene"].batch_size),
        Contest(script, params["script"], texts, stock_texts, loops.texts_ms, "characters", characters),
    ]  # fmt: skip


def stock_faces(
    module: Any, samples: SampleSet, params: Any, _device: str, workers: int | None  # noqa: ANN401  # of this family
) -> tuple[LightningModule, Any]:  # fmt: skip
    """The network in a plain module, and a loader whose workers augment."""
    faces = loaders.AugmentedFaces(samples, params)
    loader = loaders.loader(faces, params.batch_size, shuffle=True, workers=workers)
    return loaders.PlainClassifier(module.network, params), loader


def stock_places(
    module: LightningModule, samples: SampleSet, params: Any, device: str, workers: int | None  # noqa: ANN401  # of this family
) -> tuple[LightningModule, Any]:  # fmt: skip
    """The product's module, and a loader of samples."""
    return module, loaders.place_batches(samples, params, device, workers)


def stock_texts(
    module: LightningModule, samples: SampleSet, params: Any, device: str, workers: int | None  # noqa: ANN401  # of this family
) -> tuple[LightningModule, Any]:  # fmt: skip
    """The product's module, and a loader of pieces of text."""
    return module, loaders.text_batches(samples, params, device, workers)


@dataclass(frozen=True)
class Bench:
    """Measures contests on a device."""

    quick: bool
    rounds: int

    @property
    def accelerator(self) -> str:
        """Lightning's name of the device."""
        return "cpu" if self.quick else "gpu"

    @property
    def device(self) -> str:
        """PyTorch's name of the device."""
        return "cpu" if self.quick else "cuda"

    @property
    def steps(self) -> int:
        """Timed steps of a round."""
        return QUICK_STEPS if self.quick else STEPS

    def figures(self, contest: Contest) -> list[Figure]:
        """Those of one family."""
        precision = precision_for(contest.params.precision, self.accelerator)
        profile = self._profile(contest, precision)
        workers = 0 if self.quick else None
        conditions = Conditions(torch.device(self.device), precision, profile, self.steps)

        def ours() -> float:
            callbacks = [UseProfile(profile), *averaging(contest.params, gpu=True)]
            data = contest.family.data(contest.samples, contest.params)
            return self._rate(contest, contest.module, data, callbacks, precision)

        def stock() -> float:
            module, batches = contest.stock(contest.module, contest.samples, contest.params, self.device, workers)
            return self._rate(contest, module, batches, [], precision)

        def by_hand() -> float:
            return 1e3 * contest.a_batch / contest.by_hand(contest.module, contest.samples, conditions)

        name = f"{contest.family.name}: {contest.unit}/s, ours"
        figures = []
        for peer, call, goal in (("stock Lightning", stock, STOCK_GOAL), ("by hand", by_hand, HAND_GOAL)):
            rates = interleave(ours, call, self.rounds, f"{contest.family.name}, {peer}")
            figures.append(Figure(f"{name}/{peer}", *rates, goal, at_most=False))
        return figures

    def _rate(
        self, contest: Contest, module: LightningModule, data: Any, callbacks: Sequence[Callback], precision: str  # noqa: ANN401  # a data module or a loader
    ) -> float:  # fmt: skip
        """Samples a second of a training with Lightning."""
        gc.collect()  # ends the workers of the round before
        clock = StepClock(self.steps)
        probe_trainer(self.accelerator, precision)([*callbacks, clock]).fit(module, data)
        return 1e3 * contest.a_batch / clock.measured(0).step_ms

    def _profile(self, contest: Contest, precision: str) -> GpuProfile:
        """The product's choice on this device; its line goes to standard error."""
        if self.quick:
            return GpuProfile()
        with contextlib.redirect_stdout(sys.stderr):
            return profile_for(
                GpuSettings(),
                contest.module,
                partial(contest.family.data, contest.samples, contest.params),
                probe_trainer(self.accelerator, precision),
                EPOCHS,
                callbacks=lambda: averaging(contest.params, gpu=True),
                title=f"# {contest.family.name}: ",
            )


def speeds(choices: argparse.Namespace) -> int:
    """Prints the figures of all families; 1 if a goal is missed."""
    bench, figures = Bench(choices.quick, 1 if choices.quick else choices.rounds), []
    with tempfile.TemporaryDirectory() as scratch, exact_products("auto"):
        for contest in contests(Path(scratch), small=choices.quick):
            figures += bench.figures(contest)
    return report(figures)


def accuracy(choices: argparse.Namespace, folder: Path) -> list[Figure]:
    """Trains on FER2013 for so many minutes at most."""
    family = replace(expression, assets=())
    name, params, collection = collected(family)
    given = [params.augment.model_dump(), collection.model_dump()]
    place = below(folder, "sets", data=choices.data.name, votes="", params=given)
    sets = make_sets(choices.data, None, name, collection, family, params.augment, place)
    own = params.train.model_copy(update={"seed": choices.seed, **(SMALL if choices.quick else WIDE)})
    work = below(place, "gpu", config=own.model_dump(), minutes=choices.minutes)
    epochs = min(MOST_EPOCHS, planned(family, own, sets.made, choices.minutes, work / "plan.json"))
    own = own.model_copy(update={"epochs": epochs, "patience": epochs})
    made = trained(family, own, sets.made, work)
    whole = sets.clean.whole
    right = share_right(made.network, sets.made.info, whole)
    figure = f"accuracy on FER2013's validation, {epochs} epochs in {made.seconds:.0f} s, ours/all"
    return [Figure(figure, [right], [1.0], ACCURACY, at_most=False)]


@torch.no_grad()
def share_right(network: torch.nn.Module, info: dict[str, Any], samples: SampleSet) -> float:
    """Accuracy on the split that FER2013's folder `validation` has become."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    wrapper = ExportWrapper(network, info["mean"], info["std"], 1.0).to(device).eval()
    pictures_nhwc = torch.from_numpy(samples.array(SPLIT).copy())
    found_n = torch.cat([wrapper(part.to(device)).argmax(1).cpu() for part in torch.split(pictures_nhwc, 512)])
    return float((found_n == torch.from_numpy(samples.targets(SPLIT).argmax(1))).float().mean())


def main(words: list[str] | None = None) -> int:
    """Measures and prints."""
    parser = new_parser("gpu", __doc__)
    parser.add_argument("--rounds", type=int, default=5, help="of each comparison, after one that does not count")
    parser.add_argument("--data", type=Path, help="FER2013's train and validation, a folder or archive")
    parser.add_argument("--minutes", type=float, default=10.0, help="of the training on --data, at most")
    parser.add_argument("--seed", type=int, default=0, help="of first weights, order and augmentation")
    parser.add_argument("--keep", type=Path, help="a folder for set and weights of --data: what was stopped goes on")
    choices = parser.parse_args(words)
    if not (choices.quick or torch.cuda.is_available()):
        parser.exit(2, MISSING)
    check_arguments(parser, choices)
    quiet()
    return run(parser, choices, accuracy) if choices.data else speeds(choices)


if __name__ == "__main__":
    sys.exit(main())
