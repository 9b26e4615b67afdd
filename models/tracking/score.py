"""Scores of an exported bundle on takes: correlation of each unit with the truth, and errors of head and gaze.

Every frame with a face goes through the bundle's own graph with the state of its run (see `encode.runs_of`), as the
runtime does it. Legend: T frames, U units, A angles, K sums.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import torch

from curation.face_networks import LANDMARKER
from curation.store.take_fields import FIELDS, pictured_frames
from models.components.held_out import held_out
from models.family import Scores
from models.tracking.draw import CURVES, HEADS, TakeCurves, curves_picture, frames_of, name_of
from models.tracking.drawing.head import make_head
from models.tracking.drawing.portrait import Portrait
from models.tracking.encode import angles_of, runs_of
from models.tracking.geometry import ANGLES
from models.tracking.moments import SUMS, correlations, mean_r, sums_in, sums_of
from rushes.inference.session import open_graph
from rushes.tracking.face import LANDMARKS, UNITS
from rushes.tracking.head_pose import canonical_face

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from common.assets import Read
    from curation.store.sample_set import SampleSet
    from rushes.bundle.manifest import Bundle

WEAK = 0.3  # a unit with a lower correlation does not follow the actor
SHOWN_TAKES, SHOWN_WORST, SHOWN_BEST = 4, 6, 3
SHOWN_FRAMES = 160  # of a take, for curves: where the unit moves most
HEAD_PX = 116
ANGLE_NAMES = ("yaw", "pitch", "roll", "gaze", "gaze", "gaze", "gaze")


@dataclass(frozen=True)
class ReadTake:
    """A take as the graph reads it, and what is known of it; frames without a face are left out.

    Attributes:
        units_tu: Outputs.
        angles_ta: Outputs, in degrees.
        frames_tw: Columns of `curation.store.take_fields`.
        numbers_t: Number of each frame in the take.
        length: Number of frames of the whole take.
    """

    units_tu: np.ndarray
    angles_ta: np.ndarray
    frames_tw: np.ndarray
    numbers_t: np.ndarray
    length: int

    def truth_tu(self) -> np.ndarray:
        """True units."""
        return self.frames_tw[:, FIELDS["units"]]

    def network_tu(self) -> np.ndarray:
        """Units of MediaPipe's own network."""
        return self.frames_tw[:, FIELDS["network_units"]]

    def whole(self, values_t: np.ndarray) -> np.ndarray:
        """Values over the whole take, NaN where there is no face."""
        whole_t = np.full((self.length, *values_t.shape[1:]), np.nan)
        whole_t[self.numbers_t] = values_t
        return whole_t


def score(bundle: Bundle, samples: SampleSet, split: str, read: Read) -> Scores:
    """Scores a bundle on a split.

    Returns:
        rows: One a take: id, group, source, label, the sums of each unit (`SUM:UNIT`), and sums and counts of the
            absolute errors of the angles.
        metrics: mean_r and least_r, units_below_03, the same mean of MediaPipe's own units (network_mean_r), mean
            absolute errors in degrees with and without correction, and jitter_ratio (mean second difference of the
            units over that of MediaPipe's).
        arrays: Pictures for `models.tracking.draw`.

    Raises:
        ScoreError: The split is empty.
    """
    rows = held_out(samples, split)
    takes = read_takes(bundle, samples, split)
    table = pd.DataFrame([_row(row, take) for row, take in zip(rows.to_dict("records"), takes, strict=True)])
    return Scores(table, _metrics(table, takes), _pictures(table, rows, takes, read))


def read_takes(bundle: Bundle, samples: SampleSet, split: str) -> list[ReadTake]:
    """Runs the graph over all takes of a split, frame by frame."""
    rows, frames = samples.kept(split), samples.frames(split)
    session, state = open_graph(bundle.path("graph")), int(bundle.manifest.input["state"])
    takes = []
    for start, length in zip(rows["offset"], rows["length"], strict=True):
        frames_tw = np.array(frames[start : start + length])
        numbers_t = np.flatnonzero(frames_tw[:, FIELDS["presence"]][:, 0] > 0)
        firsts = {int(run[0]) for run in runs_of(frames_tw)}
        frames_tw = frames_tw[numbers_t]
        landmarks_tp3 = frames_tw[:, FIELDS["landmarks_px"]].reshape(-1, LANDMARKS, 3)
        fitted_ta = angles_of(frames_tw, "fitted")
        units, angles = [], []
        for number, landmarks_p3, fitted_a in zip(numbers_t.tolist(), landmarks_tp3, fitted_ta, strict=True):
            if number in firsts:
                state_1h = np.zeros((1, state), np.float32)
            given = {"landmarks": landmarks_p3[None], "angles": fitted_a[None], "state": state_1h}
            units_1u, angles_1a, state_1h = session.run(["units", "corrected", "next_state"], given)
            units.append(units_1u[0])
            angles.append(angles_1a[0])
        outputs = np.reshape(units, (len(frames_tw), len(UNITS))), np.reshape(angles, (len(frames_tw), ANGLES))
        takes.append(ReadTake(*outputs, frames_tw, numbers_t, int(length)))
    return takes


