"""Draws the character of models/tracking/drawing/head.py as the pictures of a take show the actor: RGB, uint8 S,S,3.

The picture is cut around the drawn face by the same rule as around the actor's: eyes level, the same margins.

Legend: P landmarks, M triangles.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from models.tracking.drawing.head import LOWER_LID, LOWER_LIP, UPPER_LID, UPPER_LIP, Head
from rushes.tracking.crop import rotation, square_of_landmarks
from rushes.tracking.face import UNITS
from rushes.tracking.head_pose import VERTICES

GROUND = (38, 41, 48)
SKIN, LIP, BROW, WHITE, INSIDE = (226, 180, 154), (186, 98, 92), (66, 44, 34), (244, 242, 236), (70, 20, 22)
IRIS, PUPIL, LASH, TONGUE = (66, 104, 128), (12, 14, 18), (52, 34, 28), (214, 110, 112)
LIGHT_3 = np.array([-0.42, 0.5, 0.75]) / np.linalg.norm([-0.42, 0.5, 0.75])
AMBIENT = 0.45
DISTANCE_CM = 60.0
MARGIN = 0.08  # of the pictures' sides, which is left out: the face fills more of them
FINER, SHIFT = 3, 4  # drawn so many times larger; bits of a fraction of a pixel
LIPS = (61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291, 409, 270, 269, 267, 0, 37, 39, 40, 185)
BROW_LEFT = (300, 293, 334, 296, 336, 285, 295, 282, 283, 276)
EYE_CM, IRIS_CM, PUPIL_CM = 1.25, 0.62, 0.28  # radius of the eyeball, of the iris and of the pupil
TONGUE_CM, TONGUE_FROM = np.array([1.1, 1.5]), 0.15
LASH_SHARE = 0.012  # of the picture's side
TONGUE_UNIT = UNITS.index("tongueOut")


def turn_of(head_deg: np.ndarray) -> np.ndarray:
    """Rotation 3,3 of yaw, pitch and roll with the signs of `rushes.tracking.face.HeadPose`; x left, y up, z front."""
    (sy, sp, sr), (cy, cp, cr) = np.sin(np.radians(head_deg)), np.cos(np.radians(head_deg))
    yaw_33, pitch_33 = [[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]], [[1, 0, 0], [0, cp, sp], [0, -sp, cp]]
    return np.asarray(np.array(yaw_33) @ pitch_33 @ [[cr, -sr, 0], [sr, cr, 0], [0, 0, 1]])


@dataclass(frozen=True)
class Mesh:
    """The head's mesh with each triangle cut into four, so that flat shading looks smooth.

    Attributes:
        edges_e2: Ends of each edge, in the middle of which a point is added.
        triangles_m3: Triangles of landmarks and added points.
        colours_m3: Their colours.
        behind_m: True for those of eyes and mouth, which lie behind the skin.
    """

    edges_e2: np.ndarray
    triangles_m3: np.ndarray
    colours_m3: np.ndarray
    behind_m: np.ndarray

    def finer(self, values_pk: np.ndarray) -> np.ndarray:
        """Values of the landmarks and of the added points."""
        return np.concatenate([values_pk, values_pk[self.edges_e2].mean(1)])


class Portrait:
    """Draws one head."""

    def __init__(self, head: Head, size_px: int) -> None:
        self.head, self.size_px = head, size_px
        self._mesh = _mesh(head)

    def draw(self, units_u: np.ndarray, angles_a: np.ndarray) -> np.ndarray:
        """Draws units, and angles in degrees: yaw, pitch and roll, then yaw and pitch of the left and the right eye.

        A value that is not known, NaN, counts as 0.
        """
        units_u, angles_a = np.clip(np.nan_to_num(units_u), 0, 1), np.nan_to_num(angles_a)
        turn_33 = turn_of(angles_a[:3])
        points_p3 = self.head.shape(units_u) @ turn_33.T
        view = _View.around(points_p3[:VERTICES], FINER * self.size_px)
        canvas_hw3 = np.full((view.size_px, view.size_px, 3), GROUND, np.uint8)
        mesh, normals_p3 = self._mesh, _normals(points_p3, self.head.triangles_m3)
        finer_p3, finer_normals_p3 = mesh.finer(points_p3), mesh.finer(normals_p3)
        for behind in (True, False):
            chosen = mesh.behind_m == behind
            _fill(canvas_hw3, view, finer_p3, mesh.triangles_m3[chosen], mesh.colours_m3[chosen], finer_normals_p3)
            if behind:
                self._draw_eyes(canvas_hw3, view, turn_33, angles_a[3:].reshape(2, 2))
        self._draw_lashes(canvas_hw3, view, points_p3, normals_p3)
        self._draw_tongue(canvas_hw3, view, points_p3, turn_33, float(units_u[TONGUE_UNIT]))
        return cv2.resize(canvas_hw3, (self.size_px, self.size_px), interpolation=cv2.INTER_AREA)

    def empty(self) -> np.ndarray:
        """The picture where there is no face."""
        return np.full((self.size_px, self.size_px, 3), GROUND, np.uint8)

    def _draw_eyes(self, canvas_hw3: np.ndarray, view: _View, turn_33: np.ndarray, gaze_deg: np.ndarray) -> None:
        corners_p3 = self.head.rest_p3[[UPPER_LID[0], UPPER_LID[-1]]]
        middle_3 = corners_p3.mean(0) - (0.0, -0.05, EYE_CM - 0.15)
        for side, angles_2 in zip((1.0, -1.0), gaze_deg, strict=True):
            # The disc of the iris lies on the eyeball, at a right angle to the line of sight.
            look_33 = turn_of(np.array([angles_2[0], angles_2[1], 0.0]))
            for radius_cm, colour in ((IRIS_CM, IRIS), (PUPIL_CM, PUPIL)):
                disc_k3 = _circle(20) * radius_cm + (0.0, 0.0, EYE_CM)
                points_k3 = (disc_k3 @ look_33.T + middle_3 * (side, 1.0, 1.0)) @ turn_33.T
                cv2.fillConvexPoly(canvas_hw3, view.fixed(points_k3), colour, cv2.LINE_AA, SHIFT)

    def _draw_lashes(self, canvas_hw3: np.ndarray, view: _View, points_p3: np.ndarray, normals_p3: np.ndarray) -> None:
        for ring in (list(UPPER_LID), self.head.right_of(UPPER_LID)):
            if normals_p3[ring, 2].min() > 0:  # the nose hides the far eye of a head that is turned away
                line_k2, width = view.fixed(points_p3[ring]), round(LASH_SHARE * view.size_px)
                cv2.polylines(canvas_hw3, [line_k2], False, LASH, width, cv2.LINE_AA, SHIFT)

    def _draw_tongue(
        self, canvas_hw3: np.ndarray, view: _View, points_p3: np.ndarray, turn_33: np.ndarray, out: float
    ) -> None:
        if not out > TONGUE_FROM:
            return
        middle_3 = points_p3[LOWER_LIP[len(LOWER_LIP) // 2]] + turn_33 @ (0.0, 0.3 - 0.9 * out, 0.3)
        points_k3 = _circle(20) * (*(TONGUE_CM * (0.5 + 0.5 * out)), 1.0) @ turn_33.T + middle_3
        cv2.fillConvexPoly(canvas_hw3, view.fixed(points_k3), TONGUE, cv2.LINE_AA, SHIFT)


@dataclass(frozen=True)
class _View:
    """Camera of a square picture around a face."""

    middle_2: np.ndarray
    turn_22: np.ndarray
    scale: float
    size_px: int

    @classmethod
    def around(cls, points_p3: np.ndarray, size_px: int) -> _View:
        square = square_of_landmarks(np.column_stack([_flat(points_p3), np.zeros(len(points_p3))]))
        scale = size_px / square.side_px / (1 - 2 * MARGIN)
        return cls(np.array(square.middle_px), rotation(square.roll_rad), scale, size_px)

    def fixed(self, points_k3: np.ndarray) -> np.ndarray:
        """Points in the picture, int32 K,2, with SHIFT bits of a fraction."""
        points_k2 = (_flat(points_k3) - self.middle_2) @ self.turn_22 * self.scale + self.size_px / 2 - 0.5
        return np.asarray(np.round(points_k2 * (1 << SHIFT)), np.int32)


def _flat(points_p3: np.ndarray) -> np.ndarray:
    """Points as a camera sees them: x to the right, y down."""
    return np.asarray(points_p3[:, :2] * (1.0, -1.0) / (1 - points_p3[:, 2:] / DISTANCE_CM))


def _fill(
    canvas_hw3: np.ndarray, view: _View, points_p3: np.ndarray, triangles_m3: np.ndarray, colours_m3: np.ndarray,
    normals_p3: np.ndarray,
) -> None:  # fmt: skip
    """Fills shaded triangles that show their front, the farthest first."""
    flat_m32 = view.fixed(points_p3)[triangles_m3]
    side_m2, other_m2 = flat_m32[:, 1] - flat_m32[:, 0], flat_m32[:, 2] - flat_m32[:, 0]
    is_front_m = side_m2[:, 0].astype(np.int64) * other_m2[:, 1] < side_m2[:, 1].astype(np.int64) * other_m2[:, 0]
    normals_m3 = normals_p3[triangles_m3].mean(1)
    normals_m3 /= np.linalg.norm(normals_m3, axis=1, keepdims=True) + 1e-9
    light_m1 = AMBIENT + (1 - AMBIENT) * np.clip(normals_m3 @ LIGHT_3, 0, 1)[:, None]
    shaded_m3 = np.clip(colours_m3 * light_m1, 0, 255).round().astype(int).tolist()
    order_m = np.argsort(points_p3[triangles_m3, 2].mean(1), kind="stable")
    for place in order_m[is_front_m[order_m]].tolist():
        cv2.fillConvexPoly(canvas_hw3, flat_m32[place], shaded_m3[place], cv2.LINE_8, SHIFT)


def _normals(points_p3: np.ndarray, triangles_m3: np.ndarray) -> np.ndarray:
    """Normals of points: those of the triangles around them, by area."""
    corner_m33 = points_p3[triangles_m3]
    own_m3 = np.cross(corner_m33[:, 1] - corner_m33[:, 0], corner_m33[:, 2] - corner_m33[:, 0])
    normals_p3 = np.zeros_like(points_p3)
    np.add.at(normals_p3, triangles_m3.ravel(), np.repeat(own_m3, 3, 0))
    return np.asarray(normals_p3 / (np.linalg.norm(normals_p3, axis=1, keepdims=True) + 1e-9))


def _mesh(head: Head) -> Mesh:
    edges_e2, triangles_m3 = _in_four(head.triangles_m3, len(head.rest_p3))
    finer_p3 = np.concatenate([head.rest_p3, head.rest_p3[edges_e2].mean(1)])
    middles_m2 = finer_p3[triangles_m3].mean(1)[:, :2]
    folded_m2 = np.column_stack([np.abs(middles_m2[:, 0]), middles_m2[:, 1]])  # both brows on one side
    is_face_m = np.repeat((head.triangles_m3 < VERTICES).all(1), 4)
    colours_m3, behind_m = np.tile(np.array(SKIN, float), (len(triangles_m3), 1)), np.zeros(len(triangles_m3), bool)
    for points_m2, ring, colour in ((middles_m2, LIPS, LIP), (folded_m2, BROW_LEFT, BROW)):
        colours_m3[is_face_m & _inside(points_m2, head.rest_p3[list(ring)])] = colour
    eye = *UPPER_LID, *LOWER_LID
    for hole, colour in ((eye, WHITE), (head.right_of(eye), WHITE), ((*UPPER_LIP, *LOWER_LIP), INSIDE)):
        is_in_m = np.repeat(np.isin(head.triangles_m3, hole).all(1), 4)
        colours_m3[is_in_m], behind_m[is_in_m] = colour, True
    return Mesh(edges_e2, triangles_m3, colours_m3, behind_m)


def _in_four(triangles_m3: np.ndarray, points: int) -> tuple[np.ndarray, np.ndarray]:
    """Edges E,2, and triangles over the points and the middles of the edges, four in place of each."""
    sides_k2 = np.sort(triangles_m3[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), 1)
    edges_e2, places_k = np.unique(sides_k2, axis=0, return_inverse=True)
    a_m, b_m, c_m = triangles_m3.T
    ab_m, bc_m, ca_m = points + places_k.reshape(-1, 3).T
    corners_43m = np.array([[a_m, ab_m, ca_m], [ab_m, b_m, bc_m], [ca_m, bc_m, c_m], [ab_m, bc_m, ca_m]])
    return edges_e2, corners_43m.transpose(2, 0, 1).reshape(-1, 3)


def _inside(points_m2: np.ndarray, ring_k3: np.ndarray) -> np.ndarray:
    ring_k2 = ring_k3[:, None, :2].astype(np.float32)
    return np.array([cv2.pointPolygonTest(ring_k2, point, measureDist=False) > 0 for point in points_m2.tolist()])


def _circle(count: int) -> np.ndarray:
    """Points K,3 of the unit circle, seen from the front."""
    angles = np.linspace(0, 2 * np.pi, count, endpoint=False)
    return np.column_stack([np.cos(angles), np.sin(angles), np.zeros(count)])
