"""Frames sampled from a collection's shots: planned first, then decoded with one pass over each film."""

from __future__ import annotations

import tempfile
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pandas as pd

from common.progress import progress
from curation.film.frame_sampling import beside, sampled
from curation.film.title_cards import card_of
from curation.film.video import frames_of, opened
from curation.image.crop import fit, offsets
from curation.image.metrics import STATISTICS, measure_grey
from curation.store.index import check_stored, collection_folder

if TYPE_CHECKING:
    from concurrent.futures import Future
    from pathlib import Path

    from curation.image.metrics import ImageStatistics
    from curation.params import CollectionParams

LOOK_SCALE = 1  # times the packed size: at full size the edges of a codec's blocks look like sharp edges
FADE_S = 0.25  # to either side of a frame
MOST_PENDING = 4  # decoded frames that wait to be measured
SMALL = (64, 36)  # width and height at which motion and fades are measured
SEEN = ("motion", "change", "residual", "letters", "ground", "left", "top", "time_s", *STATISTICS)


@dataclass
class FrameMeasurements:
    """Measurements of each planned frame, in the row order of the plan.

    Attributes:
        columns: SEEN; empty where a frame could not be read.
        smalls_nhw: uint8, as in curation.image.metrics.StatisticsOfAll.
        squares_nhwc: RGB images to pack, mapped from an unnamed file that ends with the process.
    """

    columns: pd.DataFrame
    smalls_nhw: np.ndarray
    squares_nhwc: np.ndarray


def plan(shots: pd.DataFrame, params: CollectionParams) -> pd.DataFrame:
    """One row a sampled frame: the columns of its shot, and id, shot, frame."""
    seconds = shots["end_s"].astype(float) - shots["start_s"].astype(float)
    bounds = zip(shots["first"].astype(int), shots["end"].astype(int), seconds, strict=True)
    numbers = [sampled(first, end, length, params.shots) for first, end, length in bounds]
    frames = shots.assign(frame=pd.Series(numbers, index=shots.index)).explode("frame").reset_index(drop=True)
    frames["frame"] = frames["frame"].astype(int)
    frames["shot"] = frames["id"]
    frames["id"] = frames["id"] + "-" + frames["frame"].map("{:06d}".format)
    return frames.sort_values(["id", "source"], ignore_index=True)


def see(
    root: Path, collection: str, frames: pd.DataFrame, rows: pd.Series, params: CollectionParams
) -> FrameMeasurements:
    """Decodes the films of a plan and measures the frames of the requested rows."""
    side = params.size_px
    shape = (max(1, len(frames)), side, side, 3)
    with tempfile.TemporaryFile(dir=_scratch(root)) as file:
        squares_nhwc = np.memmap(file, np.uint8, "w+", shape=shape)  # the mapping outlives the file's name
    found: dict[int, dict[str, Any]] = {}
    smalls_nhw = np.zeros((len(frames), 32, 32), np.uint8)
    asked = frames[rows]
    for (source, name), part in asked.groupby(["source", "shard"], sort=True):
        film = collection_folder(root, collection) / str(source) / str(name)
        check_stored(film, str(part["sha256"].iloc[0]))
        looked = _Film(_planned(part), params).read(film)
        for row, (values, look, square_hwc) in looked.items():
            found[row] = values
            smalls_nhw[row], squares_nhwc[row] = look.small_hw, square_hwc
    columns = pd.DataFrame.from_dict(found, orient="index", columns=list(SEEN)).reindex(frames.index)
    return FrameMeasurements(columns.fillna({"width": 0, "height": 0, "pixels": ""}), smalls_nhw, squares_nhwc)


def _shrunk(grey_hw: np.ndarray, shorter_px: int) -> np.ndarray:
    height, width = grey_hw.shape
    scale = shorter_px / min(height, width)
    if scale >= 1:
        return grey_hw
    return cv2.resize(grey_hw, (round(width * scale), round(height * scale)), interpolation=cv2.INTER_AREA)


def _scratch(root: Path) -> Path:
    folder = root / "build"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


