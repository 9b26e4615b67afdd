"""A simple character: MediaPipe's canonical face, and what each of the 52 units does to it.

The character depends on no performer and no data, so the sheets of two models show the same, and a set without curves
has one as well. What units do is set by hand after ARKit's descriptions of them; the tongue, which the mesh lacks, and
the eyeballs are drawn by models/tracking/drawing/portrait.py.

Legend: P points: 468 landmarks, then those of the back of the head; U units; M triangles. Centimetres, x to the actor's
left, y up, z to the front.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from models.tracking.geometry import mirrored_landmarks, mirrored_units
from rushes.tracking.face import UNITS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rushes.tracking.head_pose import CanonicalFace

# Rings of landmarks from the outer corner of the left eye to the inner one; the row of skin above the upper lid.
UPPER_LID = (263, 466, 388, 387, 386, 385, 384, 398, 362)
LOWER_LID = (263, 249, 390, 373, 374, 380, 381, 382, 362)
FOLD = (467, 260, 259, 257, 258, 286, 414)
# The inner edge of the lips, from the actor's right corner of the mouth to the left one.
UPPER_LIP = (78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308)
LOWER_LIP = (78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308)
HINGE_CM, JAW_DEG = np.array([0.0, 0.0, -2.0]), 17.0
# The edge of the mesh, from the forehead to the actor's left.
OVAL = (10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377,
        152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109)  # fmt: skip
BACK_CM, DEPTH_CM, CROWN_CM, RINGS = np.array([0.0, 1.0, -2.5]), 10.0, 3.0, 6
OPEN_CM = 0.5  # by which the eyes of the character are wider than those of the canonical face
MIRROR_3, APART_3 = np.array([-1.0, 1.0, 1.0]), np.array([0.0, 0.01, 0.0])
ALL, UPPER, LOWER = "all", "upper lip and above", "lower lip and below"

Move = tuple[str, tuple[float, float], float, tuple[float, float, float]]
# What moves, middle (x, y), radius, and displacement there; of sided units those of the left.
MOVES: dict[str, tuple[Move, ...]] = {
    "browDownLeft": ((ALL, (1.4, 4.5), 1.5, (-0.2, -0.75, 0.15)), (ALL, (4.0, 4.8), 1.6, (0.0, -0.5, 0.0))),
    "browInnerUp": ((ALL, (1.4, 4.6), 1.5, (0.0, 0.9, 0.0)), (ALL, (-1.4, 4.6), 1.5, (0.0, 0.9, 0.0))),
    "browOuterUpLeft": ((ALL, (4.6, 4.8), 1.8, (0.0, 0.95, 0.0)),),
    "cheekPuff": ((ALL, (4.6, -3.6), 2.0, (0.8, 0.0, 0.9)), (ALL, (-4.6, -3.6), 2.0, (-0.8, 0.0, 0.9))),
    "cheekSquintLeft": ((ALL, (3.8, 0.2), 1.6, (0.0, 0.55, 0.3)),),
    "mouthDimpleLeft": ((ALL, (2.6, -4.3), 1.2, (0.65, 0.1, -0.6)),),
    "mouthFrownLeft": ((ALL, (2.5, -4.7), 1.3, (0.1, -1.1, 0.0)),),
    "mouthFunnel": (
        (ALL, (2.5, -4.3), 1.3, (-0.8, 0.0, 0.4)), (ALL, (-2.5, -4.3), 1.3, (0.8, 0.0, 0.4)),
        (UPPER, (0.0, -3.7), 1.2, (0.0, 0.45, 0.8)), (LOWER, (0.0, -4.9), 1.2, (0.0, -0.5, 0.8)),
    ),
    "mouthLeft": ((ALL, (0.4, -4.4), 2.4, (1.0, 0.0, 0.0)),),
    "mouthLowerDownLeft": ((LOWER, (1.2, -4.8), 1.1, (0.1, -0.8, 0.0)),),
    "mouthPressLeft": ((UPPER, (1.2, -3.8), 1.2, (0.0, -0.2, -0.25)), (LOWER, (1.2, -4.9), 1.2, (0.0, 0.3, -0.25))),
    "mouthPucker": (
        (ALL, (2.5, -4.3), 1.5, (-1.15, 0.0, 0.5)), (ALL, (-2.5, -4.3), 1.5, (1.15, 0.0, 0.5)),
        (ALL, (0.0, -4.3), 1.4, (0.0, 0.0, 0.9)),
    ),
    "mouthRollLower": ((LOWER, (0.0, -4.8), 1.6, (0.0, 0.35, -0.6)),),
    "mouthRollUpper": ((UPPER, (0.0, -3.7), 1.6, (0.0, -0.3, -0.6)),),
    "mouthShrugLower": (
        (LOWER, (0.0, -5.0), 1.5, (0.0, 0.5, 0.4)), (LOWER, (0.0, -8.0), 1.6, (0.0, 0.5, 0.1)),
        (UPPER, (0.0, -3.8), 1.3, (0.0, 0.35, 0.2)),
    ),
    "mouthShrugUpper": ((UPPER, (0.0, -3.7), 1.4, (0.0, 0.45, 0.4)),),
    "mouthSmileLeft": ((ALL, (2.6, -4.2), 1.6, (1.05, 1.2, -0.6)), (ALL, (4.0, -1.4), 1.7, (0.1, 0.5, 0.4))),
    "mouthStretchLeft": ((ALL, (2.6, -4.5), 1.6, (1.1, -0.4, -0.6)),),
    "mouthUpperUpLeft": ((UPPER, (1.2, -3.7), 1.1, (0.1, 0.75, 0.0)),),
    "noseSneerLeft": (
        (ALL, (1.6, -0.8), 1.2, (0.1, 0.7, 0.0)), (UPPER, (1.4, -3.4), 1.1, (0.0, 0.4, 0.0)),
        (ALL, (1.2, 4.3), 1.1, (-0.1, -0.35, 0.1)),
    ),
}  # fmt: skip
# Shares of the way from the upper lid to the lower one, and of the lower lid to the upper one.
LIDS = {"eyeBlink": (0.9, 0.1), "eyeSquint": (0.15, 0.35), "eyeWide": (-0.35, -0.1), "cheekSquint": (0.0, 0.25),
        "eyeLookDown": (0.35, -0.1), "eyeLookUp": (-0.2, 0.0)}  # fmt: skip


@dataclass(frozen=True)
class Head:
    """The character.

    Attributes:
        rest_p3: Its points at rest.
        effects_up3: What each unit at 1 adds to them.
        triangles_m3: The mesh, which covers eyes and mouth too.
        mirror: For each landmark the one on the other side.
    """

    rest_p3: np.ndarray
    effects_up3: np.ndarray
    triangles_m3: np.ndarray
    mirror: list[int]

    def right_of(self, landmarks: Sequence[int]) -> list[int]:
        """The landmarks on the actor's right that mirror those on the left."""
        return [self.mirror[landmark] for landmark in landmarks]

    def shape(self, units_u: np.ndarray) -> np.ndarray:
        """Points P,3 of the face that looks straight ahead, with units from 0 to 1."""
        return np.asarray(self.rest_p3 + np.tensordot(units_u, self.effects_up3, 1))


