"""Training set of scenes: closer crops in addition to the training images, and text embeddings of every sample."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pandas as pd

from common.progress import progress
from curation.store.sample_set import SampleSet, write_set
from models.components.randomness import derived_seed
from models.scene.texts import anchors, embedded, open_encoder
from rushes.scene.text_encoder import WIDTH

if TYPE_CHECKING:
    from pathlib import Path

    from common.assets import Read
    from models.scene.params import AugmentParams

SPLITS = ("train", "validation")


def crop_closer(clean: SampleSet, params: AugmentParams, folder: Path, read: Read) -> SampleSet:
    """Writes the set: train with closer crops, validation unchanged, and text-SPLIT.npy for both.

    Categories without a training image are also removed from validation, because they cannot be learned.

    Args:
        clean: The clean set; its test split is not opened.
        params: Number and size of the crops.
        folder: The output folder.
        read: Reader of the sentence encoder.
    """
    labels = [label for label in clean.labels if label in set(clean.kept("train")["label"])]
    tables, arrays = {}, {}
    for split in SPLITS:
        rows = clean.kept(split)
        known = rows["label"].isin(labels).to_numpy()
        tables[split] = rows[known].assign(row=np.arange(known.sum()), copy=False)
        arrays[split] = np.asarray(clean.array(split))[known]
    tables["train"], arrays["train"] = _with_crops(tables["train"], arrays["train"], params)
    encoder = open_encoder(read)
    info = _info(clean, labels) | {"anchors": np.round(anchors(encoder, labels), 6).tolist(), "text": WIDTH}
    made = write_set(folder, pd.concat(tables.values(), ignore_index=True), arrays, info)
    for split in SPLITS:
        np.save(folder / f"text-{split}.npy", embedded(encoder, made.kept(split)))
    return made


def _with_crops(
    table: pd.DataFrame, pictures_nhwc: np.ndarray, params: AugmentParams
) -> tuple[pd.DataFrame, np.ndarray]:
    count = len(table)
    made_nhwc = np.empty((count * params.crops, *pictures_nhwc.shape[1:]), np.uint8)
    for place in progress(range(len(made_nhwc)), title="augment", unit="picture"):
        made_nhwc[place] = closer(pictures_nhwc[place % count], params, place)
    copies = [
        table.assign(id=table["id"] + f"+{turn + 1}", copy=True, row=count * (turn + 1) + np.arange(count))
        for turn in range(params.crops)
    ]
    return pd.concat([table, *copies], ignore_index=True), np.concatenate([pictures_nhwc, made_nhwc])


def closer(picture_hwc: np.ndarray, params: AugmentParams, place: int) -> np.ndarray:
    """Crops a random square and scales it to the image's size; its position depends only on seed and place."""
    random = np.random.default_rng(derived_seed(params.seed, place, "crop"))
    size_px = picture_hwc.shape[0]
    side = round(size_px * random.uniform(params.min_share, 1.0))
    top, left = random.integers(0, size_px - side + 1, 2)
    square_hwc = np.ascontiguousarray(picture_hwc[top : top + side, left : left + side])
    return np.asarray(cv2.resize(square_hwc, (size_px, size_px), interpolation=cv2.INTER_CUBIC))


def _info(clean: SampleSet, labels: list[str]) -> dict[str, Any]:
    passed_on = ("size_px", "channels", "credits", "starter_only")
    kept: dict[str, Any] = {name: clean.info[name] for name in passed_on if name in clean.info}
    return {"labels": labels, **kept}
