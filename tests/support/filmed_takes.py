"""Tiny takes whose frames are a grey level that stands for the jaw, and a tracker that reads it: no networks."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from curation.params import CollectionParams
from rushes.drive.curves import COLUMNS, Curves, write_curves
from rushes.drive.livelink import column_of
from rushes.drive.timecode import RATES, label_of
from rushes.take.film import TakeFilm
from tests.support.face_streams import made_up_face

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from rushes.tracking.face import TrackedFace

FPS = 25
DARK, LIGHT = 60, 220  # levels of a closed and of an open mouth; below half of the first there is no face


def take_params(**changes: object) -> CollectionParams:
    """A collection of takes."""
    split = {"validation_share": 0.3, "test_share": 0.3}
    shown = {"medium": "take", "labels": [], "split": split, "clean": {"max_dropped_share": 0.95}}
    return CollectionParams.model_validate({**shown, **changes})


def speech(frames: int = 40, seed: int = 0) -> list[float]:
    """A jaw that opens and closes, without a period."""
    phase = np.random.default_rng(seed).uniform(0, 6, 3)
    return [0.5 + sum(math.sin(0.11 * (k + 1) ** 1.5 * t + phase[k]) for k in range(3)) / 6.5 for t in range(frames)]


def write_pictures(file: Path, pictures: Sequence[np.ndarray], fps: float = FPS) -> Path:
    """Films pictures, BGR, as `rushes capture --record` does."""
    file.parent.mkdir(parents=True, exist_ok=True)
    film = TakeFilm(file, "jpeg", fps, live=False)
    for number, picture_bgr in enumerate(pictures):
        film.put(picture_bgr, number / fps)
    film.close()
    return file


def write_jaw(file: Path, jaw: Sequence[float], fps: float = FPS) -> Path:
    """Films a jaw; NaN is a frame without a face."""
    levels = [0 if math.isnan(value) else round(DARK + (LIGHT - DARK) * value) for value in jaw]
    return write_pictures(file, [np.full((96, 96, 3), level, np.uint8) for level in levels], fps)


def write_csv(
    file: Path,
    columns: Mapping[str, Sequence[float]],
    rate: str = str(FPS),
    start: int = 36000 * FPS,
    label: Callable[[int], str] | None = None,
) -> Path:
    """Writes curves of some columns, the others 0, one row a frame."""
    frames = len(next(iter(columns.values())))
    values = np.zeros((frames, len(COLUMNS)))
    for name, curve in columns.items():
        values[:, COLUMNS.index(name)] = curve
    labelled = label or (lambda number: label_of(start + number, RATES[rate]))
    file.parent.mkdir(parents=True, exist_ok=True)
    write_curves(file, Curves(tuple(f"{labelled(number)}.250" for number in range(frames)), COLUMNS, values))
    return file


def write_take(file: Path, jaw: Sequence[float], truth: Sequence[float] | None = None) -> Path:
    """A film of a jaw, and its curves beside it."""
    write_csv(file.with_suffix(".csv"), {column_of("jawOpen"): jaw if truth is None else truth})
    return write_jaw(file, jaw)


class GreyTracker:
    """Reads the jaw from the level of the picture, in place of `FaceTracker`."""

    def __init__(self, *_networks: object, **_how: object) -> None:
        pass

    def track(self, picture_bgr: np.ndarray, _time_s: float) -> list[TrackedFace]:
        """A face, held where there is none, as the real tracker does."""
        level = float(picture_bgr.mean())
        face = made_up_face(units={"jawOpen": (level - DARK) / (LIGHT - DARK)}, head=(1.0, 2.0, 3.0))
        face.landmarks_px[[33, 263]] = [[30, 40, 0], [60, 40, 0]]
        return [face if level > DARK / 2 else replace(face, state="held", score=0.0)]