def make_head(face: CanonicalFace) -> Head:
    """The character on MediaPipe's canonical face."""
    mirror = mirrored_landmarks(face)[: len(face.vertices_cm)]
    rest_p3 = _at_rest(face.vertices_cm, mirror)
    effects_up3 = _effects(rest_p3, mirror)
    back_p3, back_m3 = _back(rest_p3)
    # The back of the head stays where it is; its edge is that of the face, which moves.
    still_up3 = np.zeros((len(UNITS), *back_p3.shape))
    triangles_m3 = np.concatenate([face.triangles, back_m3])
    return Head(np.concatenate([rest_p3, back_p3]), np.concatenate([effects_up3, still_up3], 1), triangles_m3, mirror)


def _at_rest(vertices_p3: np.ndarray, mirror: list[int]) -> np.ndarray:
    """The canonical face with closed lips and wider eyes."""
    rest_p3, line_k3 = vertices_p3.copy(), _between_lips(vertices_p3)
    # A hair's breadth apart, so that `_lower` knows one lip from the other.
    rest_p3[list(UPPER_LIP[1:-1])] = line_k3[1:-1] + APART_3
    rest_p3[list(LOWER_LIP[1:-1])] = line_k3[1:-1] - APART_3
    up_p3 = _lids(vertices_p3, -1.0, 0.0)
    up_p3 *= OPEN_CM / np.abs(up_p3).max()
    return np.asarray(rest_p3 + up_p3 + up_p3[mirror] * MIRROR_3)


