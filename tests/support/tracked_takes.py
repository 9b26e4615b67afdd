"""Made-up takes of a made-up face: each unit moves the landmarks in a direction of its own; no networks."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pandas as pd

from curation.store.packing import THUMBNAILS
from curation.store.sample_set import SampleSet, write_take_set
from curation.store.take_fields import FIELDS, WIDTH
from models.tracking.encode import encode
from models.tracking.params import AugmentParams, TrainParams
from rushes.tracking.face import LANDMARKS, UNITS
from tests.rushes.tracking.test_head_pose import geometry

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from common.assets import Asset

LEARNING = {"features": 16, "width": 16, "batch_size": 4, "sequence_length": 16, "epochs": 2, "warmup_steps": 2}
LEARNING |= {"dropout": 0.0, "precision": "32-true"}
SMALL = TrainParams(**LEARNING)
FIXED = [10, 2, 33, 263]  # forehead, base of the nose, outer corners of the eyes: what the axes of a head come from
PITCH_DEG = 4.0  # how much the fitted angle is below the true one
IRISES = [(468, 473), (469, 476), (470, 475), (471, 474), (472, 477)]
REST = [number for number in range(468) if number not in FIXED]
PAIRS = [(33, 263), *IRISES, *zip(REST[::2], REST[1::2], strict=True)]
MIRROR = {10: 10, 2: 2} | {right: left for pair in PAIRS for right, left in (pair, pair[::-1])}
MIRROR_N = np.array([MIRROR[number] for number in range(LANDMARKS)])
ACROSS = np.array([-1.0, 1.0, 1.0])
SIDES = {"Left": "Right", "Right": "Left"}
OTHER = [UNITS.index(next((n.replace(a, b) for a, b in SIDES.items() if n.endswith(a)), n)) for n in UNITS]


def _face() -> np.ndarray:
    """Symmetric vertices (478, 3) in cm: x to the actor's left, y up, z to the front."""
    random = np.random.default_rng(0)
    vertices_n3 = random.uniform([-7, -9, 0], [-0.5, 9, 7], (LANDMARKS, 3))
    vertices_n3[33], vertices_n3[10], vertices_n3[2] = (-4.4, 2.6, 3.2), (0, 8, 4), (0, -1, 6)
    for right, left in PAIRS:
        vertices_n3[left] = ACROSS * vertices_n3[right]
    return vertices_n3


def _moves() -> np.ndarray:
    """Displacements (52, 478, 3) in cm by each unit at 1; those of one side mirror those of the other one."""
    moves_un3 = np.random.default_rng(1).normal(0, 0.3, (len(UNITS), LANDMARKS, 3))
    moves_un3[:, FIXED] = 0
    return (moves_un3 + ACROSS * moves_un3[OTHER][:, MIRROR_N]) / 2


ABSENT = (2, 4)  # the take of the training split with a frame without a face, and that frame
FACE_CM, MOVES_CM = _face(), _moves()


def read_geometry(asset: Asset) -> bytes:
    """The file of the made-up face, for its geometry; nothing for other assets."""
    return geometry(place=lambda number: FACE_CM[number]) if asset.role == "face_geometry" else b""


def landmarks_of_units(units_tu: np.ndarray, person: int = 0, turn: Sequence[float] = (0, 0, 0)) -> np.ndarray:
    """Landmarks T,478,3 in pixels of a person with a turned head."""
    other_n3 = np.random.default_rng(1000 + person).normal(0, 0.2, (LANDMARKS, 3)) if person else 0.0
    points_tn3 = FACE_CM + other_n3 + np.tensordot(units_tu, MOVES_CM, 1)
    turn_33, _ = cv2.Rodrigues(np.float64(turn))
    return (40.0 * np.array([1.0, -1.0, -1.0]) * points_tn3 @ turn_33.T + [320.0, 240.0, 0.0]).astype(np.float32)


