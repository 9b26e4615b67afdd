"""The set: inputs and targets of every frame with a face, in runs that share a state.

    FOLDER/inputs-SPLIT.npy    float32 T,I: components of the landmarks, then the fitted angles in 30 degrees
    FOLDER/targets-SPLIT.npy   float32 T,U+A: units, and true less fitted angles in 30 degrees; NaN where not known
    FOLDER/runs-SPLIT.npy      int64 R,2: first frame and number of frames of each run
    FOLDER/components.npy      float32 I-A,P: the components, see models/tracking/components.py

Legend: R runs, T frames, I inputs, P landmark coordinates, U units, A angles.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from curation.face_networks import LANDMARKER
from curation.store.sample_set import SampleSet, write_set
from curation.store.take_fields import FIELDS
from models.tracking.components import Components, fit_components
from models.tracking.geometry import ANGLE_SCALE_DEG, mirrored_landmarks, upright
from rushes.errors import MisuseError
from rushes.tracking.face import LANDMARKS, UNITS
from rushes.tracking.head_pose import canonical_face
from rushes.tracking.tracker import HOLD_S, MOST_STEP_S

if TYPE_CHECKING:
    from pathlib import Path

    from common.assets import Read
    from models.tracking.params import AugmentParams

LEARNED = ("train", "validation")
# Units that MediaPipe's own network reads on rendered faces of known units with r of 0.5 and more (see benchmarks); the
# others are hardly moved by it, and teach nothing.
TAUGHT = (
    "browInnerUp", "browOuterUpLeft", "browOuterUpRight", "eyeBlinkLeft", "eyeBlinkRight", "eyeLookDownLeft",
    "eyeLookDownRight", "eyeLookInLeft", "eyeLookInRight", "eyeLookOutLeft", "eyeLookOutRight", "eyeLookUpLeft",
    "eyeLookUpRight", "eyeSquintLeft", "eyeSquintRight", "jawOpen", "mouthFunnel", "mouthLeft", "mouthPucker",
    "mouthRight", "mouthSmileLeft", "mouthSmileRight", "mouthUpperUpLeft", "mouthUpperUpRight", "browDownLeft",
    "browDownRight",
)  # fmt: skip
MIN_DEVIATION = 0.02  # of a unit, so that one that never moves does not count without limit
# A frame takes 44 KB while components are fitted, and 40 KB while its inputs are computed.
MOST_FRAMES, FRAMES_AT_ONCE = 20_000, 8192


def encode(clean: SampleSet, params: AugmentParams, folder: Path, read: Read) -> SampleSet:
    """Writes the set to `folder`: inputs and targets of the training and the validation split.

    Raises:
        MisuseError: A split has nothing to learn from.
    """
    table = clean.table[clean.table["kept"] & clean.table["split"].isin(LEARNED)]
    frames = {split: clean.frames(split) for split in LEARNED}
    targets = {split: targets_of(rows, teacher=params.teacher) for split, rows in frames.items()}
    runs = {split: _taught_runs(clean, split, np.isfinite(targets[split]).any(1)) for split in LEARNED}
    numbers = {split: np.concatenate(runs[split]) for split in LEARNED}
    targets = {split: targets[split][numbers[split]] for split in LEARNED}
    geometry = next(asset for asset in LANDMARKER if asset.role == "face_geometry")
    mirror = mirrored_landmarks(canonical_face(read(geometry)))
    # Frames of a film are much alike: of many, every n-th gives the same components.
    sampled = numbers["train"][:: -(-len(numbers["train"]) // MOST_FRAMES)]
    bounds = np.searchsorted(sampled, [*clean.kept("train")["offset"], len(frames["train"])])
    takes = list(zip(bounds[:-1], np.diff(bounds), strict=True))
    components = fit_components(landmarks_of(frames["train"][sampled]), takes, mirror, params.components)
    info = clean.info | {
        "taught": taught_frames(frames["train"], teacher=params.teacher),
        "mean": components.mean_p.tolist(),
        "std": components.std_p.tolist(),
        "signs": components.signs_k.tolist(),
        "deviation": (np.nan_to_num(np.nanstd(targets["train"], axis=0)) + MIN_DEVIATION).tolist(),
    }
    written = write_set(folder, table, {}, info)
    np.save(folder / "components.npy", components.vectors_kp)
    for split in LEARNED:
        parts = np.array_split(numbers[split], -(-len(numbers[split]) // FRAMES_AT_ONCE))
        np.save(
            folder / f"inputs-{split}.npy", np.concatenate([inputs_of(frames[split][n], components) for n in parts])
        )
        np.save(folder / f"targets-{split}.npy", targets[split])
        lengths = np.array([len(run) for run in runs[split]])
        np.save(folder / f"runs-{split}.npy", np.column_stack([lengths.cumsum() - lengths, lengths]))
    return written


def _taught_runs(clean: SampleSet, split: str, known_t: np.ndarray) -> list[np.ndarray]:
    """The runs of a split's takes that have a known target, by the numbers of their frames in the split's array."""
    rows, frames_tw = clean.kept(split), clean.frames(split)
    takes = zip(rows["offset"], rows["length"], strict=True)
    runs = [start + run for start, length in takes for run in runs_of(frames_tw[start : start + length])]
    taught = [run for run in runs if known_t[run].any()]
    if not taught:
        message = f"no take in {split} has curves, and tracking.augment.teacher is off: nothing can be learned"
        raise MisuseError(message, "set tracking.augment.teacher in params.yaml to true, or ingest takes with curves")
    return taught


def runs_of(frames_tw: np.ndarray) -> list[np.ndarray]:
    """Numbers of the frames of a take that have a face, in runs that share a state.

    As in `rushes.tracking.tracker`, frames without a face are left out, and a face that was lost for HOLD_S begins
    without a state.
    """
    seen_t, times_s = frames_tw[:, FIELDS["presence"]][:, 0] > 0, frames_tw[:, FIELDS["time_s"]][:, 0].astype(float)
    steps_s = np.minimum(np.diff(times_s, prepend=times_s[:1]), MOST_STEP_S)
    lost_s, numbers_t = np.where(seen_t, 0, steps_s).cumsum(), np.flatnonzero(seen_t)
    runs = np.split(numbers_t, np.flatnonzero(np.diff(lost_s[numbers_t]) >= HOLD_S) + 1)
    return [run for run in runs if len(run)]


def taught_frames(frames_tw: np.ndarray, *, teacher: bool) -> dict[str, int]:
    """Number of frames with a face that each teacher gives the units of: known curves, or MediaPipe's network."""
    seen_t = frames_tw[:, FIELDS["presence"]][:, 0] > 0
    known_t = seen_t & np.isfinite(frames_tw[:, FIELDS["units"]]).any(1)
    by_network = int((seen_t & ~known_t).sum()) if teacher else 0
    return {"curves": int(known_t.sum()), "MediaPipe's network": by_network}


