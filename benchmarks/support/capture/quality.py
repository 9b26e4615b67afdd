"""Faces found, jitter and lag, and faces that come back."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.support.capture.bench import SEARCHED, SIZES
from benchmarks.support.capture.clips import FPS, Part, film, is_inside, overlap
from benchmarks.support.figures import Figure
from rushes.tracking.face import UNITS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from benchmarks.support.capture.bench import Bench
    from benchmarks.support.capture.clips import Box
    from benchmarks.support.heads import RenderedHead
    from rushes.faces.places import Place
    from rushes.tracking.face import TrackedFace
    from rushes.tracking.tracker import FaceTracker

FOUND_GOAL, MIN_IOU = 0.98, 0.5
JITTER_GOAL, LAG_GOAL = 0.5, 1.0
BACK_GOAL = 3  # frames
GAPS = (5, 15, 45, 8, 30, 90)  # frames of an absence
JAW = UNITS.index("jawOpen")
OPEN = 15  # frames with an open jaw
VALUES: dict[str, Callable[[TrackedFace], np.ndarray]] = {
    "units": lambda face: face.units,
    "head angles": lambda face: np.array([face.head.yaw_deg, face.head.pitch_deg, face.head.roll_deg]),
    "landmarks": lambda face: face.landmarks_px,
}
LARGE, SMALL = 0.3, 0.08  # of the frame's height
STEADY = 50  # frames between two absences
SLIDE = 12  # frames out of the frame


def box_of(face: TrackedFace) -> Box:
    """The box of a face's landmarks."""
    (left, top), (right, bottom) = face.landmarks_px[:, :2].min(axis=0), face.landmarks_px[:, :2].max(axis=0)
    return float(left), float(top), float(right - left), float(bottom - top)


def tracked(tracker: FaceTracker[Place], number: int, picture_bgr: np.ndarray) -> list[Box]:
    """Boxes of the faces that are seen in a frame."""
    return [box_of(face) for face in tracker.track(picture_bgr, number / FPS) if face.state == "tracked"]


def is_found(box: Box, boxes: Sequence[Box]) -> bool:
    """True if one of the boxes is this face."""
    return any(overlap(box, other)[1] >= MIN_IOU for other in boxes)


