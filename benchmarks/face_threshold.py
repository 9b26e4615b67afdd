"""Threshold of the score that makes a proposal a face: false and found faces by threshold, on two halves of frames.

    python -m benchmarks.face_threshold [--data PHOTOGRAPHS.tar.gz] [--quick]

The threshold is chosen on the first half: the middle of those with the fewest faces in empty frames, and among those
the most heads. The second half, of other photographs, drawings and people, evaluates MIN_SCORE of `rushes`. Frames
are searched as stills, at all scales. Empty frames are photographs (of the whole archive; a person in one of them by
chance counts as false), title cards, patterns and drawn streets. Heads are rendered, in every expression, over
photographs or drawn streets.

The table has a row for each threshold, tab-separated: false faces in 1,000 empty frames of all kinds and of each; then
the share of heads found, by their height in percent of the frame's.
"""

from __future__ import annotations

import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
from tqdm import tqdm

from benchmarks.faces import face_networks, is_hit, starter_package
from benchmarks.support.command import new_parser
from benchmarks.support.empty_frames import draw_cards, draw_patterns
from benchmarks.support.figures import Figure, report
from benchmarks.support.heads import HEIGHT, WIDTH, Heads, draw_streets, fill_frame, filmed, put_head, read_photographs
from curation.synthetic_faces.takes import LABELS
from rushes.faces.face_search import MIN_SCORE, FaceFinder

if TYPE_CHECKING:
    from collections.abc import Sequence

LOWEST = 0.5
THRESHOLDS = tuple(round(LOWEST + 0.025 * step, 3) for step in range(13))  # up to SURE_SCORE, which needs no proof
FALSE_GOAL = 2 / 1000  # some of the photographs have people in them
GOALS = {8: 0.5, 10: 0.9, 13: 0.95, 20: 0.95, 40: 0.95}  # height in percent -> share of heads


@dataclass(frozen=True)
class Size:
    """Amounts of a half: photographs, drawn frames of each kind, and heads of each height."""

    photographs: int = 1000
    drawn: int = 250
    heads: int = 70


QUICK = Size(photographs=4, drawn=3, heads=7)


@dataclass(frozen=True)
class Half:
    """The scores of one half.

    Attributes:
        false: Kind of empty frame -> the number of frames, and the score of every face found in them.
        found: Height in percent -> the score of each head, 0 if it was not found.
    """

    false: dict[str, tuple[int, list[float]]] = field(default_factory=dict)
    found: dict[int, list[float]] = field(default_factory=dict)

    def false_share(self, threshold: float, *kinds: str) -> float:
        """Faces per empty frame of these kinds, by default of all."""
        parts = [self.false[kind] for kind in kinds or self.false]
        return sum(score >= threshold for _, scores in parts for score in scores) / sum(count for count, _ in parts)

    def found_share(self, threshold: float, percent: int) -> float:
        """The share of the heads of a height that are found."""
        return float(np.mean([score >= threshold for score in self.found[percent]]))


