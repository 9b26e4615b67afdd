"""Raw collections as ingest writes them, made of pictures that resemble photographs to a check."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from curation.params import CollectionParams
from curation.store.index import SCHEMA
from curation.store.shards import ShardWriter

if TYPE_CHECKING:
    from pathlib import Path

LABELS = ["happy", "sad"]


def photo(seed: int, size_px: int = 48) -> np.ndarray:
    """A grey picture, uint8 H,W, with a spectrum like that of photographs; different seeds differ in content."""
    across, down = np.meshgrid(np.fft.fftfreq(size_px), np.fft.fftfreq(size_px))
    falling = 1 / np.maximum(np.hypot(across, down), 1 / size_px) ** 1.5
    noise = np.random.default_rng(seed).standard_normal((size_px, size_px))
    waves = np.real(np.fft.ifft2(np.fft.fft2(noise) * falling))
    return np.clip(128 + 45 * (waves - waves.mean()) / waves.std(), 0, 255).astype(np.uint8)


def encode(picture: np.ndarray, suffix: str = ".png") -> bytes:
    """The bytes of a picture file."""
    return cv2.imencode(suffix, picture)[1].tobytes()


@dataclass(frozen=True)
class Sample:
    """One raw sample; `name` distinguishes files with the same bytes."""

    data: bytes
    label: str = "happy"
    split: str = "train"
    source: str = "one"
    votes: dict[str, float] | None = None
    name: str = field(default="")


def photos(count: int, *, first: int = 0, **changes: Any) -> list[Sample]:
    """Samples that pass every check, by default in all splits and labels."""
    splits = ("train", "train", "train", "validation", "test")
    return [
        Sample(encode(photo(first + i)), **{"label": LABELS[i % 2], "split": splits[i % 5], **changes})
        for i in range(count)
    ]


def write_raw(root: Path, samples: list[Sample], collection: str = "faces") -> None:
    """Writes shards, index and splits.csv."""
    folder = root / "datasets" / collection
    splits = []
    for source in sorted({sample.source for sample in samples}):
        own = [(n, sample) for n, sample in enumerate(samples) if sample.source == source]
        with ShardWriter(folder / source, 0) as writer:
            rows = [_row(sample, sample.name or f"{n:06d}", writer) for n, sample in own]
            writer.close()
        pq.write_table(pa.Table.from_pylist(rows, schema=SCHEMA), folder / source / "index.parquet")
        splits += [{"id": row["id"], "split": row["split"]} for row in rows]
    pd.DataFrame(splits).to_csv(folder / "splits.csv", index=False)


def collection_params(**clean: Any) -> CollectionParams:
    """A collection of two labels, with thresholds for Clean."""
    return CollectionParams.model_validate({"labels": LABELS, "clean": clean})


def _row(sample: Sample, name: str, writer: ShardWriter) -> dict[str, Any]:
    sha256 = hashlib.sha256(sample.data).hexdigest()
    origin = hashlib.sha256(name.encode()).hexdigest()[:16]
    row = {"id": f"{sha256[:12]}-{origin[:6]}", "sha256": sha256, "origin": origin, "group": ""}
    row["shard"], row["offset"] = writer.add(f"{row['id']}.png", sample.data)
    given = {"source": sample.source, "label": sample.label, "split": sample.split}
    given["votes"] = list(sample.votes.items()) if sample.votes is not None else None
    return row | given | {"member": f"{row['id']}.png", "size_bytes": len(sample.data), "width": 48, "height": 48}
