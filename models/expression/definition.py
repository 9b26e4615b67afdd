"""Definition of the expression family."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
from torch.nn import functional

from curation.face_networks import DETECTOR, FULL_RANGE_DETECTOR, LANDMARKER
from models.components.distillation import Teacher
from models.components.randomness import derived_seed
from models.components.search_space import Choice, Range
from models.expression.copies import balance
from models.expression.network import ExportWrapper, ExpressionNetwork
from models.expression.params import ExpressionParams, TrainParams
from models.expression.score import MacroF1, draw, score
from models.family import Distillation, Family, FineTuning, Graph, Monitor

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pytorch_lightning import LightningModule

    from curation.store.sample_set import SampleSet
    from models.components.batches import PackedPictures
    from models.expression.module import ExpressionModule

# Square crop around the detector's box, in which a face fills the image as in the training data.
CROP = {"scale": 1.17, "shift_y": -0.105}
CALIBRATION_BATCH = 16


def module(info: Mapping[str, Any], params: TrainParams) -> ExpressionModule:
    """Creates the network in its module; its weights depend only on params.seed."""
    from models.expression.module import ExpressionModule  # noqa: PLC0415  # Lightning takes seconds, and only training needs it

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derived_seed(params.seed, "weights"))
        labels = len(info["labels"])
        network = ExpressionNetwork(labels, info["channels"], params.widths, params.depths, params.dropout)
    return ExpressionModule(network, params, info["mean"], info["std"], labels, info.get("label_shares"))


def data(samples: SampleSet, params: TrainParams) -> PackedPictures:
    """Batches of a packed set."""
    from models.components.batches import PackedPictures  # noqa: PLC0415  # Lightning takes seconds, and only training needs it

    return PackedPictures(samples, params)


def network(trained: LightningModule) -> torch.nn.Module:
    """The network to export."""
    return cast("torch.nn.Module", trained.network)


def graphs(trained: torch.nn.Module, samples: SampleSet) -> list[Graph]:
    """One graph: images uint8 N,H,W,C -> probabilities float32 N,L."""
    info = samples.info
    deployed = ExportWrapper(trained, info["mean"], info["std"], 1.0).eval()
    deployed.temperature = temperature(deployed, samples)
    size_px, channels = info["size_px"], info["channels"]
    example = torch.zeros(2, size_px, size_px, channels, dtype=torch.uint8)
    return [Graph("graph", "expression.onnx", deployed, (example,), ("pictures",), ("probabilities",))]


def temperature(deployed: ExportWrapper, samples: SampleSet) -> float:
    """Temperature of the logits at which confidence equals accuracy on validation (Guo et al. 2017)."""
    # Compute the logits of the validation split, up to a constant per sample, from the probabilities.
    pictures_nhwc = torch.from_numpy(np.array(samples.array("validation")))
    targets_nl = torch.from_numpy(samples.targets("validation"))
    with torch.no_grad():
        logits_nl = torch.log(torch.cat([deployed(part) for part in torch.split(pictures_nhwc, 256)]).clamp_min(1e-12))
    # Search a logarithmic grid: the loss has a single minimum in the temperature.
    candidates = np.geomspace(0.1, 10.0, 185)
    losses = [float(functional.cross_entropy(logits_nl / value, targets_nl)) for value in candidates]
    return round(float(candidates[int(np.argmin(losses))]), 4)


def calibration(samples: SampleSet, split: str, count: int, seed: int, _graph: Graph) -> list[dict[str, np.ndarray]]:
    """Feeds of images of a split, including copies if it has any."""
    pictures_nhwc = samples.array(split)
    random = np.random.default_rng(derived_seed(seed, "calibration"))
    rows = np.sort(random.permutation(len(pictures_nhwc))[:count])
    starts = range(0, len(rows), CALIBRATION_BATCH)
    return [{"pictures": np.ascontiguousarray(pictures_nhwc[rows[i : i + CALIBRATION_BATCH]])} for i in starts]


def students(params: ExpressionParams) -> dict[str, TrainParams]:
    """Training params of the smaller networks: other widths, the same depths and augmentation."""
    wanted, epochs = params.compress.students, params.compress.student_epochs or params.train.epochs
    return {
        f"student {'-'.join(map(str, widths))}": params.train.model_copy(update={"widths": widths, "epochs": epochs})
        for widths in wanted
    }


def teach(student: LightningModule, teacher: torch.nn.Module, params: ExpressionParams) -> None:
    """Adds the trained network as a teacher, so that the student also learns from its logits."""
    taught_by = Teacher(teacher, params.compress.temperature, params.compress.teacher_weight)
    cast("ExpressionModule", student).teachers.append(taught_by)


def fine_tuning_config(params: ExpressionParams, epochs: int, rate: float) -> TrainParams:
    """Params to fine-tune a changed network: a share of the peak rate, decaying to the last epoch."""
    changes = {"epochs": epochs, "learning_rate": rate * params.train.learning_rate, "patience": epochs}
    return params.train.model_copy(update=changes | {"warmup_epochs": 0.1})


def example(samples: SampleSet) -> torch.Tensor:
    """Normalised images, 2,C,H,W."""
    info = samples.info
    return torch.zeros(2, info["channels"], info["size_px"], info["size_px"])


def kept(trained: torch.nn.Module) -> list[torch.nn.Module]:
    """Layers to keep unchanged: the last layer, which has one output per label."""
    layers: list[torch.nn.Module] = [layer for layer in trained.modules() if isinstance(layer, torch.nn.Linear)]
    return layers[-1:]


def loss(trained: torch.nn.Module, samples: SampleSet, count: int) -> torch.Tensor:
    """Cross-entropy over evenly spread images of the training split, without augmentation."""
    from models.expression.module import ExpressionModule  # noqa: PLC0415  # Lightning takes seconds, and only training needs it

    info, rows = samples.info, np.linspace(0, len(samples.array("train")) - 1, count).astype(int)
    judged = ExpressionModule(trained, TrainParams(), info["mean"], info["std"], len(info["labels"]))
    pictures_nhwc = torch.from_numpy(np.asarray(samples.array("train")[rows]))
    targets_nl = torch.from_numpy(samples.targets("train")[rows])
    return judged.model_step(judged.normalised(pictures_nhwc), targets_nl)[0]


def settings(info: Mapping[str, Any], _graphs: Sequence[Graph]) -> dict[str, Any]:
    """Runtime settings for the manifest."""
    return {
        "labels": list(info["labels"]),
        "input": {"size_px": info["size_px"], "channels": info["channels"]},
        "settings": {"crop": CROP},
    }


family = Family(
    name="expression",
    params=ExpressionParams,
    augment=balance,
    data=data,
    module=module,
    network=network,
    graphs=graphs,
    calibration=calibration,
    assets=(DETECTOR, FULL_RANGE_DETECTOR, *LANDMARKER),
    settings=settings,
    quantisation="static",
    score=score,
    draw=draw,
    objective=MacroF1(),
    monitor=Monitor("val/macro_f1", "max"),
    distillation=Distillation(students, teach, unlabelled=True),
    fine_tuning=FineTuning(fine_tuning_config, example, kept, loss),
    search_space={
        "train.learning_rate": Range(0.01, 0.5, log=True),
        "train.weight_decay": Range(5e-5, 5e-3, log=True),
        "train.batch_size": Choice((32, 64, 128)),
        "train.dropout": Range(0.0, 0.5),
        "train.label_smoothing": Range(0.0, 0.3),
        "train.label_balance": Range(0.0, 1.0),
        "train.mixup": Range(0.0, 0.4),
        "train.rotation_deg": Range(0.0, 25.0),
        "train.scale": Range(0.0, 0.3),
        "train.shift": Range(0.0, 0.2),
        "train.contrast": Range(0.0, 0.5),
        "train.occlusion": Range(0.0, 0.5),
        "train.camera.share": Range(0.0, 0.6),
        "train.camera.min_resolution": Range(0.2, 1.0),
        "train.camera.blur_px": Range(0.0, 2.5),
        "train.camera.gamma": Range(0.0, 1.5),
        "train.camera.shadow": Range(0.0, 0.9),
    },
)
