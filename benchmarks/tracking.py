"""Units read from landmarks against MediaPipe's own network: on held-out takes, by the size of the set, on real clips.

    python -m benchmarks.tracking [--takes build/clean/takes] [--bundle build/tracking/bundle]
                                  [--data CLIP_OR_ARCHIVE] [--shares 0.25 0.5 1] [--keep FOLDER] [--quick]

- held-out: mean correlation of the 52 units with the truth over that of MediaPipe's units, on the test split;
- learning curve: the same after training on a share of each take's frames, with the params of params.yaml; the number
  of frames stands in its name;
- clips, with --data: correlation with MediaPipe's units, on those of its ten surest ones that move in the clip; and the
  mean second difference of all units over that of MediaPipe's. Neither is filtered. The ten are those with the highest
  correlation with the truth on the test split.

Figures go to standard output, one per line; what is of no ratio goes to standard error.
"""

from __future__ import annotations

import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
import torch
import yaml

from benchmarks.support.capture.clips import given_films
from benchmarks.support.command import new_parser, quiet
from benchmarks.support.figures import Figure, report
from benchmarks.support.within import trained
from compression.search.candidate import reference
from curation.store.sample_set import SampleSet, write_take_set
from curation.store.take_fields import FIELDS
from models.tracking.definition import family
from models.tracking.moments import correlations, sums_in, sums_of
from models.tracking.score import MeanCorrelation, score
from registry.assets import read_asset
from rushes.bundle.manifest import read_bundle
from rushes.tracking.face import UNITS
from rushes.tracking.landmarks import open_landmarks
from rushes.tracking.model import open_model

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rushes.bundle.manifest import Bundle

SUREST, MOVES = 10, 0.03  # of MediaPipe's units; least standard deviation of one that moves
GOAL, CLIP_GOAL, JITTER_GOAL = 0.65, 0.8, 1.0


@dataclass(frozen=True)
class ReadClip:
    """Units of the same frames, by the model and by MediaPipe's network: float32 T,52."""

    own_tu: np.ndarray
    network_tu: np.ndarray

    def correlation(self, units: Sequence[int]) -> float:
        """Mean correlation over those of some units that move."""
        moving = [unit for unit in units if self.network_tu[:, unit].std() >= MOVES]
        each = [np.corrcoef(self.own_tu[:, unit], self.network_tu[:, unit])[0, 1] for unit in moving]
        return float(np.mean(each)) if each else 0.0

    def jitters(self) -> tuple[float, float]:
        """Mean second difference of the model's units, and of MediaPipe's."""
        own, network = (float(np.abs(np.diff(units_tu, 2, axis=0)).mean()) for units_tu in
                        (self.own_tu, self.network_tu))  # fmt: skip
        return own, network


def held_out(bundle: Bundle, takes: SampleSet) -> tuple[float, float]:
    """Mean correlations with the truth on the test split: the model's, and MediaPipe's."""
    scores = score(bundle, takes, "test", read_asset)
    r_u = correlations(sums_in(scores.rows))
    weakest = ", ".join(f"{UNITS[unit]} {r_u[unit]:.2f}" for unit in np.argsort(np.nan_to_num(r_u, nan=1.0))[:5])
    figures = ", ".join(f"{name} {value:.3f}" for name, value in scores.metrics.items())
    print(f"# {figures}; weakest: {weakest}", file=sys.stderr, flush=True)
    return MeanCorrelation()(scores.rows), scores.metrics["network_mean_r"]


def surest_units(takes: SampleSet) -> list[int]:
    """MediaPipe's ten surest units, by their correlation with the truth on the test split."""
    frames_tw = np.array(takes.frames("test"))
    truth_tu = torch.from_numpy(np.float64(frames_tw[:, FIELDS["units"]]))
    network_tu = torch.from_numpy(np.float64(frames_tw[:, FIELDS["network_units"]])).nan_to_num()
    r_u = correlations(sums_of(network_tu, truth_tu).numpy())
    return [int(unit) for unit in np.argsort(-np.nan_to_num(r_u))[:SUREST]]


