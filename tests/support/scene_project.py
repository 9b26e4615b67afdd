"""The tiny project with a family that draws: places in three colours, a film of nine shots, small networks."""

from __future__ import annotations

import csv
import os
import time
from typing import TYPE_CHECKING

import cv2
import numpy as np
import yaml

from tests.support.drawn import LABELS, SIZE_PX, scenes
from tests.support.films import shots, write_film
from tests.support.packages import scene_contents
from tests.support.places import TRAIN
from tests.support.project import PARAMS, WIDE, make_project
from tests.support.repos import ROOT

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.project import Project

PICTURE_PX = 48
EACH = 24  # pictures per place
SCENE = {
    "labels": LABELS,
    "size_px": SIZE_PX,
    "channels": 3,
    "split": {"validation_share": 0.2, "test_share": 0.3},
}
FILMS = {
    **SCENE,
    "medium": "film",
    "needs": "datasets/films",
    "clean": {"min_size_px": 16, "max_dropped_share": 0.95, "near_correlation": 0.99},
}
SCENES = {
    **SCENE,
    "medium": "image",
    "parent": "films",
    "needs": "build/clean/films",
    "style_clusters": {"count": 2},
    "clean": {"max_dropped_share": 0.9},
}
LEARNING = {**TRAIN, "epochs": 6, "epoch_samples": 256, "learning_rate": 2e-3, "ema_decay": 0.9}


def make_scene_project(folder: Path) -> Project:
    """A checkout with one family, `scene`."""
    scratch = folder / "scratch"
    scratch.mkdir()
    train = {name: list(value) if isinstance(value, tuple) else value for name, value in LEARNING.items()}
    params = {
        "families": {"scene": "scenes"},
        "collections": {**PARAMS["collections"], "films": FILMS, "scenes": SCENES},
        "expression": {},
        "script": {},
        "tracking": {},
        "scene": {"augment": {"crops": 1}, "train": train, "compress": {"calibration_samples": 32}, "budget": WIDE},
    }
    return make_project(folder, params, easy_rules(), scene_contents(scratch))


def real_rules() -> dict:
    """Those of mlflow/promotion.yaml."""
    return dict(yaml.safe_load((ROOT / "mlflow/promotion.yaml").read_text()))


def easy_rules() -> dict:
    """The same, but a barely trained generator may be promoted as long as it draws."""
    rules = real_rules()
    rules["families"]["scene"]["floors"] = {"finite": 1.0}
    return rules


def write_places(folder: Path) -> None:
    """Folders of pictures of each place, and captions of some."""
    labels = np.arange(EACH * len(LABELS)) % len(LABELS)
    pictures_nhwc, captions = scenes(labels, np.random.default_rng(0), PICTURE_PX), []
    for number, (label, picture_hwc) in enumerate(zip(labels, pictures_nhwc, strict=True)):
        name = f"{LABELS[label]}/{number:03d}.png"
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(folder / name), picture_hwc[..., ::-1])
        captions += [(name, f"a photo of the {LABELS[label]} at night")] if number % 4 == 0 else []
    with (folder / "captions.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("file", "caption"), *captions])


def write_reel(folder: Path) -> None:
    """Writes a film, dated an hour ago: files written just now stay in the inbox."""
    film, hour_ago = write_film(folder / "reel.mp4", shots(9)), time.time() - 3600
    os.utime(film, (hour_ago, hour_ago))
