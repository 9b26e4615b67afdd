"""Definition of the scene family."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch

from models.components.randomness import derived_seed
from models.components.search_space import Range
from models.family import Distillation, Family, Graph, Monitor
from models.scene.crops import crop_closer
from models.scene.distil import Lesson, begin_as_part, strongest
from models.scene.draw import draw
from models.scene.metrics.extractor import EXTRACTOR
from models.scene.metrics.measures import agreement_of_pictures
from models.scene.network import ExportWrapper, build, latents_for
from models.scene.params import SceneParams, TrainParams
from models.scene.score import NegativeKid, score
from models.scene.texts import ENCODER, TOKENIZER
from rushes.errors import MisuseError
from rushes.scene.text_encoder import TEMPLATES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pytorch_lightning import LightningModule

    from curation.store.sample_set import SampleSet
    from models.scene.data import ScenePictures
    from models.scene.module import SceneModule
    from models.scene.network import Generator

CALIBRATION_BATCH = 16
INPUTS = ("latents", "texts", "categories")


def module(info: Mapping[str, Any], params: TrainParams) -> SceneModule:
    """Creates the networks in their module; their weights depend only on params.seed."""
    from models.scene.module import SceneModule  # noqa: PLC0415  # Lightning takes seconds, and only training needs it

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derived_seed(params.seed, "weights"))
        generator, critic = build(info, params)
    anchors_lt = torch.tensor(info["anchors"], dtype=torch.float32)
    return SceneModule(generator, critic, params, anchors_lt, latents_for(info["size_px"]))


def data(samples: SampleSet, params: TrainParams) -> ScenePictures:
    """Batches of a packed set, with the condition of each image."""
    from models.scene.data import ScenePictures  # noqa: PLC0415  # Lightning takes seconds, and only training needs it

    return ScenePictures(samples, params)


def network(trained: LightningModule) -> torch.nn.Module:
    """The network to export: the generator without the discriminator."""
    return cast("torch.nn.Module", trained.network)


def graphs(trained: torch.nn.Module, samples: SampleSet) -> list[Graph]:
    """One graph: latents N,Z, texts N,T and categories N,L -> images uint8 N,H,W,3."""
    widths = (latents_for(samples.info["size_px"]), samples.info["text"], len(samples.labels))
    example = tuple(torch.zeros(2, width) for width in widths)
    return [Graph("graph", "scene.onnx", ExportWrapper(trained).eval(), example, INPUTS, ("pictures",))]


def calibration(samples: SampleSet, split: str, count: int, seed: int, _graph: Graph) -> list[dict[str, np.ndarray]]:
    """Feeds of latents, and of the conditions of a split's samples."""
    random = np.random.default_rng(derived_seed(seed, "calibration"))
    texts_nkt = np.load(samples.folder / f"text-{split}.npy", mmap_mode="r")
    rows = random.integers(0, len(texts_nkt), count)
    chosen = random.integers(0, texts_nkt.shape[1], count)
    given_n1 = random.random((count, 1)) < 0.5  # noqa: PLR2004  # half have only a text, as in use
    feeds = {
        "latents": random.standard_normal((count, latents_for(samples.info["size_px"])), np.float32),
        "texts": texts_nkt[rows, chosen].astype(np.float32),
        "categories": (samples.targets(split)[rows] * given_n1).astype(np.float32),
    }
    return [{k: v[i : i + CALIBRATION_BATCH] for k, v in feeds.items()} for i in range(0, count, CALIBRATION_BATCH)]


def students(params: SceneParams) -> dict[str, TrainParams]:
    """Training params of the smaller generators: other widths and learning rate, same depths and latents.

    Raises:
        MisuseError: A student is wider than the trained generator, has another number of resolutions, or the trained
            generator is the baseline.
    """
    wanted, epochs = params.compress.students, params.compress.student_epochs or params.train.epochs
    if wanted and params.train.network == "dcgan":
        message = (
            "scene.compress.students learn from the features of each resolution, and scene.train.network dcgan, the "
            "baseline, has none"
        )
        raise MisuseError(message, "in params.yaml, remove the students, or set scene.train.network to r3")
    for widths in wanted:
        if len(widths) != len(params.train.widths):
            message = (
                f"scene.compress.students: {widths} has {len(widths)} resolutions, and scene.train.widths, "
                f"{params.train.widths}, has {len(params.train.widths)}"
            )
            raise MisuseError(message, f"in params.yaml, give each student {len(params.train.widths)} widths")
        if any(own > shown for own, shown in zip(widths, params.train.widths, strict=True)):
            message = f"scene.compress.students: {widths} is wider than scene.train.widths, {params.train.widths}"
            raise MisuseError(message, "in params.yaml, give each student at most these widths")
    changes = {"epochs": epochs, "learning_rate": params.compress.student_rate}
    return {
        f"student {'-'.join(map(str, widths))}": params.train.model_copy(update={"widths": widths, **changes})
        for widths in wanted
    }


def teach(student: LightningModule, teacher: torch.nn.Module, params: SceneParams) -> None:
    """Initialises a student with channels of the teacher; it trains only on the teacher's images and features."""
    learner, shown = cast("SceneModule", student), cast("Generator", teacher)
    learning = cast("Generator", learner.network)
    kept = strongest(shown, learning.widths)
    begin_as_part(learning, shown, kept)
    learner.learn_from(Lesson(shown, kept, params.compress.feature_weight))


def settings(info: Mapping[str, Any], _graphs: Sequence[Graph]) -> dict[str, Any]:
    """Runtime settings for the manifest."""
    return {
        "labels": list(info["labels"]),
        "input": {
            "size_px": info["size_px"],
            "channels": info["channels"],
            "latents": latents_for(info["size_px"]),
            "text": info["text"],
        },
        "settings": {"credits": dict(info.get("credits") or {}), "templates": list(TEMPLATES)},
    }


def progress(trained: LightningModule) -> list[np.ndarray]:
    """Grid of images from the same latents, one category per column."""
    return list(cast("SceneModule", trained).progress_pictures().cpu().numpy())


family = Family(
    name="scene",
    params=SceneParams,
    augment=crop_closer,
    data=data,
    module=module,
    network=network,
    graphs=graphs,
    calibration=calibration,
    assets=(ENCODER, TOKENIZER),
    settings=settings,
    quantisation="static",
    score=score,
    draw=draw,
    objective=NegativeKid(),
    # On the starter's few held-out shots the distance rose while images improved visually, and by KID.
    monitor=Monitor("val/distance", "last"),
    instruments=(EXTRACTOR,),
    agreement=agreement_of_pictures,
    kept_float=("/network/condition", "/network/colours"),
    scores_as_given=False,
    distillation=Distillation(students, teach),
    progress=progress,
    search_space={
        "train.learning_rate": Range(1e-4, 2e-3, log=True),
        "train.final_learning_rate_share": Range(0.05, 1.0, log=True),
        "train.beta2": Range(0.9, 0.999),
        "train.gamma": Range(0.01, 1.0, log=True),
        "train.colour": Range(0.0, 0.4),
        "train.shift": Range(0.0, 0.25),
        "train.category_dropped": Range(0.1, 0.9),
        "train.text_noise": Range(0.0, 0.6),
    },
)
