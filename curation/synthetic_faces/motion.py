"""Motion of a face: curves of the 52 units, of the eyes and of the head, as an actor's range of motion has them.

A take is one of three kinds: units alone, in pairs and in threes over their whole range; speech; and the expressions of
`takes`, eased in and out. Blinks, looks and turns of the head run beside all of them. The curves are polynomials, so
that they are the same numbers on every processor.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from curation.synthetic_faces.takes import LABELS, express

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

SINGLE = (
    "browInnerUp", "cheekPuff", "jawForward", "jawLeft", "jawOpen", "jawRight", "mouthClose", "mouthFunnel",
    "mouthLeft", "mouthPucker", "mouthRight", "mouthRollLower", "mouthRollUpper", "mouthShrugLower",
    "mouthShrugUpper", "tongueOut",
)  # fmt: skip
PAIRED = (
    "browDown", "browOuterUp", "cheekSquint", "eyeSquint", "eyeWide", "mouthDimple", "mouthFrown", "mouthLowerDown",
    "mouthPress", "mouthSmile", "mouthStretch", "mouthUpperUp", "noseSneer",
)  # fmt: skip
SPEECH = {"jawOpen": 0.5, "mouthFunnel": 0.5, "mouthPucker": 0.6, "mouthClose": 0.25, "mouthLowerDown": 0.5,
          "mouthUpperUp": 0.35, "mouthStretch": 0.35, "mouthRollLower": 0.4, "mouthPress": 0.5,
          "mouthShrugUpper": 0.3, "tongueOut": 0.3}  # fmt: skip
OPEN = {"mouthClose": 1.0, "tongueOut": 0.45}  # opening of the jaw that goes with a unit, per unit of it
KINDS, KIND_SHARES = ("range", "speech", "expression"), (0.7, 0.15, 0.15)
ONE_SIDE = 0.25  # probability that a unit with two sides moves one of them alone
# The head's rest position, and how far it goes: yaw, pitch, roll.
TURN_DEG, MOST_TURN_DEG = np.array([14.0, 9.0, 6.0]), np.array([40.0, 25.0, 20.0])
GAZE_RAD, MOST_GAZE_RAD = np.array([0.2, 0.16]), np.array([0.5, 0.4])
BLINK_EVERY_S, BLINK_S = 2.5, 0.3
LIDS_CLOSED = 0.55  # weight of the mesh's eyeBlink at which the lids meet; beyond it they bulge


@dataclass(frozen=True)
class Motion:
    """Curves of a take, one row a frame.

    Attributes:
        names: Names of the units, K.
        units_tk: Weights, 0 to 1: as an animator reads them, where eyeBlink 1 is a closed eye.
        gaze_rad_t2: Rotation of the eyes to the head's left, and up.
        turn_rad_t3: Yaw (to the head's left), pitch (up) and roll of the head.
    """

    names: tuple[str, ...]
    units_tk: np.ndarray
    gaze_rad_t2: np.ndarray
    turn_rad_t3: np.ndarray

    def weights(self, frame: int) -> dict[str, float]:
        """Weights of the mesh in a frame."""
        weights = dict(zip(self.names, map(float, self.units_tk[frame]), strict=True))
        return {name: weight * (LIDS_CLOSED if "eyeBlink" in name else 1) for name, weight in weights.items()}


def draw_motion(names: Sequence[str], times_s: np.ndarray, rng: np.random.Generator) -> Motion:
    """Draws the motion of a take at these times."""
    kind = KINDS[int(rng.choice(len(KINDS), p=KIND_SHARES))]
    hold_s = (0.08, 0.25) if kind == "speech" else (0.3, 0.8)
    keys_s = _key_times(times_s, hold_s, rng)
    poses = [_POSES[kind](rng) for _ in keys_s]
    values_kn = np.array([[pose.get(name, 0.0) for name in names] for pose in poses])
    units_tk = _eased(times_s, keys_s, np.clip(values_kn, 0, 1))
    gaze_rad_t2 = _eased(
        times_s, keys := _key_times(times_s, (0.3, 1.2), rng), _normal(GAZE_RAD, MOST_GAZE_RAD, len(keys), rng)
    )
    turn_keys_s = _key_times(times_s, (0.5, 1.5), rng)
    turns_deg = _normal(TURN_DEG, MOST_TURN_DEG, len(turn_keys_s), rng)
    turn_rad_t3 = np.radians(_eased(times_s, turn_keys_s, turns_deg, share=1.0))
    columns = {name: number for number, name in enumerate(names)}
    blink_t = _blinks(times_s, rng)
    for side in ("Left", "Right"):
        column = columns[f"eyeBlink{side}"]
        units_tk[:, column] = np.maximum(units_tk[:, column], blink_t)
    for name, weights_t in _looks(gaze_rad_t2).items():
        units_tk[:, columns[name]] = weights_t
    return Motion(tuple(names), units_tk, gaze_rad_t2, turn_rad_t3)


def _key_times(times_s: np.ndarray, hold_s: tuple[float, float], rng: np.random.Generator) -> np.ndarray:
    """Times of the poses, from before the first frame to after the last."""
    count = int((times_s[-1] - times_s[0]) / hold_s[0]) + 3
    return np.asarray(times_s[0] - hold_s[1] + np.cumsum(rng.uniform(*hold_s, count)))


def _eased(times_s: np.ndarray, keys_s: np.ndarray, values_kn: np.ndarray, share: float = 0.6) -> np.ndarray:
    """Values at each time: a move to the next key in a share of the time between both, without a jerk."""
    before_t = np.clip(np.searchsorted(keys_s, times_s, side="right") - 1, 0, len(keys_s) - 2)
    way_t = np.clip((times_s - keys_s[before_t]) / (keys_s[before_t + 1] - keys_s[before_t]) / share, 0, 1)
    way_t1 = (way_t * way_t * (3 - 2 * way_t))[:, None]
    return np.asarray(values_kn[before_t] * (1 - way_t1) + values_kn[before_t + 1] * way_t1)


def _normal(spread_n: np.ndarray, most_n: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    return np.clip(rng.normal(0, spread_n, (count, len(spread_n))), -most_n, most_n)


def _blinks(times_s: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Closure of the eyes by blinks, and now and then by eyes that stay closed for a while."""
    closed_t, at_s = np.zeros(len(times_s)), times_s[0] - rng.uniform(0, BLINK_EVERY_S)
    while at_s < times_s[-1]:
        length_s = BLINK_S * (rng.uniform(0.6, 1.4) if rng.random() < 0.7 else rng.uniform(2, 4))  # noqa: PLR2004  # share
        off_t = np.abs(times_s - at_s) / (length_s / 2)
        depth = 1.0 if rng.random() < 0.7 else rng.uniform(0.2, 1)  # noqa: PLR2004  # share
        closed_t = np.maximum(closed_t, depth * np.clip(1.6 * (1 - off_t), 0, 1))
        at_s += rng.uniform(0.3, 1.7) * BLINK_EVERY_S
    return closed_t


def _looks(gaze_rad_t2: np.ndarray) -> dict[str, np.ndarray]:
    """Weights of the eyeLook units; both eyes look the same way."""
    left_t, up_t = (gaze_rad_t2 / MOST_GAZE_RAD).T
    return {
        "eyeLookOutLeft": np.clip(left_t, 0, 1), "eyeLookInRight": np.clip(left_t, 0, 1),
        "eyeLookInLeft": np.clip(-left_t, 0, 1), "eyeLookOutRight": np.clip(-left_t, 0, 1),
        "eyeLookUpLeft": np.clip(up_t, 0, 1), "eyeLookUpRight": np.clip(up_t, 0, 1),
        "eyeLookDownLeft": np.clip(-up_t, 0, 1), "eyeLookDownRight": np.clip(-up_t, 0, 1),
    }  # fmt: skip


def _range_pose(rng: np.random.Generator) -> dict[str, float]:
    """One to three units, over their whole range; now and then the face at rest."""
    if rng.random() < 0.15:  # noqa: PLR2004  # share
        return {}
    chosen = rng.choice(np.array([*SINGLE, *PAIRED, "eyeBlink"]), rng.integers(1, 4), replace=False)
    return _sides({str(name): rng.uniform(0.2, 1.0) for name in chosen}, rng)


def _speech_pose(rng: np.random.Generator) -> dict[str, float]:
    chosen = rng.choice(np.array(list(SPEECH)), 3, replace=False)
    return _sides({str(name): SPEECH[str(name)] * rng.uniform(0.2, 1.4) for name in chosen}, rng, one_side=0.0)


def _expression_pose(rng: np.random.Generator) -> dict[str, float]:
    weights = express(LABELS[int(rng.integers(len(LABELS)))], rng)
    # express weighs the mesh.
    return {name: weight / (LIDS_CLOSED if "eyeBlink" in name else 1) for name, weight in weights.items()}


_POSES = {"range": _range_pose, "speech": _speech_pose, "expression": _expression_pose}


def _sides(weights: Mapping[str, float], rng: np.random.Generator, one_side: float = ONE_SIDE) -> dict[str, float]:
    """Splits units into their sides, and opens the jaw for those that need it."""
    sides: dict[str, float] = {}
    for name, weight in weights.items():
        if name in SINGLE:
            sides[name] = weight
            continue
        left, right = 1 + rng.normal(0, 0.08), 1 + rng.normal(0, 0.08)
        if rng.random() < one_side:
            left, right = (left, 0.0) if rng.random() < 0.5 else (0.0, right)  # noqa: PLR2004  # either
        sides[f"{name}Left"], sides[f"{name}Right"] = weight * left, weight * right
    for name, share in OPEN.items():
        if name in sides:
            sides["jawOpen"] = max(sides.get("jawOpen", 0.0), share * sides[name] * rng.uniform(1.0, 1.3))
    return sides
