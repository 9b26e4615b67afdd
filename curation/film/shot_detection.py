"""Shots of a film, by PySceneDetect's adaptive detector (scenedetect.com), and whether the film is complete.

A cut is a frame that differs from the previous one far more than its neighbours do, so a camera pan is not a cut.
The film is decoded to its end: a damaged one yields fewer frames than its container declares.
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

LOOK_PX = 256  # width for cut detection, as in PySceneDetect's own tools
LEAST_PX = 16  # side of a frame; smaller ones show nothing recognisable
LEAST_FRAMES = 2
SHORT_SHARE, SHORT_S = 0.02, 1.0  # tolerated lack of duration, which some containers only estimate


@dataclass(frozen=True)
class Shot:
    """Frames from `first` up to but excluding `end`, and their display times."""

    first: int
    end: int
    start_s: float
    end_s: float


@dataclass(frozen=True)
class FilmShots:
    """Size and shots of a film that was read to its end."""

    width_px: int
    height_px: int
    shots: list[Shot]


def shots_of(file: Path, params: ShotParams, progress: Callable[[int, int], object] | None = None) -> FilmShots:
    """Reads a film to its end and finds its shots.

    Args:
        file: The film.
        params: Thresholds of a cut.
        progress: Called after each frame with the numbers of frames read and expected (0: unknown).

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
    """PySceneDetect's detector, fed with small frames of one size."""

    def __init__(self, params: ShotParams, rate: float) -> None:
        from scenedetect import AdaptiveDetector, FrameTimecode  # noqa: PLC0415 - imports in 0.5 s, films are rare

        self.rate = rate
        self.timecode = FrameTimecode
        self.detector = AdaptiveDetector(
            adaptive_threshold=params.min_cut_ratio,
            min_content_val=params.min_change,
            min_scene_len=max(1, round(params.min_s * rate)),
        )

    def cuts(self, number: int, picture_hwc: np.ndarray) -> set[int]:
        """Cuts that are detected once this frame is read."""
        height, width = picture_hwc.shape[:2]
        size = (LOOK_PX, max(1, round(LOOK_PX * height / width)))
        if number == 0:
            self.size = size  # frames of a film whose size changes are scaled to the size of the first
        small_hwc = cv2.resize(picture_hwc, self.size, interpolation=cv2.INTER_AREA)
        found = self.detector.process_frame(self.timecode(number, self.rate), small_hwc)
        return {int(cut.frame_num) for cut in found}


def _check_read(times_s: list[float], size_px: tuple[int, int], film: Film) -> None:
    if not times_s:
        reason = f"holds no frame that can be decoded (its codec is {film.codec})"
        raise RefusedError(reason, COPY if film.faults else CONVERT)
    if len(times_s) < LEAST_FRAMES:
        reason = "contains a single picture"
        raise RefusedError(reason, "save it as png, and ingest it into a collection of pictures")
    if min(size_px) < LEAST_PX:
        reason = f"is too small: {size_px[0]} x {size_px[1]} px"
        raise RefusedError(reason, f"give a film of at least {LEAST_PX} px a side")
    if film.lacking_s > max(SHORT_SHARE * film.duration_s, SHORT_S):
        of = f" of {film.total:,}" if film.total else ""
        reason = f"is truncated or damaged: {len(times_s):,}{of} frames can be read, {film.lacking_s:.1f} s are missing"
        raise RefusedError(reason, COPY)
