"""The shots of a film, by PySceneDetect's adaptive detector (scenedetect.com), and whether the film is whole.

A cut is a frame that differs from the one before far more than its neighbours do, so that a camera that is swung round
makes none. The film is decoded to its end: what is damaged gives fewer frames than its container has promised.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import cv2

from curation.errors import RefusedError
from curation.film.video import CONVERT, COPY, check_file, frames_of, opened

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import numpy as np

    from curation.params import ShotParams
    from rushes.media.film import Film

LOOK_PX = 256  # the width at which cuts are looked for, as PySceneDetect's own tools do
LEAST_PX = 16  # the side of a frame; below it nothing can be told apart
LEAST_FRAMES = 2
SHORT_SHARE, SHORT_S = 0.02, 1.0  # what a film may lack of its duration, which some containers estimate


@dataclass(frozen=True)
class Shot:
    """Frames from `first` up to but without `end`, and when they are shown."""

    first: int
    end: int
    start_s: float
    end_s: float


@dataclass(frozen=True)
class FilmShots:
    """A film that was read to its end."""

    width_px: int
    height_px: int
    shots: list[Shot]


def shots_of(file: Path, params: ShotParams, progress: Callable[[int, int], object] | None = None) -> FilmShots:
    """Reads a film to its end and finds its shots.

    Args:
        file: The film.
        params: What a cut is.
        progress: Called after each frame with how many are read and how many there should be (0: not known).

    Raises:
        RefusedError: It is not a film, has no moving pictures, or is truncated or damaged.
    """
    check_file(file)
    with opened(file) as film:
        times_s: list[float] = []
        cuts, size_px = set(), (0, 0)
        detector = _Detector(params, film.fps)
        for number, time_s, picture_hwc in frames_of(film):
            times_s.append(time_s)
            size_px = size_px if number else picture_hwc.shape[1::-1]
            cuts |= detector.cuts(number, picture_hwc)
            if progress is not None:
                progress(number + 1, film.total)
    _check_read(times_s, size_px, film)
    times_s.append(film.end_s)
    bounds = [0, *sorted(cut for cut in cuts if 0 < cut < len(times_s) - 1), len(times_s) - 1]
    shots = [Shot(a, b, times_s[a], times_s[b]) for a, b in pairwise(bounds)]
    return FilmShots(*size_px, shots)


class _Detector:
    """PySceneDetect's, fed with small frames of one size."""

    def __init__(self, params: ShotParams, rate: float) -> None:
        from scenedetect import AdaptiveDetector, FrameTimecode  # noqa: PLC0415 - half a second, and films are rare

        self.rate = rate
        self.timecode = FrameTimecode
        self.detector = AdaptiveDetector(
            adaptive_threshold=params.min_cut_ratio,
            min_content_val=params.min_change,
            min_scene_len=max(1, round(params.min_s * rate)),
        )

    def cuts(self, number: int, picture_hwc: np.ndarray) -> set[int]:
        """The cuts that are known once this frame is seen."""
        height, width = picture_hwc.shape[:2]
        size = (LOOK_PX, max(1, round(LOOK_PX * height / width)))
        if number == 0:
            self.size = size  # a film whose size changes on the way is looked at in that of its beginning
        small_hwc = cv2.resize(picture_hwc, self.size, interpolation=cv2.INTER_AREA)
        found = self.detector.process_frame(self.timecode(number, self.rate), small_hwc)
        return {int(cut.frame_num) for cut in found}


def _check_read(times_s: list[float], size_px: tuple[int, int], film: Film) -> None:
    if not times_s:
        reason = f"holds no frame that can be decoded (its codec is {film.codec})"
        raise RefusedError(reason, COPY if film.faults else CONVERT)
    if len(times_s) < LEAST_FRAMES:
        reason = "holds one picture alone, and no film"
        raise RefusedError(reason, "save it as png, and ingest it into a collection of pictures")
    if min(size_px) < LEAST_PX:
        reason = f"is too small: {size_px[0]} x {size_px[1]} px"
        raise RefusedError(reason, f"give a film of at least {LEAST_PX} px a side")
    if film.lacking_s > max(SHORT_SHARE * film.duration_s, SHORT_S):
        of = f" of {film.total:,}" if film.total else ""
        reason = f"is truncated or damaged: {len(times_s):,}{of} frames can be read, {film.lacking_s:.1f} s are missing"
        raise RefusedError(reason, COPY)
