"""The tiny project with a family that writes: random documents in two genres, and a small network."""

from __future__ import annotations

import csv
import hashlib
import os
import time
from typing import TYPE_CHECKING

from rushes.screenplay.fountain import write
from tests.support.project import PARAMS, WIDE, make_project
from tests.support.scene_project import real_rules
from tests.support.scripts import scene, script

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.project import Project

GENRES = ("comedies", "tragedies")
DOCUMENTS = 12  # of both genres together
SCENES = 6  # of a document
NEW, SECOND = f"script {DOCUMENTS}", "second draft"  # of later arrivals
SCRIPTS = {
    "medium": "script",
    "needs": "datasets/scripts",
    "labels": list(GENRES),
    "split": {"validation_share": 0.2, "test_share": 0.3},
    "clean": {"max_dropped_share": 0.9},
}
LEARNING = {
    "epochs": 5,
    "epoch_characters": 20_000,
    "batch_size": 16,
    "sequence_length": 32,
    "precision": "32-true",
    "width": 64,
    "embedding": 32,
    "learning_rate": 2e-2,
    "warmup_steps": 10,
    "dropout": 0.0,
}

# So small a network is not slower in float, and would be shipped as float: the limit in bytes forces int8.
SMALL = WIDE | {"max_bytes": 100_000}


def make_script_project(folder: Path) -> Project:
    """A checkout with one family, `script`, which has to meet mlflow/promotion.yaml."""
    params = {
        "families": {"script": "scripts"},
        "collections": {**PARAMS["collections"], "scripts": SCRIPTS},
        "expression": {},
        "scene": {},
        "tracking": {},
        "script": {"augment": {}, "train": LEARNING, "compress": {"calibration_samples": 32}, "budget": SMALL},
    }
    return make_project(folder, params, real_rules())


def document(seed: int) -> str:
    """A document in Fountain; the same seed gives the same text."""
    return write(script(seed, scenes=SCENES))


def write_documents(folder: Path) -> None:
    """Writes documents, each into the folder of its genre."""
    for seed in range(DOCUMENTS):
        path = folder / GENRES[seed % len(GENRES)] / f"script {seed}.fountain"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(document(seed), encoding="utf-8")


def write_inbox(root: Path) -> None:
    """Writes a new document, and another draft of a test document: all scenes but the last are the same."""
    second = write([*script(held_out(root)[0], scenes=SCENES - 1), *scene(seed=9999)])
    hour_ago = time.time() - 3600  # files written just now stay in the inbox
    for name, text in ((NEW, document(DOCUMENTS)), (SECOND, second)):
        path = root / "inbox/scripts" / f"{name}.fountain"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        os.utime(path, (hour_ago, hour_ago))


def held_out(root: Path) -> list[int]:
    """The seeds of the documents in the test split."""
    with (root / "datasets/scripts/splits.csv").open(newline="") as file:
        splits = {row["id"]: row["split"] for row in csv.DictReader(file)}
    ids = [hashlib.sha256(document(seed).encode()).hexdigest()[:12] for seed in range(DOCUMENTS + 1)]
    return [seed for seed, name in enumerate(ids) if splits.get(name) == "test"]