def _effects(rest_p3: np.ndarray, mirror: list[int]) -> np.ndarray:
    """Displacements U,P,3 of the landmarks of the face by each unit at 1."""
    lower_p = _lower(rest_p3)
    jaw_p = lower_p * _smooth((rest_p3[:, 2] + 2.0) / 4.5)
    chin_p1 = (jaw_p * np.exp(-((rest_p3[:, 0] / 4.5) ** 2)))[:, None]
    opened_p3 = jaw_p[:, None] * _opened(rest_p3)
    # Lips that stay closed while the jaw opens: three quarters of the way are the lower lip's.
    near_lips_p = np.exp(-(((rest_p3[:, :2] - (0.0, -4.4)) / (2.6, 1.5)) ** 2).sum(1))
    closed_p1 = (near_lips_p * (0.25 - lower_p))[:, None]
    effects = {unit: np.zeros_like(rest_p3) for unit in UNITS}
    for unit, moves in MOVES.items():
        effects[unit] += sum(_moved(rest_p3, lower_p, move) for move in moves)
    for unit, shares in LIDS.items():
        effects[f"{unit}Left"] += _lids(rest_p3, *shares)
    effects["jawOpen"] += opened_p3
    effects["mouthClose"] += closed_p1 * opened_p3[LOWER_LIP[len(LOWER_LIP) // 2]]
    effects["jawForward"] += chin_p1 * (0.0, -0.1, 1.1)
    effects["jawLeft"] += chin_p1 * (1.3, 0.0, 0.0)
    effects_up3 = np.stack([effects[unit] for unit in UNITS])
    # The right side mirrors the left one; a unit of both sides keeps its own.
    is_right_u11 = np.array(["Right" in unit for unit in UNITS])[:, None, None]
    return np.where(is_right_u11, effects_up3[mirrored_units()][:, mirror] * MIRROR_3, effects_up3)


def _back(rest_p3: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Points and triangles of the back of the head: quarters of ellipses from the edge of the face to one point."""
    edge_k3, count = rest_p3[list(OVAL)] - BACK_CM, len(OVAL)
    angles = np.linspace(0, np.pi / 2, RINGS + 1)[1:]
    rings = []
    for angle in angles:
        up_k = np.sin(2 * angle) * np.clip(edge_k3[:, 1] / 7, 0, 1)
        back_3, crown_k3 = np.array([0.0, 0.0, -DEPTH_CM]), CROWN_CM * up_k[:, None] * (0.0, 1.0, 0.0)
        rings.append(np.cos(angle) * edge_k3 + np.sin(angle) * back_3 + crown_k3 + BACK_CM)
    ids = np.concatenate([[OVAL], len(rest_p3) + np.arange(RINGS * count).reshape(RINGS, count)])
    right = np.roll(ids, -1, axis=1)
    first, last = [ids[:-1], right[:-1], ids[1:]], [right[:-1], right[1:], ids[1:]]
    return np.concatenate(rings), np.concatenate([np.stack(part, -1).reshape(-1, 3) for part in (first, last)])


def _lids(rest_p3: np.ndarray, upper: float, lower: float) -> np.ndarray:
    """Displacements of the lids of the left eye that close shares of it."""
    moved_p3 = np.zeros_like(rest_p3)
    way_n3 = rest_p3[list(LOWER_LID)] - rest_p3[list(UPPER_LID)]
    moved_p3[list(UPPER_LID[1:-1])] = upper * way_n3[1:-1]
    moved_p3[list(LOWER_LID[1:-1])] = -lower * way_n3[1:-1]
    moved_p3[list(FOLD)] = 0.45 * upper * way_n3[1:-1]
    return moved_p3


def _between_lips(points_p3: np.ndarray) -> np.ndarray:
    return np.asarray(points_p3[list(UPPER_LIP)] / 2 + points_p3[list(LOWER_LIP)] / 2)


def _lower(rest_p3: np.ndarray) -> np.ndarray:
    """1 for landmarks of the lower lip and below it, 0 for those above the mouth, smooth beside it."""
    line_k3 = _between_lips(rest_p3)
    below_p = np.interp(rest_p3[:, 0], line_k3[:, 0], line_k3[:, 1]) - rest_p3[:, 1]
    # At the corners the change takes 2 cm, between the lips it is sudden.
    beside_p = np.clip((np.abs(rest_p3[:, 0]) - 1.6) / 0.8, 0.01, 1)
    return _smooth(below_p / (2.0 * beside_p) + 0.5)


def _opened(rest_p3: np.ndarray) -> np.ndarray:
    """Displacements by a jaw that turns about its hinge."""
    cos, sin = np.cos(np.radians(JAW_DEG)), np.sin(np.radians(JAW_DEG))
    off_p3 = rest_p3 - HINGE_CM
    turn_33 = np.array([[1, 0, 0], [0, cos, -sin], [0, sin, cos]])
    return np.asarray(off_p3 @ turn_33.T - off_p3)


def _moved(rest_p3: np.ndarray, lower_p: np.ndarray, move: Move) -> np.ndarray:
    part, middle_2, radius_cm, along_3 = move
    share_p = {ALL: np.ones_like(lower_p), UPPER: 1 - lower_p, LOWER: lower_p}[part]
    near_p = np.exp(-((rest_p3[:, :2] - middle_2) ** 2).sum(1) / radius_cm**2)
    return np.asarray((share_p * near_p)[:, None] * along_3)


def _smooth(way: np.ndarray) -> np.ndarray:
    """From 0 to 1 with a slope of 0 at both ends."""
    way = np.clip(way, 0, 1)
    return np.asarray(way * way * (3 - 2 * way))