def read_components(samples: SampleSet) -> Components:
    """The components of a set."""
    info = samples.info
    means_p, deviations_p, signs_k = (np.array(info[name], np.float32) for name in ("mean", "std", "signs"))
    return Components(means_p, deviations_p, np.load(samples.folder / "components.npy"), signs_k)


def landmarks_of(frames_tw: np.ndarray) -> np.ndarray:
    """Landmarks in the axes of the head, float32 T,P, of frames with the columns of `curation.store.take_fields`."""
    landmarks_tp3 = torch.from_numpy(np.array(frames_tw[:, FIELDS["landmarks_px"]])).reshape(-1, LANDMARKS, 3)
    return np.asarray(upright(landmarks_tp3).flatten(1).numpy())


def inputs_of(frames_tw: np.ndarray, components: Components) -> np.ndarray:
    """Inputs float32 T,I of frames with a face, with the columns of `curation.store.take_fields`."""
    angles_ta = angles_of(frames_tw, "fitted") / ANGLE_SCALE_DEG
    return np.concatenate([components.of(landmarks_of(frames_tw)), angles_ta], 1).astype(np.float32)


def angles_of(frames_tw: np.ndarray, kind: str = "") -> np.ndarray:
    """Angles of head and eyes T,A in degrees: the fitted ones, or the truth."""
    start = f"{kind}_" if kind else ""
    return np.concatenate([frames_tw[:, FIELDS[f"{start}head_deg"]], frames_tw[:, FIELDS[f"{start}gaze_deg"]]], 1)


def targets_of(frames_tw: np.ndarray, *, teacher: bool) -> np.ndarray:
    """Targets float32 T,U+A of frames; NaN where the truth is not known, nor the teacher's."""
    units_tu = np.array(frames_tw[:, FIELDS["units"]])
    if teacher:
        unknown_t = np.isnan(units_tu).all(1)
        columns = [UNITS.index(name) for name in TAUGHT]
        taught_tu = frames_tw[:, FIELDS["network_units"]]
        units_tu[np.ix_(unknown_t, columns)] = taught_tu[np.ix_(unknown_t, columns)]
    corrections_ta = (angles_of(frames_tw) - angles_of(frames_tw, "fitted")) / ANGLE_SCALE_DEG
    return np.concatenate([units_tu, corrections_ta], 1).astype(np.float32)


@dataclass(frozen=True)
class Takes:
    """Frames of a split, and where each take, or run of one, begins and how many frames it has."""

    inputs_ti: np.ndarray
    targets_tc: np.ndarray
    starts: np.ndarray
    lengths: np.ndarray

    def pieces(self, takes: np.ndarray, begins: np.ndarray, frames: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Pieces of takes of so many frames; beyond the end of a take its last frame is repeated, without targets."""
        within_nt = begins[:, None] + np.arange(frames)
        ended_nt = within_nt >= self.lengths[takes][:, None]
        rows_nt = self.starts[takes][:, None] + np.minimum(within_nt, self.lengths[takes][:, None] - 1)
        targets_ntc = self.targets_tc[rows_nt]
        targets_ntc[ended_nt] = np.nan
        return torch.from_numpy(self.inputs_ti[rows_nt]), torch.from_numpy(targets_ntc)


def takes_of(samples: SampleSet, split: str) -> Takes:
    """The runs of a split of a set; each is a take of its own."""
    inputs_ti, targets_tc, runs_r2 = (
        np.load(samples.folder / f"{name}-{split}.npy") for name in ("inputs", "targets", "runs")
    )
    return Takes(inputs_ti, targets_tc, *runs_r2.T)
