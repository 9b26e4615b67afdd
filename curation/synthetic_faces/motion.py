"""Motion of a face: curves of the 52 units, of the eyes and of the head, as an actor's range of motion has them.

A take is one of three kinds: units alone and up to four at a time over their whole range; speech; and the expressions
of `takes`, eased in and out. Blinks, looks and turns of the head run beside all of them. The curves are polynomials, so
that they are the same numbers on every processor.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from curation.synthetic_faces.takes import LABELS, express
from rushes.tracking.face import UNITS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Poses = Callable[[int, np.random.Generator], list[dict[str, float]]]

SINGLE = (
    "browInnerUp", "cheekPuff", "jawForward", "jawLeft", "jawOpen", "jawRight", "mouthClose", "mouthFunnel",
    "mouthLeft", "mouthPucker", "mouthRight", "mouthRollLower", "mouthRollUpper", "mouthShrugLower",
    "mouthShrugUpper", "tongueOut",
)  # fmt: skip
PAIRED = (
    "browDown", "browOuterUp", "cheekSquint", "eyeBlink", "eyeSquint", "eyeWide", "mouthDimple", "mouthFrown",
    "mouthLowerDown", "mouthPress", "mouthSmile", "mouthStretch", "mouthUpperUp", "noseSneer",
)  # fmt: skip
SPEECH = {"jawOpen": 0.5, "mouthFunnel": 0.5, "mouthPucker": 0.6, "mouthClose": 0.25, "mouthLowerDown": 0.5,
          "mouthUpperUp": 0.35, "mouthStretch": 0.35, "mouthRollLower": 0.4, "mouthPress": 0.5,
          "mouthShrugUpper": 0.3, "tongueOut": 0.3}  # fmt: skip
OPEN = {"mouthClose": 1.0, "tongueOut": 0.45}  # the least opening of the jaw for a unit, per unit of it
# Units that neither speech nor expressions move much: the range of motion has them twice as often as the others.
RARE = ("cheekPuff", "jawForward", "jawLeft", "jawRight", "mouthClose", "mouthDimple", "mouthLeft", "mouthRight",
        "mouthRollUpper", "mouthShrugUpper")  # fmt: skip
# Units that undo each other: their sum shows nothing that could be learned.
OPPOSED = ({"jawLeft", "jawRight"}, {"mouthLeft", "mouthRight"})
AT_ONCE, AT_REST = 4, 0.1  # units in a pose of the range of motion, at most; share of poses that are the face at rest
KIND_SHARES = {"range": 0.75, "speech": 0.1, "expression": 0.15}
ONE_SIDE = 0.5  # probability that a unit with two sides moves one of them alone, or one of them less
# The head: deviation and limits of yaw, pitch and roll, and of its place to the right, up and towards the camera.
TURN_DEG, MOST_TURN_DEG = np.array([14.0, 9.0, 7.0]), np.array([40.0, 25.0, 20.0])
SHIFT_CM, MOST_SHIFT_CM = np.array([0.8, 0.6, 1.0]), np.array([2.0, 1.5, 2.5])
# At most, as far as ARKit's eyeLook 1: a take of the real app has 0.60 rad to the side and 0.56 up and down.
MOST_GAZE_RAD = np.array([0.6, 0.56])
AHEAD = 0.3  # share of the looks that go straight ahead, about
BLINK_EVERY_S, BLINK_S = 2.5, 0.3
LIDS_CLOSED = 0.6  # weight of the mesh's eyeBlink at which the lids of most people meet


@dataclass(frozen=True)
class Motion:
    """Curves of a take, one row a frame; angles have the signs and axes of `rushes.tracking.face.HeadPose`.

    Attributes:
        units_tk: Weights in the order of UNITS, 0 to 1: as an animator reads them, where eyeBlink 1 is a closed eye.
        gaze_rad_t2: Yaw and pitch of both eyes, relative to the head.
        head_rad_t3: Yaw, pitch and roll of the head.
        shift_cm_t3: Place of the head: to the right in the image, up, and towards the camera.
    """

    units_tk: np.ndarray
    gaze_rad_t2: np.ndarray
    head_rad_t3: np.ndarray
    shift_cm_t3: np.ndarray

    def weights(self, frame: int, closing: float) -> dict[str, float]:
        """Weights of the mesh in a frame, without those that `pose` takes from the gaze.

        Args:
            frame: Number of the frame.
            closing: Weight of the mesh's eyeBlink at which the performer's eyes are closed.
        """
        weights = dict(zip(UNITS, map(float, self.units_tk[frame]), strict=True))
        return {
            name: weight * (closing if "eyeBlink" in name else 1)
            for name, weight in weights.items()
            if "eyeLook" not in name
        }


def draw_motion(times_s: np.ndarray, rng: np.random.Generator) -> Motion:
    """Draws the motion of a take at these times."""
    kind = str(rng.choice(list(KIND_SHARES), p=list(KIND_SHARES.values())))
    poses_of, hold_s, ease = KINDS[kind]
    keys_s = _key_times(times_s, hold_s, rng)
    values_kn = np.array([[pose.get(name, 0.0) for name in UNITS] for pose in poses_of(len(keys_s), rng)])
    for name, share in OPEN.items():
        open_k = share * rng.uniform(1.0, 1.3, len(keys_s)) * values_kn[:, UNITS.index(name)]
        values_kn[:, UNITS.index("jawOpen")] = np.maximum(values_kn[:, UNITS.index("jawOpen")], open_k)
    units_tk = _eased(times_s, keys_s, np.clip(values_kn, 0, 1), ease)
    blink_t = _blinks(times_s, rng)
    for side in ("Left", "Right"):
        blink, wide = UNITS.index(f"eyeBlink{side}"), UNITS.index(f"eyeWide{side}")
        units_tk[:, blink] = np.maximum(units_tk[:, blink], blink_t)
        units_tk[:, wide] *= 1 - units_tk[:, blink]  # wide eyes close as far as others
    gaze_rad_t2 = _gaze(times_s, rng)
    for name, weights_t in _looks(gaze_rad_t2).items():
        units_tk[:, UNITS.index(name)] = weights_t
    head_rad_t3 = np.radians(_wander(times_s, TURN_DEG, MOST_TURN_DEG, rng))
    return Motion(units_tk, gaze_rad_t2, head_rad_t3, _wander(times_s, SHIFT_CM, MOST_SHIFT_CM, rng))


def _key_times(times_s: np.ndarray, hold_s: tuple[float, float], rng: np.random.Generator) -> np.ndarray:
    """Times of the poses, from before the first frame to after the last."""
    count = int((times_s[-1] - times_s[0]) / hold_s[0]) + 3
    return np.asarray(times_s[0] - hold_s[1] + np.cumsum(rng.uniform(*hold_s, count)))


def _eased(times_s: np.ndarray, keys_s: np.ndarray, values_kn: np.ndarray, ease: float) -> np.ndarray:
    """Values at each time: a move to the next key in a share of the time between both, without a jerk."""
    before_t = np.clip(np.searchsorted(keys_s, times_s, side="right") - 1, 0, len(keys_s) - 2)
    way_t = (times_s - keys_s[before_t]) / (keys_s[before_t + 1] - keys_s[before_t]) / ease
    way_t1 = _smooth(way_t)[:, None]
    return np.asarray(values_kn[before_t] * (1 - way_t1) + values_kn[before_t + 1] * way_t1)


def _smooth(way: np.ndarray) -> np.ndarray:
    """From 0 to 1 with a slope of 0 at both ends."""
    way = np.clip(way, 0, 1)
    return np.asarray(way * way * (3 - 2 * way))


def _wander(times_s: np.ndarray, spread_n: np.ndarray, most_n: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Curves of the head, which hardly ever stands still."""
    keys_s = _key_times(times_s, (0.5, 1.5), rng)
    values_kn = np.clip(rng.normal(0, spread_n, (len(keys_s), len(spread_n))), -most_n, most_n)
    return _eased(times_s, keys_s, values_kn, 1.0)


