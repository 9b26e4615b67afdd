"""Tracks the face of takes: each film is read to its end by the tracker of the runtime, on one thread.

A take depends on its own frames alone, so the result is the same for any number of processes.
"""

from __future__ import annotations

import functools
import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

from common.spawned import each
from curation.store.packing import THUMBNAILS
from curation.store.take_fields import FIELDS, PICTURES, WIDTH, middles_of
from curation.take.fit import Fit, fit_of
from curation.take.truth import read_truth
from rushes.errors import RefusedError
from rushes.faces.detector import FULL_RANGE, BlazeFace
from rushes.faces.face_search import FaceFinder
from rushes.media.film import FilmError, open_film
from rushes.tracking.crop import FaceSquare, square_of_landmarks
from rushes.tracking.landmarks import LandmarkNetworks
from rushes.tracking.tracker import FaceTracker

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from common.assets import Asset, Read
    from curation.params import TakeParams
    from rushes.media.film import FilmFrame
    from rushes.tracking.face import TrackedFace

ALONE_FRAMES = 600  # so many frames are tracked in the time in which a process starts
SIDE_PX = THUMBNAILS[1]


@dataclass(frozen=True)
class Task:
    """A take to track.

    Attributes:
        place: Its number, for the names of its arrays.
        film: The file.
        curves: Its curves; None without.
        frames: Number of frames.
        fps: Frame rate.
        length_s: Length of the film.
    """

    place: int
    film: Path
    curves: Path | None
    frames: int
    fps: float
    length_s: float


@dataclass(frozen=True)
class Seen:
    """Figures of a tracked take; its arrays are in the scratch folder.

    Attributes:
        frames: Number of frames.
        face_share: Share of the frames with a face.
        motion: Standard deviation of the unit that moves most.
        fit: How its curves fit; None without curves, or where they do not move.
        digest: Hash of what was seen.
        problem: Why it cannot be read; empty if it can.
    """

    frames: int = 0
    face_share: float = 0.0
    motion: float = 0.0
    fit: Fit | None = None
    digest: str = ""
    problem: str = ""


def write_networks(assets: Sequence[Asset], read: Read, scratch: Path) -> Path:
    """Writes the networks for the processes; returns their folder, which other networks do not share."""
    contents = {asset.role: read(asset) for asset in assets}
    folder = scratch / hashlib.sha256(b"".join(contents.values())).hexdigest()
    folder.mkdir(parents=True, exist_ok=True)
    for role, content in contents.items():
        (folder / role).write_bytes(content)
    return folder


def track_all(
    tasks: Sequence[Task], networks: Path, scratch: Path, params: TakeParams, workers: int | None = None
) -> Iterator[Seen]:
    """Tracks takes, in the order of the tasks.

    Args:
        tasks: The takes.
        networks: Folder that `write_networks` has filled.
        scratch: Folder for the arrays; see `join_arrays`.
        params: Thresholds.
        workers: Number of processes; by default one for each processor, or this one alone if there is little to do.
    """
    if workers is None and sum(task.frames for task in tasks) < ALONE_FRAMES:
        workers = 1
    return each(functools.partial(_track, networks, scratch, params), tasks, workers)


def join_arrays(scratch: Path, seen: Mapping[int, Seen]) -> dict[int, tuple[np.ndarray, np.ndarray]]:
    """Frames float32 T,WIDTH, and pictures uint8 6,96,96,3, of tracked takes, by place.

    They are parts of two mapped files: each mapping holds a descriptor, of which a process may have as few as 256.
    """
    if not seen:
        return {}
    for place in seen:
        for kind in ("frames", "pictures"):
            part = scratch / f"{place}-{kind}.npy"
            with (scratch / kind).open("ab") as whole:
                np.load(part).tofile(whole)
            part.unlink()
    frames_tw = np.memmap(scratch / "frames", np.float32, "r").reshape(-1, WIDTH)
    pictures_nkhwc = np.memmap(scratch / "pictures", np.uint8, "r").reshape(-1, *THUMBNAILS)
    ends = np.cumsum([one.frames for one in seen.values()])
    return dict(zip(seen, zip(np.split(frames_tw, ends[:-1]), pictures_nkhwc, strict=True), strict=True))


