"""Balanced copies: rare labels of the training split get altered copies, generated once and stored in the set.

Validation and test are never changed. Images without a label are copied unchanged. Beside real images, those of the
starter get no copies: they would raise its share.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np
import pandas as pd

from common.progress import progress
from curation.store.sample_set import APART, NO_LABEL, TRAIN, SampleSet, write_set
from models.components.randomness import derived_seed

if TYPE_CHECKING:
    from pathlib import Path

    from common.assets import Read
    from models.expression.params import AugmentParams

STATISTICS_SAMPLES = 20_000


def balance(clean: SampleSet, params: AugmentParams, folder: Path, _read: Read) -> SampleSet:
    """Writes the training set: train with its copies, and validation unchanged.

    Args:
        clean: The clean set; its test split is not opened.
        params: Extent of the balancing, and of the alterations.
        folder: The output folder.
    """
    train, validation = clean.kept("train"), clean.kept("validation")
    pictures_nhwc = clean.array("train")
    real_n = np.flatnonzero(~train["source"].isin(clean.info.get("starters", [])))
    sources = real_n[rows_to_copy(train["label"].to_numpy()[real_n], params)]
    copies_nhwc = np.empty((len(sources), *pictures_nhwc.shape[1:]), np.uint8)
    for place, row in enumerate(progress(sources, title="augment", unit="picture")):
        random = np.random.default_rng(derived_seed(params.seed, train["id"][row], place))
        copies_nhwc[place] = altered(pictures_nhwc[row], params, random)
    without = _without_label(clean)
    unlabelled = _drawn(without, round(params.max_unlabelled_ratio * len(train)), params.seed)
    parts = [
        _described(train),
        _copied(train, sources),
        _described(validation),
        _described(unlabelled.assign(row=np.arange(len(unlabelled)))),
    ]
    arrays = {
        "train": np.concatenate([pictures_nhwc, copies_nhwc]),
        "validation": np.asarray(clean.array("validation")),
        APART: clean.array(APART)[unlabelled["row"].to_numpy()] if len(unlabelled) else pictures_nhwc[:0],
    }
    made = {"copies": len(sources), "unlabelled": len(unlabelled), "without_label": len(without)}
    labels_n = pd.concat(parts[:2])["label"]
    shares = [round(float((labels_n == label).mean()), 6) for label in clean.info["labels"]]
    info = clean.info | _statistics(arrays["train"]) | made | {"label_shares": shares}
    return write_set(folder, pd.concat(parts, ignore_index=True), arrays, info)


def rows_to_copy(labels: np.ndarray, params: AugmentParams) -> np.ndarray:
    """Rows to copy, repeated as needed: up to `balance` of the largest label, but by at least `min_growth`."""
    names, counts = np.unique(labels, return_counts=True)
    wanted = int(params.balance * counts.max())
    chosen = []
    for name, count in zip(names, counts, strict=True):
        random = np.random.default_rng(derived_seed(params.seed, str(name), "copies"))
        # Compute the number of copies: enough for the balance, at least min_growth, at most max_copies of each image.
        missing = min(max(round(params.min_growth * count), wanted - count), params.max_copies * count)
        order = random.permutation(np.flatnonzero(labels == name))
        chosen.append(np.resize(order, missing))
    return np.concatenate(chosen).astype(int)


def altered(picture_hwc: np.ndarray, params: AugmentParams, random: np.random.Generator) -> np.ndarray:
    """Altered copy: rotated, flipped, scaled, cropped, relit, occluded, blurred, with noise and JPEG artefacts."""
    moved = _moved(picture_hwc, params, random)
    # Change the brightness by a random gain and offset.
    light = 1.0 + random.uniform(-params.brightness, params.brightness)
    value: np.ndarray = (
        moved.astype(np.float32) * light + 255.0 * random.uniform(-params.brightness, params.brightness) / 2
    )
    if params.blur_px > 0:
        value = cv2.GaussianBlur(value, (0, 0), max(0.05, random.uniform(0.0, params.blur_px)))
    # Occlude, then add Gaussian noise and JPEG artefacts.
    covered = _covered(value.reshape(picture_hwc.shape), params.occlusion, random)
    noisy = covered + 255.0 * random.uniform(0.0, params.noise) * random.standard_normal(covered.shape, np.float32)
    return _squeezed_by_jpeg(np.clip(noisy, 0, 255).astype(np.uint8), params.jpeg_quality, random)


def _moved(picture_hwc: np.ndarray, params: AugmentParams, random: np.random.Generator) -> np.ndarray:
    size = picture_hwc.shape[0]
    # Sample the rotation and the zoom.
    turn = random.uniform(-params.rotation_deg, params.rotation_deg)
    zoom = 1.0 + random.uniform(-params.scale, params.scale)
    # Combine rotation, zoom and shift in one affine transform, so that the image is resampled once.
    matrix_23 = cv2.getRotationMatrix2D(((size - 1) / 2, (size - 1) / 2), turn, zoom)
    matrix_23[:, 2] += random.uniform(-params.crop, params.crop, 2) * size
    # Flip half of the copies, then resample.
    source = picture_hwc[:, ::-1] if random.random() < 0.5 else picture_hwc  # noqa: PLR2004  # half of them
    moved = cv2.warpAffine(np.ascontiguousarray(source), matrix_23, (size, size), borderMode=cv2.BORDER_REFLECT_101)
    return moved.reshape(picture_hwc.shape)


def _covered(value_hwc: np.ndarray, occlusion: float, random: np.random.Generator) -> np.ndarray:
    size = value_hwc.shape[0]
    # Fill a random square, cut at the border, with one random grey level.
    side = int(size * random.uniform(0.0, occlusion))
    top, left = random.integers(0, size, 2) - side // 2
    value_hwc[max(0, top) : max(0, top + side), max(0, left) : max(0, left + side)] = random.uniform(0, 255)
    return value_hwc


def _squeezed_by_jpeg(picture_hwc: np.ndarray, quality: int, random: np.random.Generator) -> np.ndarray:
    _, data = cv2.imencode(".jpg", picture_hwc, [cv2.IMWRITE_JPEG_QUALITY, int(random.integers(quality, 101))])
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_UNCHANGED)).reshape(picture_hwc.shape)


def _without_label(clean: SampleSet) -> pd.DataFrame:
    """Unlabelled images for students, except those whose group is in an evaluated split."""
    table = clean.table
    held = set(table.loc[table["kept"] & (table["split"] != TRAIN), "group"])
    return table[(table["reason"] == NO_LABEL) & ~table["group"].isin(held)].sort_values("row")


def _drawn(rows: pd.DataFrame, most: int, seed: int) -> pd.DataFrame:
    """Random sample of at most this many rows: a day's frames would otherwise multiply a student's epoch length."""
    random = np.random.default_rng(derived_seed(seed, "unlabelled"))
    return rows.iloc[np.sort(random.permutation(len(rows))[:most])]


def _described(rows: pd.DataFrame) -> pd.DataFrame:
    return rows.assign(copy=False)


def _copied(train: pd.DataFrame, sources: np.ndarray) -> pd.DataFrame:
    copies = train.iloc[sources].assign(copy=True, row=len(train) + np.arange(len(sources)))
    return copies.assign(id=[f"{name}+{place}" for place, name in enumerate(copies["id"])])


def _statistics(pictures_nhwc: np.ndarray) -> dict[str, float]:
    """Mean and standard deviation in 0..1, estimated from evenly spread samples of a large set."""
    step = max(1, len(pictures_nhwc) // STATISTICS_SAMPLES)
    some = pictures_nhwc[::step].astype(np.float32) / 255.0
    return {"mean": round(float(some.mean()), 4), "std": round(max(float(some.std()), 0.01), 4)}