def _gaze(times_s: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Curves of the gaze: it jumps, and then rests."""
    keys_s = _key_times(times_s, (0.3, 1.2), rng)
    share_kn = rng.uniform(-1, 1, (len(keys_s), 2))
    ahead_k = rng.random(len(keys_s)) < AHEAD
    share_kn[ahead_k] *= 0.1
    return _eased(times_s, keys_s, share_kn * MOST_GAZE_RAD, 0.2)


def _blinks(times_s: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Closure of the eyes by blinks, and now and then by eyes that stay closed for a while."""
    closed_t, at_s = np.zeros(len(times_s)), times_s[0] - rng.uniform(0, BLINK_EVERY_S)
    while at_s < times_s[-1]:
        still_s = 0.0 if rng.random() < 0.7 else rng.uniform(0.3, 0.9)  # noqa: PLR2004  # share
        depth = 1.0 if rng.random() < 0.7 else rng.uniform(0.2, 1)  # noqa: PLR2004  # share
        length_s = BLINK_S * rng.uniform(0.7, 1.4)
        # Lids close faster than they open: in 0.35 and 0.5 of a blink.
        closing_t = _smooth((times_s - at_s) / (0.35 * length_s))
        opening_t = _smooth((at_s + length_s + still_s - times_s) / (0.5 * length_s))
        closed_t = np.maximum(closed_t, depth * np.minimum(closing_t, opening_t))
        at_s += still_s + rng.uniform(0.3, 1.7) * BLINK_EVERY_S
    return closed_t


def _looks(gaze_rad_t2: np.ndarray) -> dict[str, np.ndarray]:
    """Weights of the eyeLook units; both eyes look the same way."""
    left_t, up_t = np.clip(gaze_rad_t2 / MOST_GAZE_RAD, -1, 1).T
    right_t, down_t = np.maximum(-left_t, 0), np.maximum(-up_t, 0)
    left_t, up_t = np.maximum(left_t, 0), np.maximum(up_t, 0)
    return {
        "eyeLookOutLeft": left_t, "eyeLookInRight": left_t, "eyeLookInLeft": right_t, "eyeLookOutRight": right_t,
        "eyeLookUpLeft": up_t, "eyeLookUpRight": up_t, "eyeLookDownLeft": down_t, "eyeLookDownRight": down_t,
    }  # fmt: skip


def _range_poses(count: int, rng: np.random.Generator) -> list[dict[str, float]]:
    """Units alone and up to four at a time over their whole range, from a shuffled deck; and the face at rest."""
    poses: list[dict[str, float]] = []
    deck: list[str] = []
    while len(poses) < count:
        if rng.random() < AT_REST:
            poses.append({})
            continue
        most, chosen = int(rng.integers(1, AT_ONCE + 1)), list[str]()
        while len(chosen) < most:
            deck = deck or [str(name) for name in rng.permutation([*SINGLE, *PAIRED, *RARE])]
            if any(deck[-1] in pair and pair & {*chosen} for pair in OPPOSED) or deck[-1] in chosen:
                break  # it starts the next pose
            chosen.append(deck.pop())
        # One in five goes to its end.
        poses.append(_sides({name: min(rng.uniform(0.2, 1.2), 1.0) for name in chosen}, rng))
    return poses


def _speech_poses(count: int, rng: np.random.Generator) -> list[dict[str, float]]:
    poses = []
    for _ in range(count):
        chosen = [str(name) for name in rng.choice(list(SPEECH), 3, replace=False)]
        poses.append(_sides({name: SPEECH[name] * rng.uniform(0.2, 1.4) for name in chosen}, rng, one_side=0.0))
    return poses


def _expression_poses(count: int, rng: np.random.Generator) -> list[dict[str, float]]:
    poses = []
    for _ in range(count):
        weights = express(LABELS[int(rng.integers(len(LABELS)))], rng)
        # express weighs the mesh.
        poses.append({name: weight / (LIDS_CLOSED if "eyeBlink" in name else 1) for name, weight in weights.items()})
    return poses


# Poses, seconds from one to the next, and the share of that time that the move to it takes.
KINDS: Mapping[str, tuple[Poses, tuple[float, float], float]] = {
    "range": (_range_poses, (0.3, 0.8), 0.6),
    "speech": (_speech_poses, (0.1, 0.25), 1.0),
    "expression": (_expression_poses, (0.3, 0.8), 0.6),
}


def _sides(weights: Mapping[str, float], rng: np.random.Generator, one_side: float = ONE_SIDE) -> dict[str, float]:
    """Splits units into their sides."""
    sides: dict[str, float] = {}
    for name, weight in weights.items():
        if name in SINGLE:
            sides[name] = weight
            continue
        left, right = 1 + rng.normal(0, 0.08), 1 + rng.normal(0, 0.08)
        if rng.random() < one_side:
            less = max(rng.uniform(-2, 1), 0.0)  # two thirds of them do not move the other side at all
            left, right = (left, less) if rng.random() < 0.5 else (less, right)  # noqa: PLR2004  # either
        sides[f"{name}Left"], sides[f"{name}Right"] = weight * left, weight * right
    return sides