def _track(networks: Path, scratch: Path, params: TakeParams, task: Task) -> Seen:
    rows: list[np.ndarray] = []
    pictures = _Pictures(task.frames)
    # Every frame for itself: a value depends on no filter, and on the frames before only by the square.
    tracker = FaceTracker(*_networks(networks), smoothing=None)
    try:
        with open_film(task.film) as film:
            for frame in film.frames():
                found = tracker.track(frame.picture_bgr, frame.time_s)
                face = next((face for face in found if face.state == "tracked"), None)
                rows.append(_row(frame, face))
                pictures.put(frame, face)
        if not rows:
            return Seen(problem="holds no frame that can be decoded")
        frames_tw = np.stack(rows)
        digest = hashlib.sha256(frames_tw[:, FIELDS["presence"].start :].tobytes()).hexdigest()
        if task.curves is not None:
            truth = read_truth(task.curves, task.fps, task.length_s, params.max_length_difference_s)
            frames_tw[:, FIELDS["units"].start :] = truth.at(frames_tw[:, FIELDS["time_s"].start])
    except (FilmError, RefusedError) as error:
        return Seen(problem=str(error))
    np.save(scratch / f"{task.place}-frames.npy", frames_tw)
    np.save(scratch / f"{task.place}-pictures.npy", pictures.pictures_nhwc)
    return _seen(frames_tw, digest, task, params)


def _seen(frames_tw: np.ndarray, digest: str, task: Task, params: TakeParams) -> Seen:
    is_seen = frames_tw[:, FIELDS["presence"]][:, 0] > 0
    network_tu, truth_tu = frames_tw[:, FIELDS["network_units"]], frames_tw[:, FIELDS["units"]]
    moving_tu = truth_tu if task.curves is not None else network_tu
    known = moving_tu[np.isfinite(moving_tu).all(axis=1)]
    motion = float(known.std(axis=0, dtype=np.float64).max()) if len(known) else 0.0
    fit = fit_of(truth_tu, network_tu, round(params.max_lag_s * task.fps)) if task.curves is not None else None
    return Seen(len(frames_tw), float(is_seen.mean()), motion, fit, digest)


def _row(frame: FilmFrame, face: TrackedFace | None) -> np.ndarray:
    row_w = np.full(WIDTH, np.nan, np.float32)
    row_w[FIELDS["time_s"]], row_w[FIELDS["presence"]] = frame.time_s, 0
    if face is not None:
        row_w[FIELDS["presence"]] = face.score
        row_w[FIELDS["landmarks_px"]] = face.landmarks_px.ravel()
        row_w[FIELDS["network_units"]] = face.units
        row_w[FIELDS["fitted_head_deg"]] = face.head.yaw_deg, face.head.pitch_deg, face.head.roll_deg
        row_w[FIELDS["fitted_gaze_deg"]] = face.gaze_deg.ravel()
    return row_w


class _Pictures:
    """Pictures of a take, as `curation.store.take_fields.pictured_frames` chooses them."""

    def __init__(self, frames: int) -> None:
        self.pictures_nhwc = np.zeros(THUMBNAILS, np.uint8)
        self._middles = middles_of(frames)
        self._off = [(True, np.inf)] * PICTURES

    def put(self, frame: FilmFrame, face: TrackedFace | None) -> None:
        """Takes over the frame where it is better than those before."""
        off_n = np.abs(frame.number - self._middles)
        place = int(off_n.argmin())
        off = face is None, float(off_n[place])
        if off < self._off[place]:
            height, width = frame.picture_bgr.shape[:2]
            whole = FaceSquare((width / 2, height / 2), min(width, height), 0.0)
            square = whole if face is None else square_of_landmarks(face.landmarks_px)
            cut_bgr = square.cut(frame.picture_bgr, SIDE_PX)
            self.pictures_nhwc[place], self._off[place] = cv2.cvtColor(cut_bgr, cv2.COLOR_BGR2RGB), off


@functools.lru_cache(maxsize=1)
def _networks(folder: Path) -> tuple[FaceFinder, LandmarkNetworks]:
    """Networks of a process; LiteRT is locked, and its numbers differ from OpenCV's in the last digits."""
    finder = FaceFinder(BlazeFace(folder / "detector"), BlazeFace(folder / "detector_full_range", FULL_RANGE))
    landmarks, units, geometry = (folder / role for role in ("face_landmarks", "face_units", "face_geometry"))
    return finder, LandmarkNetworks(landmarks, units, geometry, "litert")