def take_frames(person: int, length: int, *, known: bool = True, absent: Sequence[int] = ()) -> np.ndarray:
    """Frames T,WIDTH of a take: all units move; MediaPipe's units are half of the true ones.

    Args:
        person: Whose face and motion it is.
        length: Number of frames.
        known: False for a take without truth.
        absent: Frames without a face.
    """
    random = np.random.default_rng(person)
    phase_u, speed_u = random.uniform(0, 6, len(UNITS)), random.uniform(0.1, 0.6, len(UNITS))
    units_tu = np.clip(0.5 + 0.6 * np.sin(speed_u * np.arange(length)[:, None] + phase_u), 0, 1)
    angles_t3 = 10 * np.sin(0.2 * np.arange(length)[:, None] + random.uniform(0, 6, 3))
    gaze_t4 = np.full((length, 4), 2.0)
    values = {
        "time_s": np.arange(length)[:, None] / 25,
        "presence": np.ones((length, 1)),
        "landmarks_px": landmarks_of_units(units_tu, person, random.normal(0, 0.2, 3)).reshape(length, -1),
        "network_units": units_tu / 2,
        "fitted_head_deg": angles_t3 - [0, PITCH_DEG, 0],
        "fitted_gaze_deg": gaze_t4,
        "units": units_tu,
        "head_deg": angles_t3,
        "gaze_deg": gaze_t4,
    }
    frames_tw = np.full((length, WIDTH), np.nan, np.float32)
    for name in values if known else list(values)[:6]:
        frames_tw[:, FIELDS[name]] = values[name]
    frames_tw[list(absent), 2:] = np.nan
    frames_tw[list(absent), 1] = 0
    return frames_tw


def pack_takes(folder: Path, takes: Mapping[str, Sequence[np.ndarray]]) -> SampleSet:
    """A clean set of takes, by split; each is of a performer of its own."""
    tables, arrays, pictures = [], {}, {}
    for split, parts in takes.items():
        lengths = np.array([len(part) for part in parts], int)
        names = [f"{split}{place}" for place in range(len(parts))]
        rows = {"id": names, "group": names, "row": range(len(parts)), "length": lengths}
        tables.append(pd.DataFrame({**rows, "offset": lengths.cumsum() - lengths, "split": split}))
        arrays[split] = np.concatenate([*parts, np.zeros((0, WIDTH), np.float32)])
        pictures[split] = np.zeros((len(parts), *THUMBNAILS), np.uint8)
    table = pd.concat(tables, ignore_index=True).assign(source="own", label="", kept=True, reason="", votes=None)
    table = table.assign(sha256=table["id"], performer=None)
    return write_take_set(folder, table, arrays, pictures, {"labels": [], "width": WIDTH, "medium": "take"})


def made_up_takes(folder: Path, *, each: int = 6, length: int = 40) -> SampleSet:
    """A clean set: takes to learn from, the first of them without truth; in test one has frames without a face."""
    absent = dict([ABSENT])
    train = [
        take_frames(person, length - person, known=person > 0, absent=[absent[person]] if person in absent else [])
        for person in range(each)
    ]
    validation = [take_frames(20, length), take_frames(21, 24)]
    test = [take_frames(30, length, absent=(3, 4, 20)), take_frames(31, length)]
    return pack_takes(folder, {"train": train, "validation": validation, "test": test})


def learned_takes(folder: Path) -> SampleSet:
    """The set that is made of these takes, computed once."""
    folder.mkdir(parents=True)
    for name, content in _encoded().items():
        (folder / name).write_bytes(content)
    return SampleSet(folder)


@cache
def _encoded() -> dict[str, bytes]:
    with TemporaryDirectory() as scratch:
        clean = made_up_takes(Path(scratch) / "clean")
        made = encode(clean, AugmentParams(components=16), Path(scratch) / "set", read_geometry)
        return {path.name: path.read_bytes() for path in made.folder.iterdir()}