def choose(half: Half) -> float:
    """The middle of the thresholds with the fewest false faces, and among these the most heads."""
    fewest = min(half.false_share(threshold) for threshold in THRESHOLDS)
    clean = [threshold for threshold in THRESHOLDS if half.false_share(threshold) == fewest]
    found = [sum(half.found_share(threshold, percent) for percent in half.found) for threshold in clean]
    best = [threshold for threshold, share in zip(clean, found, strict=True) if share == max(found)]
    return best[len(best) // 2]


def table(half: Half) -> str:
    """Thresholds, false faces in 1,000 frames, and shares found."""
    head = ["score", "false/1000", *(f"{kind} ({count})" for kind, (count, _) in half.false.items())]
    lines = [[*head, *(f"found {percent} %" for percent in half.found)]]
    for threshold in THRESHOLDS:
        false = [half.false_share(threshold), *(half.false_share(threshold, kind) for kind in half.false)]
        found = [half.found_share(threshold, percent) for percent in half.found]
        lines.append([f"{threshold:.3f}", *(f"{1000 * share:.1f}" for share in false), *(f"{f:.3f}" for f in found)])
    return "\n".join("\t".join(line) for line in lines)


def see(finder: FaceFinder, heads: Heads, photographs: Sequence[np.ndarray], seed: int, size: Size) -> Half:
    """Scores of one half; another seed gives another half."""
    half, streets = Half(), draw_streets(size.drawn, seed)
    empty = {"photographs": photographs, "cards": draw_cards(size.drawn, seed),
             "patterns": draw_patterns(size.drawn, seed), "streets": streets}  # fmt: skip
    for kind, frames in empty.items():
        shown = (_as_frame(frame) for frame in tqdm(frames, kind, disable=None, leave=False))
        if frames:
            half.false[kind] = len(frames), [face.score for frame in shown for face in finder.detect(frame)]
    for percent in GOALS:
        numbers = tqdm(range(size.heads), f"{percent} %", disable=None, leave=False)
        half.found[percent] = [
            _score(finder, heads, photographs or streets, percent, 1000 * seed + number) for number in numbers
        ]
    return half


def _as_frame(picture_hwc: np.ndarray) -> np.ndarray:
    """Drawn ones already have a frame's size; enlarging a thousand photographs beforehand would take a gigabyte."""
    return picture_hwc if picture_hwc.shape[:2] == (HEIGHT, WIDTH) else fill_frame(picture_hwc)


def _score(finder: FaceFinder, heads: Heads, backgrounds: Sequence[np.ndarray], percent: int, number: int) -> float:
    """The score of one head over one picture; 0 if it is not found."""
    random = np.random.default_rng([number, percent])
    head = heads.draw(number, LABELS[number % len(LABELS)])
    middle = (WIDTH * random.uniform(0.2, 0.8), HEIGHT * random.uniform(0.3, 0.6))
    background = _as_frame(backgrounds[int(random.integers(len(backgrounds)))])
    scene, box = put_head(background, head, percent / 100 * HEIGHT, middle, random.uniform(-15, 15))
    return max((face.score for face in finder.detect(filmed(scene, random)) if is_hit(face, box)), default=0.0)


def figures(chosen_on: Half, judged_on: Half) -> list[Figure]:
    """The distance of MIN_SCORE from the chosen threshold, and its figures on the second half."""
    frames = sum(count for count, _ in judged_on.false.values())
    false = judged_on.false_share(MIN_SCORE) * frames
    steps = round(abs(MIN_SCORE - choose(chosen_on)) / 0.025)
    found = [
        Figure(f"found at {percent} % of the height, share", [judged_on.found_share(MIN_SCORE, percent)], [1.0], goal,
               at_most=False)
        for percent, goal in GOALS.items()
    ]  # fmt: skip
    return [
        Figure("threshold of rushes, steps of 0.025 from the chosen one", [steps], [1.0], 1.0, at_most=True),
        Figure("false faces, faces/empty frames", [false], [frames], FALSE_GOAL, at_most=True),
        *found,
    ]


def measure(data: Path | None, scratch: Path, size: Size) -> list[Figure]:
    """Searches both halves, and prints their tables."""
    finder = FaceFinder(*face_networks(scratch), min_score=LOWEST)
    heads = Heads(starter_package(scratch))
    photographs = read_photographs(data, 2 * size.photographs) if data else []
    halves = []
    for seed, name in enumerate(("chosen on", "judged on")):
        halves.append(see(finder, heads, photographs[seed::2], seed, size))
        print(f"# {name}\n{table(halves[-1])}", flush=True)
    return figures(*halves)


def main(words: list[str] | None = None) -> int:
    """Measures and prints."""
    parser = new_parser("face_threshold", __doc__)
    parser.add_argument("--data", type=Path, help="an archive of photographs without people; none otherwise")
    choices = parser.parse_args(words)
    if choices.data is not None and not choices.data.exists():
        parser.error(f"{choices.data} does not exist")
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory() as scratch:
        return report(measure(choices.data, Path(scratch), QUICK if choices.quick else Size()))


if __name__ == "__main__":
    sys.exit(main())