def _row(row: Mapping[Any, Any], take: ReadTake) -> dict[str, object]:
    sums_ku = _sums(take.units_tu, take.truth_tu())
    found: dict[str, object] = {name: row[name] for name in ("id", "group", "source", "label")}
    found |= {f"{name}:{unit}": value for name, sums_u in zip(SUMS, sums_ku, strict=True)
              for unit, value in zip(UNITS, sums_u.tolist(), strict=True)}  # fmt: skip
    truth_ta = angles_of(take.frames_tw)
    for kind, angles_ta in (("", take.angles_ta), ("fitted_", angles_of(take.frames_tw, "fitted"))):
        gaps_ta = np.abs(angles_ta - truth_ta)
        for name in dict.fromkeys(ANGLE_NAMES):
            gaps = gaps_ta[:, [one == name for one in ANGLE_NAMES]]
            found |= {
                f"{kind}{name}:error": float(np.nansum(gaps)),
                f"{kind}{name}:count": int((~np.isnan(gaps)).sum()),
            }
    return found


def _sums(outputs_tu: np.ndarray, truth_tu: np.ndarray) -> np.ndarray:
    return sums_of(torch.from_numpy(np.float64(outputs_tu)), torch.from_numpy(np.float64(truth_tu))).numpy()


def _metrics(table: pd.DataFrame, takes: Sequence[ReadTake]) -> dict[str, float]:
    r_u = correlations(sums_in(table))
    errors = {f"{name}_error_deg": _error(table, name) for name in ("yaw", "pitch", "roll", "gaze")}
    errors |= {f"fitted_{name}_error_deg": _error(table, f"fitted_{name}") for name in ("pitch", "gaze")}
    own = sum(_jitter(take.units_tu) for take in takes)
    network = sum(_jitter(take.network_tu()) for take in takes)
    return {
        MeanCorrelation.name: MeanCorrelation()(table),
        "least_r": float(np.nanmin(r_u)) if not np.isnan(r_u).all() else 0.0,
        "units_below_03": float((r_u < WEAK).sum()),
        "network_mean_r": mean_r(_network_sums(takes)),
        **{name: error for name, error in errors.items() if error is not None},
        "jitter_ratio": own / max(network, 1e-9),
    }


def _error(table: pd.DataFrame, name: str) -> float | None:
    """Mean absolute error of an angle in degrees; None if the truth is not known."""
    count = int(table[f"{name}:count"].sum())
    return float(table[f"{name}:error"].sum()) / count if count else None


def _jitter(units_tu: np.ndarray) -> float:
    """Sum of the second differences."""
    return float(np.abs(np.diff(units_tu, 2, axis=0)).sum())


