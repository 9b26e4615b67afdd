"""A small tree as the stages of a run leave it, for a family that classifies dots by their brightness."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import yaml
from pydantic import Field

from common.settings import RegistrySettings, Settings
from curation.store.sample_set import SampleSet, write_set
from models.family import Family, FamilyParams, Scores
from registry.git.snapshot import Record
from registry.promotion.register import Decision, register
from rushes.bundle.manifest import BundledFile, Certificate, Manifest, sha256_file, write_certificate, write_manifest

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from common.assets import Read
    from rushes.bundle.manifest import Bundle

LABELS = ["dark", "grey", "light"]
CENTRES = (60.0, 120.0, 180.0)
SIZE_PX = 16
# The graph takes microseconds, so its times are noise.
RULES = {"branch": "main", "min_gain": 0.01, "resamples": 200, "guards": {"latency_ratio": 1000.0}}
BEST, POOR, POOREST = 0.0, 20.0, 28.0


class DotsParams(FamilyParams):
    """Params of the family."""

    augment: dict[str, Any] = Field(default_factory=dict)
    train: dict[str, Any] = Field(default_factory=dict)
    compress: dict[str, Any] = Field(default_factory=dict)


class Accuracy:
    """The share of correct predictions."""

    name = "accuracy"

    def __call__(self, rows, weights=None):
        """The figure over rows."""
        right = (rows["label"].to_numpy() == rows["predicted"].to_numpy()).astype(float)
        return float(np.average(right, weights=weights))

    def shared(self, first, second):
        """The rows whose label both know."""
        labels = set(first["label"]) & set(second["label"])
        return first[first["label"].isin(labels)], second[second["label"].isin(labels)]

    def worst(self, rows, weights=None):
        """The figure of each label that occurs."""
        weights = np.ones(len(rows)) if weights is None else weights
        drawn = {str(label): (rows["label"] == label).to_numpy() * weights for label in rows["label"].unique()}
        return {label: self(rows, own) for label, own in drawn.items() if own.any()}


def _score(bundle: Bundle, clean: SampleSet, split: str, _read: Read) -> Scores:
    import onnxruntime  # noqa: PLC0415  # slow to load, and few tests need it

    session = onnxruntime.InferenceSession(str(bundle.path("graph")))
    (logits_nl,) = session.run(None, {"pictures": np.asarray(clean.array(split))})
    rows = clean.kept(split)[["id", "group", "source", "label"]].copy()
    rows["predicted"] = [bundle.manifest.labels[best] for best in logits_nl.argmax(1)]
    return Scores(rows, {"accuracy": Accuracy()(rows)})


def dots_family(name: str) -> Family:
    """A family as the registry sees one."""
    fields = dict.fromkeys(Family.__dataclass_fields__)
    known = {"name": name, "params": DotsParams, "assets": (), "score": _score, "objective": Accuracy()}
    return Family(**{**fields, **known})


def write_graph(path: Path, shift: float) -> None:
    """A graph that predicts the label whose brightness, moved by `shift`, is nearest to the picture's."""
    import onnx  # noqa: PLC0415  # slow to load, and few tests need it
    from onnx import helper  # noqa: PLC0415  # slow to load, and few tests need it

    centres = np.array(CENTRES, np.float32) + np.float32(shift)
    constants = {"slopes": 2 * centres[None], "offsets": -(centres**2), "column": np.array([-1, 1], np.int64)}
    nodes = [
        helper.make_node("Cast", ["pictures"], ["floats"], to=onnx.TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["floats"], ["means"], axes=[1, 2, 3], keepdims=0),
        helper.make_node("Reshape", ["means", "column"], ["means_n1"]),
        helper.make_node("MatMul", ["means_n1", "slopes"], ["products"]),
        helper.make_node("Add", ["products", "offsets"], ["logits"]),
    ]
    pictures = helper.make_tensor_value_info("pictures", onnx.TensorProto.UINT8, ["n", SIZE_PX, SIZE_PX, 1])
    logits = helper.make_tensor_value_info("logits", onnx.TensorProto.FLOAT, ["n", len(LABELS)])
    tensors = [onnx.numpy_helper.from_array(value, name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, "dots", [pictures], [logits], tensors)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=9), path)


def write_clean(folder: Path, count: int = 240, seed: int = 0) -> SampleSet:
    """A packed set whose test split has `count` pictures of twelve groups."""
    random = np.random.default_rng(seed)
    labels = random.integers(len(LABELS), size=count)
    brightness = np.array(CENTRES)[labels] + random.normal(0, 14, count)
    pictures_nhwc = np.repeat(brightness, SIZE_PX**2).reshape(count, SIZE_PX, SIZE_PX, 1).clip(0, 255).astype(np.uint8)
    ids = [f"{seed}-{i}" for i in range(count)]
    table = pd.DataFrame({"id": ids, "sha256": ids, "row": range(count), "label": [LABELS[label] for label in labels]})
    table["group"] = [f"g{i % 12}" for i in range(count)]
    always = {"source": "made", "split": "test", "performer": None, "kept": True, "reason": "", "votes": None}
    info = {"labels": LABELS, "size_px": SIZE_PX, "channels": 1, "counts": {"kept": count}}
    return write_set(folder, table.assign(**always), {"test": pictures_nhwc}, info)


