"""Small colour sets with captions, ONNX generators of known quality, and a fast feature extractor."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np
import onnx
import pandas as pd
from onnx import TensorProto, helper, numpy_helper

from curation.store.sample_set import SampleSet, write_set
from rushes.bundle.manifest import Bundle, BundledFile, Manifest, read_bundle, sha256_file, write_manifest

if TYPE_CHECKING:
    from pathlib import Path

LABELS = ["forest", "sea", "street"]
COLOURS = np.array([[60, 130, 50], [50, 90, 190], [150, 140, 130]], np.float32)
SIZE_PX = 16
LATENTS, TEXT = 12, 384
SHADES = 4  # 4 by 4 fields of a picture are shaded by the latents


def scenes(labels: np.ndarray, random: np.random.Generator, size_px: int = SIZE_PX) -> np.ndarray:
    """Pictures uint8 N,S,S,3: a colour for each label under soft fields of light, as the good graph draws them."""
    fields_nhw = random.standard_normal((len(labels), LATENTS)) @ _shades(size_px).reshape(LATENTS, -1)
    pictures = COLOURS[labels][:, None, None] + fields_nhw.reshape(len(labels), size_px, size_px, 3)
    return np.clip(np.round(pictures), 0, 255).astype(np.uint8)


def _shades(size_px: int) -> np.ndarray:
    """The effect of each latent on a picture, LATENTS,S,S,3."""
    random = np.random.default_rng(99)
    coarse = random.normal(0, 30, (LATENTS, SHADES, SHADES, 3)).astype(np.float32)
    return np.stack([cv2.resize(one, (size_px, size_px), interpolation=cv2.INTER_LINEAR) for one in coarse])


def scene_set(folder: Path, counts: dict[str, int], *, seed: int = 0) -> SampleSet:
    """A packed set with `counts` pictures per label in each split, two per group, every other one with a caption."""
    random = np.random.default_rng(seed)
    tables, arrays = [], {}
    for split, count in counts.items():
        labels = np.repeat(np.arange(len(LABELS)), count)
        arrays[split] = scenes(labels, random)
        tables.append(_table(split, labels))
    info = {"labels": LABELS, "size_px": SIZE_PX, "channels": 3, "colours": "rgb"}
    return write_set(folder, pd.concat(tables, ignore_index=True), arrays, info)


def _table(split: str, labels: np.ndarray) -> pd.DataFrame:
    ids = [f"{split}-{i:05d}" for i in range(len(labels))]
    always = {"source": "made", "split": split, "performer": None, "kept": True, "reason": "", "votes": None}
    captions = [f"a wide {LABELS[label]}" if i % 2 else None for i, label in enumerate(labels)]
    named = {"id": ids, "sha256": ids, "label": np.array(LABELS)[labels], "caption": captions}
    return pd.DataFrame(
        {**named, "group": [f"{split}-g{i // 2}" for i in range(len(ids))], "row": range(len(ids))}
    ).assign(**always)


def write_generator(path: Path, kind: str = "good", *, pictures_nhwc: np.ndarray | None = None) -> None:
    """Writes the graph of a generator.

    `good` draws as `scenes` does; `blank` one white picture; `collapsed` one picture per label, whatever the latents;
    `noise` noise; `copies` one of `pictures_nhwc`, with a little noise; `raises` fails when it runs; `nan` draws NaN.
    """
    values = {"shades": _shades(SIZE_PX).reshape(LATENTS, -1), "zero": np.float32(0), "peak": np.float32(255)}
    values |= {"colours": np.repeat(COLOURS[:, None], SIZE_PX**2, 1).reshape(len(LABELS), -1)}
    values |= {"shape": np.array([-1, SIZE_PX + (kind == "raises"), SIZE_PX, 3], np.int64)}
    nodes = [_node("MatMul", "categories", "colours", to="base")]
    if kind == "copies":
        nodes += _remembered(values, pictures_nhwc)
    else:
        values["shades"] = values["shades"] * {"noise": 300, "blank": 0, "collapsed": 0}.get(kind, 1)
        nodes += [_node("MatMul", "latents", "shades", to="light")]
    if kind == "noise":
        values["shades"] = np.random.default_rng(1).normal(0, 900, values["shades"].shape).astype(np.float32)
    other = {"copies": "zero", "blank": "peak"}.get(kind, "base")
    nodes += [_node("Add", "light", other, to="sum"), _node("Div", "zero", "zero", to="none")]
    nodes += [_node("Add", "sum", "none" if kind == "nan" else "zero", to="whole")]
    nodes += [_node("Clip", "whole", "zero", "peak", to="clipped"), _node("Reshape", "clipped", "shape", to="floats")]
    nodes += [helper.make_node("Cast", ["floats"], ["pictures"], to=TensorProto.UINT8)]
    _save(path, nodes, values)


def _remembered(values: dict[str, np.ndarray], pictures_nhwc: np.ndarray) -> list:
    """A graph in which the first latent, folded into a number below N, chooses a picture; the others add grain."""
    values["memory"] = pictures_nhwc.reshape(len(pictures_nhwc), -1).astype(np.float32)
    values["grain"] = np.random.default_rng(5).normal(0, 1, (LATENTS, values["memory"].shape[1])).astype(np.float32)
    values |= {"first": np.array(0, np.int64), "far": np.float32(9973), "count": np.float32(len(pictures_nhwc))}
    return [
        helper.make_node("Gather", ["latents", "first"], ["chosen"], axis=1),
        _node("Mul", "chosen", "far", to="large"),
        _node("Abs", "large", to="positive"),
        helper.make_node("Mod", ["positive", "count"], ["place"], fmod=1),
        helper.make_node("Cast", ["place"], ["row"], to=TensorProto.INT64),
        helper.make_node("Gather", ["memory", "row"], ["remembered"], axis=0),
        _node("MatMul", "latents", "grain", to="grained"),
        _node("Add", "remembered", "grained", to="light"),
    ]


def _node(kind: str, *inputs: str, to: str):
    return helper.make_node(kind, list(inputs), [to])


def _save(path: Path, nodes: list, values: dict[str, np.ndarray]) -> None:
    inputs = {"latents": LATENTS, "texts": TEXT, "categories": len(LABELS)}
    takes = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", width]) for name, width in inputs.items()]
    gives = [helper.make_tensor_value_info("pictures", TensorProto.UINT8, ["n", None, SIZE_PX, 3])]
    tensors = [numpy_helper.from_array(np.asarray(value), name) for name, value in values.items()]
    graph = helper.make_graph(nodes, "scene", takes, gives, tensors)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)


def scene_bundle(folder: Path, kind: str = "good", **how: object) -> Bundle:
    """A scene bundle with such a graph; its text encoder is a dummy, so `Words` has to replace it."""
    folder.mkdir(parents=True, exist_ok=True)
    labels = how.pop("labels", LABELS)
    write_generator(folder / "scene.onnx", kind, **how)
    (folder / "minilm.onnx").write_bytes(b"no encoder")
    (folder / "tokenizer.json").write_text("{}")
    roles = {"scene.onnx": "graph", "minilm.onnx": "text_encoder", "tokenizer.json": "tokenizer"}
    files = {
        name: BundledFile(
            role=role,
            sha256=sha256_file(folder / name),
            size_bytes=(folder / name).stat().st_size,
            licence="" if role == "graph" else "Apache-2.0",
        )
        for name, role in roles.items()
    }
    given = {"size_px": SIZE_PX, "channels": 3, "latents": LATENTS, "text": TEXT}
    settings = {"credits": {"made": "Drawn by the tests"}, "templates": ["a photo of a {}"]}
    write_manifest(folder, Manifest(family="scene", labels=list(labels), input=given, files=files, settings=settings))
    return read_bundle(folder)


class Words:
    """A text encoder for tests: a fixed direction for each text. Embedded texts are recorded."""

    def __init__(self) -> None:
        self.read: list[str] = []

    def embed(self, texts):
        """One unit vector per text, float32 N,384."""
        self.read += texts
        seeds = [int.from_bytes(text.encode()[-6:], "little") for text in texts]
        found = np.stack([np.random.default_rng(seed).standard_normal(TEXT) for seed in seeds])
        return (found / np.linalg.norm(found, axis=1, keepdims=True)).astype(np.float32)


def quick_eye(_extractor: object, pictures_nhwc: np.ndarray) -> np.ndarray:
    """Features in microseconds, float32 N,96: a picture in 4 by 4 fields, and the roughness of each field."""
    pictures = pictures_nhwc.astype(np.float32) / 128.0 - 1.0
    count, size = pictures.shape[:2]
    fields = pictures.reshape(count, 4, size // 4, 4, size // 4, 3)
    return np.concatenate([fields.mean((2, 4)), 4.0 * fields.std((2, 4))], axis=3).reshape(count, -1)


def watch(monkeypatch) -> Words:
    """Replaces the score's real feature extractor and encoder by the fast ones."""
    words = Words()
    monkeypatch.setattr("models.scene.metrics.features.load_extractor", lambda _: None)
    monkeypatch.setattr("models.scene.metrics.features.features_of", quick_eye)
    monkeypatch.setattr("models.scene.draw.TextEncoder.from_bundle", classmethod(lambda *_: words))
    return words