def first_frames(takes: SampleSet, share: float, folder: Path) -> SampleSet:
    """The set with the first frames of each take of train and validation, a share of them."""
    table, arrays, pictures = takes.table.copy(), {}, {}
    for split in ("train", "validation", "test"):
        rows, frames = takes.kept(split), takes.frames(split)
        lengths = rows["length"] if split == "test" else np.maximum(2, (share * rows["length"]).astype(int))
        parts = [frames[start : start + length] for start, length in zip(rows["offset"], lengths, strict=True)]
        arrays[split], pictures[split] = np.concatenate(parts), np.array(takes.thumbnails(split))
        placed = rows.assign(length=lengths, offset=np.cumsum(lengths) - lengths).set_index("id")
        for column in ("length", "offset"):
            table[column] = table["id"].map(placed[column]).fillna(table[column]).astype(int)
    return write_take_set(folder, table, arrays, pictures, takes.info)


def learned(takes: SampleSet, folder: Path, *, short: bool) -> Bundle:
    """The float bundle of a training on a set, with the params of params.yaml."""
    given = yaml.safe_load(Path("params.yaml").read_text(encoding="utf-8"))[family.name]
    if short:
        given["train"]["epochs"] = 1
    params = family.params.model_validate(given)
    samples = family.augment(takes, params.augment, folder / "set", read_asset)
    network = trained(family, params.train, samples, folder / "train").network
    reference(family, network, samples, params.compress, folder / "reference", read_asset)
    return read_bundle(folder / "reference")


def read_clip(bundle: Bundle, clip: Path, frames: int) -> ReadClip:
    """Reads the first frames of a clip with a face, by both networks, from the same landmarks."""
    model, landmarks, film = open_model(bundle), open_landmarks(bundle), cv2.VideoCapture(str(clip))
    tracker, rate, rows = model.tracker(smoothing=None), film.get(cv2.CAP_PROP_FPS) or 25.0, []
    for number in range(frames):
        is_read, frame_bgr = film.read()
        if not is_read:
            break
        face = next((face for face in tracker.track(frame_bgr, number / rate) if face.state == "tracked"), None)
        if face is not None:
            rows.append((face.units, landmarks.units(face.landmarks_px)))
    film.release()
    own, network = zip(*rows, strict=True) if rows else ((), ())
    return ReadClip(np.array(own).reshape(-1, len(UNITS)), np.array(network).reshape(-1, len(UNITS)))


def main(words: list[str] | None = None) -> int:
    """Prints the figures; 0 if every goal is reached."""
    parser = new_parser("tracking", __doc__)
    parser.add_argument("--takes", type=Path, default=Path("build/clean/takes"), help="a clean set of takes")
    parser.add_argument("--bundle", type=Path, default=Path("build/tracking/bundle"), help="the model to judge")
    parser.add_argument("--data", type=Path, help="a clip, a folder of clips or a .tar of them")
    parser.add_argument("--shares", type=float, nargs="*", default=[], help="shares of the frames to train on")
    parser.add_argument("--keep", type=Path, help="folder for the trainings; a second call continues")
    choices = parser.parse_args(words)
    quiet()
    takes, bundle = SampleSet(choices.takes), read_bundle(choices.bundle)
    own, network = held_out(bundle, takes)
    figures = [Figure("held-out takes: mean correlation of the units", [own], [1.0], GOAL, at_most=False)]
    with tempfile.TemporaryDirectory() as scratch:
        folder = choices.keep or Path(scratch)
        for share in choices.shares:
            part = first_frames(takes, share, folder / f"takes-{share:g}")
            made = learned(part, folder / f"share-{share:g}", short=choices.quick)
            name = f"trained on {len(part.frames('train')):,} frames: mean correlation"
            figures.append(Figure(name, [held_out(made, takes)[0]], [network], 1.0, at_most=False))
        units = surest_units(takes)
        for clip in given_films(choices.data, Path(scratch)) if choices.data else ():
            found = read_clip(bundle, clip, 100 if choices.quick else 2000)
            if len(found.own_tu) < 3:  # noqa: PLR2004  # frames of a second difference
                continue
            name, r = f"{clip.name}, {len(found.own_tu)} frames", found.correlation(units)
            figures.append(Figure(f"{name}: correlation with MediaPipe", [r], [1.0], CLIP_GOAL, at_most=False))
            own, network = found.jitters()
            figures.append(Figure(f"{name}: second difference", [own], [network], JITTER_GOAL, at_most=True))
    return report(figures)


if __name__ == "__main__":
    sys.exit(main())