class MeanCorrelation:
    """Mean over the units of the correlation with the truth: higher is better."""

    name = "mean_r"

    def __call__(self, rows: pd.DataFrame, weights: np.ndarray | None = None) -> float:
        """The metric over rows, each counted `weights` times."""
        return mean_r(sums_in(rows, weights))

    def worst(self, rows: pd.DataFrame, weights: np.ndarray | None = None) -> dict[str, float]:
        """The correlation of each unit that the truth moves."""
        r_u = correlations(sums_in(rows, weights))
        return {unit: float(r) for unit, r in zip(UNITS, r_u, strict=True) if not np.isnan(r)}

    def shared(self, first: pd.DataFrame, second: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Both tables unchanged: all models have the 52 units."""
        return first, second


def agreement_of_units(truth: np.ndarray, compressed: np.ndarray) -> dict[str, float]:
    """Difference between a compressed step and the trained one: its mean, and the correlation over all units.

    Args:
        truth: Units N,U of the trained network.
        compressed: Units N,U of the compressed graph.
    """
    return {
        "compressed_mean": float(np.abs(compressed - truth).mean()),
        "compressed_r": float(np.corrcoef(truth.ravel(), compressed.ravel())[0, 1]),
    }


def _pictures(table: pd.DataFrame, rows: pd.DataFrame, takes: Sequence[ReadTake], read: Read) -> dict[str, np.ndarray]:
    """Pictures for `models.tracking.draw`: curves, and heads of some takes."""
    geometry = next(asset for asset in LANDMARKER if asset.role == "face_geometry")
    portrait = Portrait(make_head(canonical_face(read(geometry))), HEAD_PX)
    heads = {
        f"{HEADS}{rows['id'][place]}": _heads(takes[place], frames_of(rows.iloc[place]), portrait)
        for place in shown_takes(table, takes)
    }
    return heads | {CURVES: _curves(table, [name_of(row) for _, row in rows.iterrows()], takes)}


def shown_takes(table: pd.DataFrame, takes: Sequence[ReadTake]) -> list[int]:
    """Places of the takes to show: those that move most, of different performers if there are, and the worst one."""
    seen = [place for place, take in enumerate(takes) if len(take.numbers_t)]
    motion = {place: float(_motion(takes[place]).sum()) for place in seen}
    r = {place: correlations(sums_in(table.iloc[[place]])) for place in seen}
    rated = [place for place in seen if not np.isnan(r[place]).all()]
    worst = min(rated, key=lambda place: float(np.nanmean(r[place])), default=None)
    # The n-th take of a performer comes after the (n - 1)-th ones of all, the worst one before all.
    shown = table.loc[seen, ["group"]].assign(motion=[np.inf if place == worst else motion[place] for place in seen])
    shown = shown.sort_values("motion", ascending=False, kind="stable")
    order = shown.groupby("group").cumcount().sort_values(kind="stable").index.tolist()[:SHOWN_TAKES]
    return order if worst is None else [*order[1:], worst]


def _heads(take: ReadTake, frames: int, portrait: Portrait) -> np.ndarray:
    """Heads by the model at the frames of the take's pictures, then those by the truth if it is known."""
    truth_ta = angles_of(take.frames_tw)
    kinds = [(take.units_tu, take.angles_ta)]
    if not np.isnan(take.truth_tu()).all():
        # Curves may lack head and gaze: there those of the model are shown.
        kinds.append((take.truth_tu(), np.where(np.isnan(truth_ta), take.angles_ta, truth_ta)))
    numbers = pictured_frames(np.isin(np.arange(take.length), take.numbers_t), frames)
    return np.stack([_head(take, number, kind, portrait) for kind in kinds for number in numbers])


def _head(take: ReadTake, number: int | None, kind: tuple[np.ndarray, np.ndarray], portrait: Portrait) -> np.ndarray:
    """The head in a frame; an empty picture where there is no face, or nothing is known of it."""
    places = np.flatnonzero(take.numbers_t == number)
    if not len(places) or np.isnan(kind[0][places[0]]).all():
        return portrait.empty()
    return portrait.draw(*(part[places[0]] for part in kind))


def _curves(table: pd.DataFrame, names: Sequence[str], takes: Sequence[ReadTake]) -> np.ndarray:
    """Pictures of the worst units and of the best ones; without truth of those that move most: uint8 N,H,W,3."""
    r_u, network_r_u = correlations(sums_in(table)), correlations(_network_sums(takes))
    motion_nu = np.array([_motion(take) for take in takes]).reshape(len(takes), len(UNITS))
    moving = [unit for unit in np.argsort(-motion_nu.sum(0), kind="stable").tolist() if motion_nu[:, unit].any()]
    rated = [unit for unit in np.argsort(r_u, kind="stable").tolist() if not np.isnan(r_u[unit])]
    if rated:  # takes without curves show nothing of them
        motion_nu[[np.isnan(take.truth_tu()).all() for take in takes]] = 0
    chosen = [*rated[:SHOWN_WORST], *rated[-SHOWN_BEST:]] if rated else moving[: SHOWN_WORST + SHOWN_BEST]
    pictures = []
    for unit in dict.fromkeys(chosen):
        most = [place for place in np.argsort(-motion_nu[:, unit], kind="stable") if motion_nu[place, unit] > 0]
        figures = f"   r {r_u[unit]:.2f}, MediaPipe's own {network_r_u[unit]:.2f}" if rated else ""
        shown = [_curve(names[place], takes[place], unit) for place in most[:SHOWN_TAKES]]
        pictures.append(curves_picture(UNITS[unit] + figures, shown))
    return np.stack(pictures) if pictures else np.zeros((0, 8, 8, 3), np.uint8)


def _motion(take: ReadTake) -> np.ndarray:
    """Deviation of each unit by the truth; by MediaPipe's network if no truth is known, and 0 without a face."""
    moving_tu = take.network_tu() if np.isnan(take.truth_tu()).all() else take.truth_tu()
    return np.asarray(np.ma.masked_invalid(moving_tu).std(0, dtype=np.float64).filled(0))


def _curve(name: str, take: ReadTake, unit: int) -> TakeCurves:
    """A unit in the part of a take in which it moves most."""
    parts = take.network_tu(), take.truth_tu(), take.units_tu
    network_t, truth_t, own_t = (take.whole(part_tu[:, unit]) for part_tu in parts)
    moving_t = network_t if np.isnan(truth_t).all() else truth_t
    peak = int(np.nanargmax(np.abs(moving_t - np.nanmedian(moving_t))))
    start = min(max(0, peak - SHOWN_FRAMES // 2), max(0, take.length - SHOWN_FRAMES))
    shown = slice(start, start + SHOWN_FRAMES)
    return TakeCurves(name, (truth_t[shown], network_t[shown], own_t[shown]))


def _network_sums(takes: Sequence[ReadTake]) -> np.ndarray:
    """The sums K,U of MediaPipe's own units."""
    nothing_ku = np.zeros((len(SUMS), len(UNITS)))
    return sum((_sums(take.network_tu(), take.truth_tu()) for take in takes), nothing_ku)
