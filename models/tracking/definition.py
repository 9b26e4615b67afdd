"""Definition of the tracking family."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch

from curation.face_networks import DETECTOR, FULL_RANGE_DETECTOR, LANDMARKER
from models.components.randomness import derived_seed
from models.components.search_space import Choice, Range
from models.family import Family, Graph, Monitor
from models.tracking.draw import draw
from models.tracking.encode import encode, read_components, takes_of
from models.tracking.geometry import ANGLE_SCALE_DEG, ANGLES
from models.tracking.network import ExportWrapper, TrackingNetwork
from models.tracking.params import TrackingParams, TrainParams
from models.tracking.score import MeanCorrelation, agreement_of_units, score
from rushes.tracking.face import LANDMARKS, UNITS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pytorch_lightning import LightningModule

    from curation.store.sample_set import SampleSet
    from models.tracking.data import TrackingTakes
    from models.tracking.module import TrackingModule

CALIBRATION_TAKES = 16


def module(info: Mapping[str, Any], params: TrainParams) -> TrackingModule:
    """A new network in its module; its weights depend on params.seed only."""
    from models.tracking.module import TrackingModule  # noqa: PLC0415  # Lightning takes seconds, and only training needs it

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derived_seed(params.seed, "weights"))
        return TrackingModule(TrackingNetwork(len(info["signs"]) + ANGLES, params), params, info)


def data(samples: SampleSet, params: TrainParams) -> TrackingTakes:
    """Pieces of the takes of a set."""
    from models.tracking.data import TrackingTakes  # noqa: PLC0415  # Lightning takes seconds, and only training needs it

    return TrackingTakes(samples, params)


def network(trained: LightningModule) -> torch.nn.Module:
    """The network to export."""
    return cast("torch.nn.Module", trained.network)


def graphs(trained: torch.nn.Module, samples: SampleSet) -> list[Graph]:
    """One graph, a frame: landmarks N,478,3 in pixels, angles N,7, a state N,S -> units, angles, the next state."""
    learned = cast("TrackingNetwork", trained)
    components = read_components(samples)
    face_np3 = torch.from_numpy(components.mean_p).reshape(1, LANDMARKS, 3).repeat(2, 1, 1)
    example = (100.0 * face_np3 + 200.0, torch.zeros(2, ANGLES), torch.zeros(2, learned.state_width))
    names = ("landmarks", "angles", "state"), ("units", "corrected", "next_state")
    return [Graph("graph", "tracking.onnx", ExportWrapper(learned, components), example, *names)]


def calibration(samples: SampleSet, split: str, count: int, _seed: int, graph: Graph) -> list[dict[str, np.ndarray]]:
    """Consecutive frames of takes of a split, with the states that the graph has by then."""
    takes, components = takes_of(samples, split), read_components(samples)
    chosen = np.argsort(-takes.lengths, kind="stable")[:CALIBRATION_TAKES]
    frames = min(-(-count // len(chosen)), int(takes.lengths[chosen].min()))
    inputs_nti, _ = takes.pieces(chosen, np.zeros(len(chosen), int), frames)
    state_ns = np.zeros((len(chosen), graph.example[2].shape[1]), np.float32)
    feeds = []
    for inputs_ni in inputs_nti.numpy().swapaxes(0, 1):
        # The landmarks are in the axes of the head; any scale and place give the same.
        upright_np = inputs_ni[:, :-ANGLES] @ components.vectors_kp * components.std_p + components.mean_p
        landmarks_np3 = 100.0 * upright_np.reshape(-1, LANDMARKS, 3) + 200.0
        feed = {
            "landmarks": landmarks_np3.astype(np.float32),
            "angles": ANGLE_SCALE_DEG * inputs_ni[:, -ANGLES:],
            "state": state_ns,
        }
        with torch.no_grad():
            state_ns = graph.module(*(torch.from_numpy(feed[name]) for name in graph.input_names))[2].numpy()
        feeds.append(feed)
    return feeds


def settings(info: Mapping[str, Any], graphs: Sequence[Graph]) -> dict[str, Any]:
    """Runtime settings for the manifest."""
    return {
        "labels": list(info["labels"]),
        "input": {"landmarks": LANDMARKS, "state": int(graphs[0].example[2].shape[1])},
        "settings": {
            "units": list(UNITS),
            "taught_frames": dict(info["taught"]),
            "credits": dict(info.get("credits") or {}),
        },
    }


family = Family(
    name="tracking",
    params=TrackingParams,
    augment=encode,
    data=data,
    module=module,
    network=network,
    graphs=graphs,
    calibration=calibration,
    assets=(DETECTOR, FULL_RANGE_DETECTOR, *LANDMARKER),
    settings=settings,
    quantisation="dynamic",
    score=score,
    draw=draw,
    objective=MeanCorrelation(),
    monitor=Monitor("val/mean_r", "max"),
    agreement=agreement_of_units,
    scores_as_given=False,
    search_space={
        "train.learning_rate": Range(1e-3, 1e-2, log=True),
        "train.weight_decay": Range(1e-3, 0.2, log=True),
        "train.batch_size": Choice((16, 32, 64)),
        "train.dropout": Range(0.0, 0.4),
        "train.noise": Range(0.0, 0.5),
        "train.identity_mix": Range(0.0, 1.0),
        "train.angle_weight": Range(0.3, 3.0),
    },
)
