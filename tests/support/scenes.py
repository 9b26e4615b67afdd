"""A tiny bundle that draws: its pictures show their latents, text and category; its encoder has a dozen words."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

from rushes.bundle.manifest import BundledFile, Manifest, sha256_file, write_manifest
from rushes.scene.text_encoder import WIDTH, TextEncoder
from tests.support.certified import certify

if TYPE_CHECKING:
    from pathlib import Path

LABELS = ["forest", "sea", "street"]
WORDS = ["[PAD]", "[UNK]", *LABELS, "a", "the", "of", "photo", "indoor", "at", "night", "woods", "beach", "office"]
ALIKE = {"woods": "forest", "beach": "sea", "office": "street"}  # words that the encoder treats as synonyms
SIZE_PX, LATENTS = 16, 4
CREDITS = {"film": "Some Film, (c) 2008 Somebody, CC BY 3.0"}
GAIN = 12.0


def write_bundle(folder: Path, **changes: object) -> str:
    """A bundle of the family `scene`; `changes` are fields of its manifest. Returns its digest."""
    folder.mkdir(parents=True, exist_ok=True)
    write_encoder(folder / "minilm.onnx")
    write_tokenizer(folder / "tokenizer.json")
    encoder = TextEncoder(folder / "minilm.onnx", folder / "tokenizer.json")
    write_generator(folder / "scene.onnx", encoder.embed(LABELS), SIZE_PX)
    return seal(folder, LABELS, SIZE_PX, **changes)


def seal(folder: Path, known: list[str], size_px: int, /, **changes: object) -> str:
    """Writes manifest and certificate for the three files."""
    roles = {"scene.onnx": "graph", "minilm.onnx": "text_encoder", "tokenizer.json": "tokenizer"}
    files = {
        name: BundledFile(role=role, sha256=sha256_file(folder / name), size_bytes=(folder / name).stat().st_size)
        for name, role in roles.items()
    }
    fields: dict = {
        "labels": known,
        "input": {"size_px": size_px, "channels": 3, "latents": LATENTS, "text": WIDTH},
        "settings": {"credits": CREDITS, "templates": ["{}"]},
    }
    return certify(folder, write_manifest(folder, Manifest(family="scene", files=files, **(fields | changes))))


def write_generator(path: Path, texts_lw: np.ndarray, size_px: int, output: str = "pictures") -> None:
    """Each category has a landscape, weighted by the text's similarity to it; latents move the light."""
    labels, pixels = len(texts_lw), size_px * size_px * 3
    weights = {
        "directions": (GAIN * texts_lw.T).astype(np.float32),
        "given": np.array(10 * GAIN, np.float32),
        "landscapes": np.stack([landscape(number, size_px) for number in range(labels)]).reshape(labels, pixels),
        "lights": _lights(size_px).reshape(LATENTS, pixels),
        "shape": np.array([-1, size_px, size_px, 3], np.int64),
        "black": np.array(0, np.float32),
        "white": np.array(255, np.float32),
    }
    nodes = [
        helper.make_node("MatMul", ["texts", "directions"], ["likeness"]),
        helper.make_node("Mul", ["categories", "given"], ["wanted"]),
        helper.make_node("Add", ["likeness", "wanted"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["shares"], axis=1),
        helper.make_node("MatMul", ["shares", "landscapes"], ["place"]),
        helper.make_node("MatMul", ["latents", "lights"], ["light"]),
        helper.make_node("Add", ["place", "light"], ["values"]),
        helper.make_node("Clip", ["values", "black", "white"], ["clipped"]),
        helper.make_node("Reshape", ["clipped", "shape"], ["shaped"]),
        helper.make_node("Cast", ["shaped"], [output], to=TensorProto.UINT8),
    ]
    inputs = {"latents": LATENTS, "texts": WIDTH, "categories": labels}
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", axis]) for name, axis in inputs.items()]
    out = helper.make_tensor_value_info(output, TensorProto.UINT8, ["N", size_px, size_px, 3])
    _save(path, nodes, values, out, weights)


def landscape(number: int, size_px: int) -> np.ndarray:
    """A sky over a ground with hills between them, in its own colours; float32 S,S,3."""
    random = np.random.default_rng(number)
    rows, columns = np.mgrid[0:size_px, 0:size_px] / size_px
    sky, ground, hills = random.uniform((90, 110, 130), (190, 210, 250)), *random.uniform(30, 150, (2, 3))
    ridge = 0.45 + 0.12 * np.sin(columns * random.uniform(3, 9) + number)
    picture = np.where((rows > ridge)[..., None], hills, sky + 40 * (rows[..., None] - 0.5))
    picture = np.where((rows > ridge + 0.22)[..., None], ground * (0.6 + 0.5 * rows[..., None]), picture)
    return cv2.GaussianBlur(picture, (0, 0), size_px / 64).astype(np.float32)


def _lights(size_px: int) -> np.ndarray:
    soft = np.random.default_rng(9).normal(0, 22, (LATENTS, 4, 4, 3)).astype(np.float32)
    return np.stack([cv2.resize(one, (size_px, size_px), interpolation=cv2.INTER_CUBIC) for one in soft])


def write_encoder(path: Path) -> None:
    """A graph that gives each word its own direction; synonyms get nearly the same one."""
    table = np.random.default_rng(0).normal(size=(len(WORDS), WIDTH)).astype(np.float32)
    for word, other in ALIKE.items():
        table[WORDS.index(word)] = table[WORDS.index(other)] + 0.3 * table[WORDS.index(word)]
    node = helper.make_node("Gather", ["table", "input_ids"], ["last_hidden_state"])
    names = ("input_ids", "attention_mask", "token_type_ids")
    values = [helper.make_tensor_value_info(name, TensorProto.INT64, ["N", "T"]) for name in names]
    out = helper.make_tensor_value_info("last_hidden_state", TensorProto.FLOAT, ["N", "T", WIDTH])
    _save(path, [node], values, out, {"table": table})


def write_tokenizer(path: Path) -> None:
    """A real tokenizer.json with a dozen words."""
    numbers = {word: number for number, word in enumerate(WORDS)}
    tokenizer = Tokenizer(models.WordLevel(numbers, unk_token="[UNK]"))  # noqa: S106 - a word, not a password
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.save(str(path))


def _save(path: Path, nodes: list, inputs: list, output: object, weights: dict[str, np.ndarray]) -> None:
    held = [numpy_helper.from_array(np.asarray(value), name) for name, value in weights.items()]
    graph = helper.make_graph(nodes, "tiny", inputs, [output], held)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)
