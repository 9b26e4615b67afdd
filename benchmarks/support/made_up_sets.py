"""Made-up sets of the three families for measuring speed, which does not depend on their content."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from curation.store.sample_set import SampleSet, write_set, write_text_set

if TYPE_CHECKING:
    from pathlib import Path

LABELS = ["angry", "disgust", "fear", "happy", "neutral", "sad", "surprise"]
TEXTS, WIDTH = 8, 384  # embeddings of a picture
VOCABULARY, DOCUMENTS = 110, 16


def faces(folder: Path, count: int, validation: int = 0) -> SampleSet:
    """Grey pictures of 48 px, and some for validation."""
    tables, arrays = [_table(count)], {"train": _noise(count, 48, 1)}
    if validation:
        tables.append(_table(validation).assign(split="validation"))
        arrays["validation"] = _noise(validation, 48, 1)
    return write_set(folder, pd.concat(tables, ignore_index=True), arrays, _info(48, 1))


def scenes(folder: Path, count: int, size_px: int) -> SampleSet:
    """Colour pictures with embeddings of their texts."""
    random = np.random.default_rng(1)
    anchors_lt = random.standard_normal((len(LABELS), WIDTH))
    anchors_lt /= np.linalg.norm(anchors_lt, axis=1, keepdims=True)
    samples = write_set(
        folder,
        _table(count),
        {"train": _noise(count, size_px, 3)},
        _info(size_px, 3) | {"anchors": anchors_lt.tolist(), "text": WIDTH},
    )
    np.save(folder / "text-train.npy", random.standard_normal((count, TEXTS, WIDTH)).astype(np.float16))
    return samples


def scripts(folder: Path, characters: int) -> SampleSet:
    """Documents of random tokens."""
    length = characters // DOCUMENTS
    table = _table(DOCUMENTS).assign(tokens=length, length=length, offset=np.arange(DOCUMENTS) * length)
    content = np.full(DOCUMENTS * length, ord("a"), np.uint8)
    info = {"labels": LABELS, "vocabulary": [chr(32 + place) for place in range(VOCABULARY)]}
    samples = write_text_set(folder, table, {"train": content}, info)
    random = np.random.default_rng(2)
    np.save(folder / "tokens-train.npy", random.integers(1, VOCABULARY, len(content)).astype(np.uint8))
    return samples


def _noise(count: int, size_px: int, channels: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, size_px, size_px, channels), np.uint8)


def _info(size_px: int, channels: int) -> dict[str, Any]:
    return {"labels": LABELS, "size_px": size_px, "channels": channels, "mean": 0.5, "std": 0.25}


def _table(count: int) -> pd.DataFrame:
    ids = [f"{place:07d}" for place in range(count)]
    columns = {"id": ids, "sha256": ids, "group": ids, "label": np.resize(LABELS, count), "row": range(count)}
    same = {"source": "made-up", "split": "train", "performer": None, "kept": True, "reason": "", "votes": None}
    return pd.DataFrame(columns).assign(**same)
