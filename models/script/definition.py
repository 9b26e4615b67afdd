"""Definition of the script family."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch

from models.components.distillation import Teacher
from models.components.randomness import derived_seed
from models.components.search_space import Choice, Range
from models.family import Distillation, Family, Graph, Made, Monitor
from models.script.encode import encode
from models.script.network import ExportWrapper, ScriptNetwork, build
from models.script.params import ScriptParams, TrainParams
from models.script.score import BitsSaved, agreement_of_next, draw, score
from rushes.script.memorization import build as memorization_filter
from rushes.script.ngram_cache import CacheRules

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pytorch_lightning import LightningModule

    from curation.store.sample_set import SampleSet
    from models.script.data import ScriptTokens
    from models.script.module import ScriptModule

LEARNED = "train"  # the split whose passages must not be written as new
# By expectation maximisation (Jelinek and Mercer 1980) on the plays of the starter's validation split, 128 pieces of
# 1,024 characters; longer runs gain no more than 0.003 bits.
CACHE = CacheRules(weights=(0.01, 0.04, 0.05, 0.10, 0.14, 0.18, 0.33), discount=0.7)


def module(info: Mapping[str, Any], params: TrainParams) -> ScriptModule:
    """A new network in its module; its weights depend on params.seed only."""
    from models.script.module import ScriptModule  # noqa: PLC0415  # Lightning takes seconds, and only training needs it

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derived_seed(params.seed, "weights"))
        return ScriptModule(build(info, params), params)


def data(samples: SampleSet, params: TrainParams) -> ScriptTokens:
    """Windows of the documents of a set."""
    from models.script.data import ScriptTokens  # noqa: PLC0415  # Lightning takes seconds, and only training needs it

    return ScriptTokens(samples, params)


def network(trained: LightningModule) -> torch.nn.Module:
    """The network to export."""
    return cast("torch.nn.Module", trained.network)


def graphs(trained: torch.nn.Module, _samples: SampleSet) -> list[Graph]:
    """One graph, a single step: the last id int64 N,1 and a state N,S -> logits N,V and the next state."""
    learned = cast("ScriptNetwork", trained)
    example = (torch.zeros(2, 1, dtype=torch.int64), torch.zeros(2, learned.state_size))
    return [
        Graph("graph", "script.onnx", ExportWrapper(learned), example, ("window", "state"), ("logits", "next_state"))
    ]


def calibration(samples: SampleSet, split: str, count: int, seed: int, graph: Graph) -> list[dict[str, np.ndarray]]:
    """Windows of a split with random but plausible states."""
    from models.script.data import tokens_of  # noqa: PLC0415  # Lightning takes seconds, and only training needs it

    window, state = (int(example.shape[1]) for example in graph.example)
    tokens = tokens_of(samples, split)
    random = np.random.default_rng(derived_seed(seed, "calibration"))
    starts = random.integers(0, len(tokens) - window, count)
    windows_nk = np.stack([tokens[start : start + window] for start in starts]).astype(np.int64)
    states_ns = np.tanh(0.5 * random.standard_normal((count, state))).astype(np.float32)
    return [{"window": windows_nk, "state": states_ns}]


def made(samples: SampleSet) -> list[Made]:
    """Memorisation filter of a writer: hashes of the word n-grams of the training text, without the text."""
    texts = "\n".join(samples.texts(LEARNED))
    return [Made("verbatim", "verbatim.bin", memorization_filter(texts))]


def students(params: ScriptParams) -> dict[str, TrainParams]:
    """Training params of the smaller networks."""
    wanted, epochs = params.compress.students, params.compress.student_epochs or params.train.epochs
    return {f"student {width}": params.train.model_copy(update={"width": width, "epochs": epochs}) for width in wanted}


def teach(student: LightningModule, teacher: torch.nn.Module, params: ScriptParams) -> None:
    """Makes a student learn from the trained network's logits too, at the same places, from now on."""
    taught_by = Teacher(teacher, params.compress.temperature, params.compress.teacher_weight)
    cast("ScriptModule", student).teachers.append(taught_by)


def settings(info: Mapping[str, Any], graphs: Sequence[Graph]) -> dict[str, Any]:
    """Runtime settings for the manifest."""
    window, state = (int(example.shape[1]) for example in graphs[0].example)
    return {
        "labels": list(info["labels"]),
        "input": {
            "window": window,
            "state": state,
            "vocabulary": list(info["vocabulary"]),
            "extensions": list(info["extensions"]),
            "cache": {"weights": list(CACHE.weights), "discount": CACHE.discount},
        },
        "settings": {"credits": dict(info.get("credits") or {})},
    }


family = Family(
    name="script",
    params=ScriptParams,
    augment=encode,
    data=data,
    module=module,
    network=network,
    graphs=graphs,
    calibration=calibration,
    assets=(),
    made=made,
    settings=settings,
    quantisation="dynamic",
    score=score,
    draw=draw,
    objective=BitsSaved(),
    monitor=Monitor("val/bits", "min"),
    agreement=agreement_of_next,
    distillation=Distillation(students, teach),
    scores_as_given=False,
    search_space={
        "train.learning_rate": Range(2e-3, 2e-2, log=True),
        "train.weight_decay": Range(1e-4, 0.1, log=True),
        "train.batch_size": Choice((64, 128, 256)),
        "train.sequence_length": Range(16, 64),
        "train.warmup_steps": Range(10, 200, log=True),
        "train.beta2": Range(0.95, 0.999),
        "train.clip": Range(0.25, 4.0, log=True),
        "train.dropout": Range(0.0, 0.4),
        "train.state_dropped": Range(0.0, 0.5),
    },
)