Looked = tuple[dict[str, Any], "ImageStatistics", np.ndarray]


@dataclass(frozen=True)
class _Planned:
    """A frame to sample: its row of the plan, the previous sampled frame of its shot, and its neighbours in time."""

    row: int
    frame: int
    last: int | None
    around: tuple[int, int]


def _planned(part: pd.DataFrame) -> list[_Planned]:
    planned = []
    for _shot, frames in part.sort_values("frame").groupby("shot", sort=False):
        first, end = int(frames["first"].iloc[0]), int(frames["end"].iloc[0])
        seconds = float(frames["end_s"].iloc[0]) - float(frames["start_s"].iloc[0])
        apart = max(1, round(FADE_S * (end - first) / max(seconds, 1e-3)))
        last: int | None = None
        for row, number in zip(frames.index, frames["frame"].tolist(), strict=True):
            planned.append(_Planned(int(row), number, last, beside(number, first, end, apart)))
            last = number
    return planned


@dataclass
class _Film:
    """One film while it is decoded."""

    planned: list[_Planned]
    params: CollectionParams
    smalls: dict[int, np.ndarray] = field(default_factory=dict)

    def read(self, film: Path) -> dict[int, Looked]:
        wanted = {number for one in self.planned for number in (one.frame, *one.around)}
        asked = {one.frame for one in self.planned}
        seen: dict[int, Future[Looked]] = {}
        pending: deque[Future[Looked]] = deque()
        with (
            opened(film) as capture,
            progress(total=len(asked), title="clean: look", unit="frame") as bar,
            ThreadPoolExecutor(max_workers=1) as looking,  # while the next frames are decoded
        ):
            for number, time_s, picture_hwc in frames_of(capture, wanted):
                grey_hw = cv2.cvtColor(picture_hwc, cv2.COLOR_BGR2GRAY)
                self.smalls[number] = cv2.resize(grey_hw, SMALL, interpolation=cv2.INTER_AREA).astype(np.float32)
                if number in asked:
                    if len(pending) == MOST_PENDING:
                        pending.popleft().result()
                    seen[number] = looking.submit(self._looked, picture_hwc, grey_hw, time_s)
                    pending.append(seen[number])
                    bar.update()
        found = {}
        for one in self.planned:
            if one.frame in seen:
                values, look, square_hwc = seen[one.frame].result()
                found[one.row] = (values | self._motion(one), look, square_hwc)
        return found

    def _looked(self, picture_hwc: np.ndarray, grey_hw: np.ndarray, time_s: float) -> Looked:
        rgb_hwc = cv2.cvtColor(picture_hwc, cv2.COLOR_BGR2RGB)
        look, card = measure_grey(_shrunk(grey_hw, LOOK_SCALE * self.params.size_px)), card_of(grey_hw)
        top, left = offsets(rgb_hwc, self.params.crop)
        values: dict[str, Any] = dict(zip(STATISTICS, look, strict=False))
        values |= {"letters": card.letters, "ground": card.ground, "top": top, "left": left, "time_s": round(time_s, 4)}
        return values, look, fit(rgb_hwc, self.params.size_px, self.params.crop)

    def _motion(self, one: _Planned) -> dict[str, float]:
        """Motion since the previous sampled frame; change across the frame, and the share that no fade explains."""
        # In a linear fade the middle frame is the mean of its neighbours: change is large, the residual small.
        middle_hw = self.smalls[one.frame]
        before, after = (self.smalls.get(number, middle_hw) for number in one.around)
        change = float(np.abs(after - before).mean())
        residual = float(np.abs(middle_hw - (before + after) / 2).mean())
        # A frozen shot shows no difference to the previous sampled frame.
        last_hw = self.smalls.get(one.last) if one.last is not None else None
        motion = float(np.abs(middle_hw - last_hw).mean()) if last_hw is not None else np.nan
        return {
            "motion": round(motion, 3),
            "change": round(change, 3),
            "residual": round(residual / (change + 1e-3), 3),
        }