@dataclass
class Studio:
    """The tree and its family. `shift` sets the error of a run's graph: BEST, POOR or POOREST."""

    root: Path
    family: Family

    @property
    def build(self) -> Path:
        """Outputs of the family's stages."""
        return self.root / "build" / self.family.name

    @property
    def state(self) -> Path:
        """State kept on this machine."""
        return self.root / ".state"

    def nightly(self, shift: float, *, key: str = "", seed: int = 0, **how: Any) -> Decision:
        """A run: the stages, then `register`, which is given `how`."""
        self.stages(shift, key=key, seed=seed)
        return self.register(**how)

    def stages(self, shift: float, *, key: str = "", seed: int = 0) -> str:
        """Writes the stages' outputs, and returns the digest of the bundle. `seed` is that of the samples."""
        write_clean(self.root / "build" / "clean" / "dots", seed=seed)
        self._texts("train", {"summary.json": {"key": key or f"key{shift:g}", "packages": {"torch": "2.13.0"}}})
        history = "epoch,step,train/loss,val/accuracy\n0,10,0.7,0.5\n1,20,0.4,0.8\n"
        (self.build / "train" / "history.csv").write_text(history)
        self._texts("scores", {"metrics.json": {"sources": {"made": {"accuracy": 0.9}}, "confusion": [[1, 2], [3, 4]]}})
        (self.build / "scores" / "confusion.png").write_bytes(b"picture")
        return self._bundle(shift)

    def _texts(self, folder: str, texts: dict[str, Any]) -> None:
        (self.build / folder).mkdir(parents=True, exist_ok=True)
        for name, document in texts.items():
            (self.build / folder / name).write_text(json.dumps(document))

    def _bundle(self, shift: float) -> str:
        folder = self.build / "bundle"
        folder.mkdir(exist_ok=True)
        write_graph(folder / "dots.onnx", shift)
        size = (folder / "dots.onnx").stat().st_size
        file = BundledFile(role="graph", sha256=sha256_file(folder / "dots.onnx"), size_bytes=size)
        digest = write_manifest(folder, Manifest(family=self.family.name, labels=LABELS, files={"dots.onnx": file}))
        certificate = Certificate(
            digest=digest,
            objective="accuracy",
            parity={"largest": 0.01},
            metrics={"fp32": {"accuracy": 0.91}, "compressed": {"accuracy": 0.9}},
            size_bytes={"fp32": 4 * size, "compressed": size},
            latency_ms={"fp32": 0.4, "compressed": 0.1},
            machine={"cpu": "one"},
        )
        write_certificate(folder, certificate)
        return digest

    def register(
        self, *, promote: bool = True, trial: bool = False, branch: str = "main", team: str = "", commit: str = ""
    ) -> Decision:
        """Registers the bundle in build/; on a team's registry if `team` is its address."""
        settings = Settings(registry=RegistrySettings(url=team), state=self.state)
        record = Record(commit, branch, dirty=False)
        return register(self.root, self.family, record=record, promote=promote, trial=trial, settings=settings)


def make_studio(root: Path, name: str) -> Studio:
    """A studio in an empty folder, with a family called `name`."""
    collection = {"medium": "image", "labels": LABELS, "size_px": SIZE_PX, "channels": 1}
    params = {"families": {name: "dots"}, "collections": {"dots": collection}, name: {"train": {"seed": 7}}}
    (root / "params.yaml").write_text(yaml.safe_dump(params))
    (root / "datasets.dvc").write_text(f"outs:\n- md5: {'ab' * 16}.dir\n  path: datasets\n")
    (root / "mlflow").mkdir()
    (root / "mlflow" / "promotion.yaml").write_text(yaml.safe_dump(RULES))
    return Studio(root, dots_family(name))


def register_at_once(folder: Path, name: str, shifts: Sequence[float]) -> list[Decision]:
    """Registers a bundle for each shift, all at the same moment, as from as many machines."""
    studios = []
    for i, shift in enumerate(shifts):
        (folder / f"machine{i}").mkdir()
        studios.append(make_studio(folder / f"machine{i}", name))
        studios[-1].stages(shift)
    with ThreadPoolExecutor(len(studios)) as pool:
        return list(pool.map(lambda studio: studio.register(), studios))
