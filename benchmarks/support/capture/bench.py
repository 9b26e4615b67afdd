"""Parts that the figures of capture share: amounts, people, clips, models, and turns."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from tqdm import tqdm

from benchmarks.support.capture.clips import FPS, Part, film, keep
from rushes.bundle.manifest import read_bundle
from rushes.capture.frames import Frame
from rushes.expression.model import ExpressionModel
from rushes.faces.face_search import open_finder
from rushes.tracking.landmarks import open_landmarks
from rushes.tracking.one_euro import LIVE
from rushes.tracking.tracker import FaceTracker

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from benchmarks.support.capture.clips import Cast
    from benchmarks.support.capture.peer import Peer
    from rushes.capture.analysis import Analyser
    from rushes.faces.places import Place

SIZES = ((640, 480), (1280, 720), (1920, 1080))
SEARCHED = 6  # first frames of a clip that do not count as tracked
Runs = list[list[float]]  # round -> frame


@dataclass(frozen=True)
class Size:
    """Amounts to measure.

    Attributes:
        turns: Rendered pictures of a head that turns.
        frames: Of a clip, at 640x480; larger ones have fewer.
        rounds: Of timing.
        heights_px: Of the faces to be found.
        steps: Drops of the jaw, and absences of each kind.
        aged: Frames for each age.
        take: Frames of the long take.
        installs: Installations of the wheel, each in a new environment.
    """

    turns: int = 16
    frames: int = 96
    rounds: int = 5
    heights_px: tuple[int, ...] = (40, 60, 90, 140, 240)
    steps: int = 6
    aged: int = 100
    take: int = 100_000
    installs: int = 1


QUICK = Size(2, 12, 1, (140,), 1, 20, 300, 0)


class Bench:
    """Models, people and amounts of a measurement.

    Args:
        bundle: Folder of the bundle.
        cast: Rendered people.
        peer: The peers, if they are there.
        scratch: Folder for clips.
        size: Amounts.
    """

    def __init__(self, bundle: Path, cast: Cast, peer: Peer | None, scratch: Path, size: Size) -> None:
        self.folder, self.cast, self.peer, self.scratch, self.size = bundle, cast, peer, scratch, size
        self.bundle = read_bundle(bundle)
        self.model = ExpressionModel(self.bundle)

    def tracker(self, actors: int = 1, *, raw: bool = False) -> FaceTracker[Place]:
        """A new tracker; without the filter if wanted."""
        smoothing = None if raw else LIVE
        return FaceTracker(open_finder(self.bundle), open_landmarks(self.bundle), actors=actors, smoothing=smoothing)

    def clip(self, size: tuple[int, int], faces: int) -> np.ndarray:
        """A clip with so many faces."""
        count = max(SEARCHED + 4, round(self.size.frames * SIZES[0][1] / size[1]))
        frames = (picture for picture, _ in film(size, self.parts(size, faces), count, faces))
        return keep(frames, count, self.scratch / f"{size[0]}x{size[1]}-{faces}.npy")

    def parts(self, size: tuple[int, int], faces: int, height_px: float | None = None) -> list[Part]:
        """Actors side by side, a third of the frame high by default."""
        height_px = height_px or size[1] * (0.35 if faces == 1 else 0.25)
        places = [(size[0] * (place + 0.5) / faces, size[1] * 0.5) for place in range(faces)]
        return [Part(self.cast.turning(person), height_px, place) for person, place in enumerate(places)]


def in_turns(calls: Mapping[str, Callable[[], list[float]]], rounds: int, name: str) -> dict[str, Runs]:
    """Runs all in turns, after a warm-up round; the first one rotates."""
    runs: dict[str, Runs] = {call: [] for call in calls}
    names = list(calls)
    for number in tqdm(range(rounds + 1), desc=name, disable=None, leave=False):
        for call in names[number % len(names) :] + names[: number % len(names)]:
            runs[call].append(calls[call]())
    return {call: taken[1:] for call, taken in runs.items()}


def cpu_ms(analyser: Analyser, frames: np.ndarray) -> list[float]:
    """CPU time of each frame, of all threads of this process."""
    taken_ms = []
    for number in range(len(frames)):
        picture_bgr = np.array(frames[number])
        before_s = time.process_time()
        analyser.analyse(Frame(number, number / FPS, picture_bgr))
        taken_ms.append(1000 * (time.process_time() - before_s))
    return taken_ms