def found_figures(bench: Bench) -> list[Figure]:
    """Faces of all heights in frames of all sizes, alone and with two others."""
    found = faces = 0
    for size in SIZES:
        for count, height_px in [(1, height) for height in bench.size.heights_px] + [(3, bench.size.heights_px[-1])]:
            tracker, hits, ious = bench.tracker(count), [], []
            scenes = film(size, bench.parts(size, count, height_px), bench.size.frames // 2, height_px)
            for number, (picture_bgr, boxes) in enumerate(scenes):
                seen = tracked(tracker, number, picture_bgr)
                truths = [box for box in boxes if box is not None and is_inside(box, size)]
                hits += [is_found(box, seen) for box in truths]
                ious += [max(overlap(box, one)[1] for one in seen) for box in truths if seen]
            found, faces = found + sum(hits), faces + len(hits)
            print(
                f"# found, {size[0]}x{size[1]}, {count} of {height_px} px: {np.mean(hits):.3f} of {len(hits)}, the "
                f"first after {hits.index(True) // count if any(hits) else '-'} frames, median IoU "
                f"{np.median(ious or [0]):.2f}",
                file=sys.stderr,
                flush=True,
            )
    return [Figure("faces of 40 px or more with IoU >= 0.5, found/all", [found], [faces], FOUND_GOAL, at_most=False)]


def jitter_figures(bench: Bench) -> list[Figure]:
    """Jitter of heads at rest, and lag where they move at once."""
    still, lags = [], []
    rest = max(2 * SEARCHED, bench.size.frames // 2)
    for person in range(bench.size.steps):
        shut, half, wide = (bench.cast.posed(person, "jawOpen", value) for value in (0.0, 0.4, 0.8))
        pairs = _both(bench, [shut] * rest + [half] + [wide] * OPEN, person)
        still.append(pairs[max(0, len(pairs) - OPEN - rest + SEARCHED) : -OPEN - 2])
        filtered, raw = np.array([[face.units[JAW] for face in pair] for pair in pairs[-2 * OPEN :]], np.float64).T
        level = float(np.median(raw[: OPEN // 2]) + np.median(raw[-OPEN // 2 :])) / 2
        lags.append(_crossing(filtered, level) - _crossing(raw, level))
    figures = []
    for name, values in VALUES.items():
        ours, raws = ([_jitter([values(pair[place]) for pair in pairs]) for pairs in still] for place in (0, 1))
        figures.append(Figure(f"jitter at rest, {name}, filtered/raw", ours, raws, JITTER_GOAL, at_most=True))
    return [*figures, Figure("frames that the filter lags, lag/1", lags, [1.0] * len(lags), LAG_GOAL, at_most=True)]


def _both(bench: Bench, heads: list[RenderedHead], seed: int) -> list[tuple[TrackedFace, TrackedFace]]:
    """A head in one place in each frame in which it is tracked: filtered, and raw."""
    size = SIZES[1]
    part = Part([*heads, heads[-1]], 0.35 * size[1], (size[0] / 2, size[1] / 2), sway=0)
    filtered, raw = bench.tracker(), bench.tracker(raw=True)
    pairs: list[tuple[TrackedFace, TrackedFace]] = []
    for number, (picture_bgr, _) in enumerate(film(size, [part], len(heads), seed)):
        time_s = number / FPS
        pairs += zip(filtered.track(picture_bgr, time_s), raw.track(picture_bgr, time_s), strict=True)
    return pairs


def _jitter(curve: list[np.ndarray]) -> float:
    return float(np.abs(np.diff(np.array(curve, np.float64), 2, axis=0)).mean())


def _crossing(curve: np.ndarray, level: float) -> float:
    """Frame, with its fraction, in which a rising curve first reaches a level."""
    above = np.flatnonzero(curve >= level)
    if not len(above):
        return float(len(curve))
    at = max(1, int(above[0]))
    return at - 1 + float((level - curve[at - 1]) / max(curve[at] - curve[at - 1], 1e-9))


def back_figures(bench: Bench) -> list[Figure]:
    """Frames until a face that was away is tracked again."""
    figures = []
    for name, share, slide in (("hidden", LARGE, 0), ("out of the frame", LARGE, SLIDE), ("small, hidden", SMALL, 0)):
        waits = _waits(bench, share, slide)
        print(f"# back: {name}, after {GAPS[: len(waits)]} frames: {waits}", file=sys.stderr, flush=True)
        most, goal = [float(max(waits))], [float(BACK_GOAL)]
        figures.append(Figure(f"frames until a face is back, {name}, most/{BACK_GOAL}", most, goal, 1.0, at_most=True))
    return figures


def _waits(bench: Bench, share: float, slide: int) -> list[int]:
    """For each absence, the frames with the face until it is tracked: 1 if it is in the first one."""
    size, waits = SIZES[1], []
    away: list[tuple[int, int]] = []
    for gap in GAPS[: bench.size.steps]:
        first = away[-1][1] + STEADY if away else STEADY
        away.append((first, first + gap))
    part = Part(bench.cast.turning(0), share * size[1], (size[0] / 2, size[1] / 2), 0.2, tuple(away), slide)
    tracker, wait = bench.tracker(), None
    for number, (picture_bgr, [box]) in enumerate(film(size, [part], away[-1][1] + STEADY, slide)):
        seen = tracked(tracker, number, picture_bgr)
        if box is None:
            wait = 0
        elif wait is not None and is_inside(box, size):
            wait += 1
            if is_found(box, seen):
                waits.append(wait)
                wait = None
    return waits if wait is None else [*waits, wait]
