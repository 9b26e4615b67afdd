"""The set: inputs and targets of every frame.

    FOLDER/inputs-SPLIT.npy    float32 T,I: components of the landmarks, then the fitted angles in 30 degrees
    FOLDER/targets-SPLIT.npy   float32 T,U+A: units, and true less fitted angles in 30 degrees; NaN where not known
    FOLDER/components.npy      float32 I-A,P: the components, see models/tracking/components.py

Legend: N takes, T frames, I inputs, P landmark coordinates, U units, A angles.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from curation.face_networks import LANDMARKER
from curation.store.sample_set import SampleSet, write_set
from curation.store.take_fields import FIELDS, LANDMARKS
from models.tracking.components import Components, fit_components
from models.tracking.geometry import ANGLE_SCALE_DEG, mirrored_landmarks, upright
from rushes.tracking.face import UNITS
from rushes.tracking.head_pose import canonical_face

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


def encode(clean: SampleSet, params: AugmentParams, folder: Path, read: Read) -> SampleSet:
    """Writes the set to `folder`: inputs and targets of the training and the validation split."""
    table = clean.table[clean.table["kept"] & clean.table["split"].isin(LEARNED)]
    frames = {split: np.asarray(clean.frames(split)) for split in LEARNED}
    targets = {split: targets_of(rows, teacher=params.teacher) for split, rows in frames.items()}
    geometry = next(asset for asset in LANDMARKER if asset.role == "face_geometry")
    mirror = mirrored_landmarks(canonical_face(read(geometry)).vertices_cm)
    takes = list(zip(clean.kept("train")["offset"], clean.kept("train")["length"], strict=True))
    components = fit_components(landmarks_of(frames["train"]), takes, mirror, params.components)
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
        np.save(folder / f"inputs-{split}.npy", inputs_of(frames[split], components))
        np.save(folder / f"targets-{split}.npy", targets[split])
    return written


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
    """Inputs float32 T,I of frames with the columns of `curation.store.take_fields`; frames without a face are 0."""
    angles_ta = angles_of(frames_tw, "fitted") / ANGLE_SCALE_DEG
    inputs_ti = np.concatenate([components.of(landmarks_of(frames_tw)), angles_ta], 1)
    return np.asarray(np.nan_to_num(inputs_ti, nan=0.0), np.float32)


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
    targets_tc = np.concatenate([units_tu, corrections_ta], 1)
    targets_tc[frames_tw[:, FIELDS["presence"]][:, 0] <= 0] = np.nan
    return targets_tc.astype(np.float32)


@dataclass(frozen=True)
class Takes:
    """Frames of a split, and where each take begins and how many frames it has."""

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
    """The takes of a split of a set."""
    rows = samples.kept(split)
    inputs_ti, targets_tc = (np.load(samples.folder / f"{name}-{split}.npy") for name in ("inputs", "targets"))
    return Takes(inputs_ti, targets_tc, rows["offset"].to_numpy(int), rows["length"].to_numpy(int))
