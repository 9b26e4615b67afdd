"""The puppet: a head with added eyeballs and hair, shaped like a person, animated and turned.

Suffixes of names: n vertices; m triangles; k columns; s points of an eyeball; l points of the falling hair.
"""

# NumPy's arithmetic is Any to mypy where dtypes are unknown.
# mypy: disable-error-code="no-any-return"
from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from curation.synthetic_faces.head import PART, Head
from curation.synthetic_faces.identity import Person, draw_person
from curation.synthetic_faces.paint import AXIS_CM, Canvas, Skin, hairline, paint, place, stretch
from curation.synthetic_faces.portable import rounded
from curation.synthetic_faces.rasterise import turn, vertex_normals
from curation.synthetic_faces.shade import Mesh

if TYPE_CHECKING:
    from collections.abc import Mapping

EYE_SHARE = 0.965  # of the helper's radius: a full sphere would protrude at the corners of the eye
PIVOT_CM = (0.0, 70.0, 6.0)  # the head turns about this point of the base mesh
# Part of the base mesh that the image is framed by: chin to forehead without the neck, as face detectors crop.
FRAME_LOW_CM, FRAME_HIGH_CM = (-7.0, 61.8, 9.0), (7.0, 79.5, 18.0)
ARCH_CM = 10.5  # centre of the dental arch
GAZE_PER_UNIT_RAD = 0.5  # rotation of an eye when its look unit is 1
LASHES_FROM = 0.5  # lashes above this are long enough to be drawn


@dataclass(frozen=True)
class Model:
    """Data shared by all images: the mesh with added eyeballs and locks, and the canvas.

    Attributes:
        head: The head in the wheel.
        canvas: The canvas of this head.
        triangles_m3: Corners: the head without its coarse eyes, then left eye, right eye and locks.
        part_m: Number of each triangle's part.
        fixed_nk: Fixed attributes of each vertex, as in Mesh.
        ball_s3: An eyeball of radius 1 that looks along z.
        locks_l3: Falling hair round the base mesh, in cm.
        frame_n: Vertices that the image is framed by.
    """

    head: Head
    canvas: Canvas
    triangles_m3: np.ndarray
    part_m: np.ndarray
    fixed_nk: np.ndarray
    ball_s3: np.ndarray
    locks_l3: np.ndarray
    frame_n: np.ndarray


def build_model(head: Head) -> Model:
    """Adds to the head what the wheel lacks: round eyeballs, and falling hair."""
    ball_s3, ball_m3 = _ball()
    locks_l3, locks_m3 = _locks()
    first = np.cumsum([len(head.points_n3), len(ball_s3), len(ball_s3)]).astype(np.int32)
    kept_m = ~np.isin(head.part_m, [PART["left_eye"], PART["right_eye"]])
    added = [(ball_m3 + first[0], "left_eye"), (ball_m3 + first[1], "right_eye"), (locks_m3 + first[2], "locks")]
    base_n3 = np.concatenate([head.points_n3, ball_s3, ball_s3, locks_l3])
    places_n2 = place(base_n3)
    skin_n = np.unique(head.triangles_m3[head.part_m == PART["skin"]])
    framed_n = ((base_n3[skin_n] > FRAME_LOW_CM) & (base_n3[skin_n] < FRAME_HIGH_CM)).all(axis=1)
    return Model(
        head,
        stretch(head),
        np.concatenate([head.triangles_m3[kept_m], *(triangles for triangles, _ in added)]),
        np.concatenate([head.part_m[kept_m], *(np.full(len(t), PART[name], np.uint8) for t, name in added)]),
        np.concatenate([places_n2, base_n3], axis=1),
        ball_s3,
        locks_l3,
        skin_n[framed_n],
    )


def _grid(rows: int, columns: int) -> np.ndarray:
    """Triangles of a grid of points."""
    corner = (np.arange(rows - 1)[:, None] * columns + np.arange(columns - 1)).reshape(-1, 1)
    return (corner + np.array([0, columns, 1, 1, columns, columns + 1])).reshape(-1, 3).astype(np.int32)


def _ball(rings: int = 13, spokes: int = 25) -> tuple[np.ndarray, np.ndarray]:
    """Sphere of radius 1 that looks along z, with a cornea."""
    off_axis, around = np.meshgrid(np.linspace(0, np.pi, rings), np.linspace(0, 2 * np.pi, spokes), indexing="ij")
    radius = 1 + 0.035 * np.exp(-((off_axis / 0.4) ** 2))
    ball_3 = np.stack([np.sin(off_axis) * np.cos(around), np.sin(off_axis) * np.sin(around), np.cos(off_axis)])
    return (radius * ball_3).reshape(3, -1).T.astype(np.float32), _grid(rings, spokes)


def _locks(rows: int = 14, columns: int = 61) -> tuple[np.ndarray, np.ndarray]:
    """Hair that falls behind the ears: a curtain round the back of the base mesh, in cm."""
    down, around = np.meshgrid(np.linspace(0, 1, rows), np.linspace(-2.05, 2.05, columns), indexing="ij")
    up = 83 - 8 * np.abs(around / 2.05) ** 3 - 33 * down
    full = np.clip(0.74 + 2.2 * down, 0, 1) + 0.14 * down + 0.025 * np.sin(9 * around + 5 * down)
    locks_3 = np.stack([9.4 * full * np.sin(around), up, 3.6 - 9.6 * full * np.cos(around)])
    return locks_3.reshape(3, -1).T.astype(np.float32), _grid(rows, columns)


@dataclass(frozen=True)
class Performer:
    """A person with a face: everything that all images of an identity share.

    Attributes:
        person: The identity.
        points_n3: The face at rest, in cm.
        hair_n3: Offset of the hair from the scalp, in cm.
        shift_3: Offset of this head from the base mesh, in cm.
        skin: The painted canvas.
    """

    person: Person
    points_n3: np.ndarray
    hair_n3: np.ndarray
    shift_3: np.ndarray
    skin: Skin


def cast(model: Model, seed: int, identity: int) -> Performer:
    """Draws an identity and builds its face at rest."""
    rng = np.random.default_rng([seed, identity])
    person = draw_person(model.head.details.names, rng)
    points_n3 = model.head.points_n3.copy()
    model.head.macros.move(points_n3, person.macros)
    model.head.details.move(points_n3, person.details)
    shift_3 = (points_n3[model.frame_n] - model.head.points_n3[model.frame_n]).mean(axis=0)
    return Performer(person, points_n3, _hair(model, person, points_n3), shift_3, paint(model.canvas, person, rng))


def _hair(model: Model, person: Person, points_n3: np.ndarray) -> np.ndarray:
    """Offset of the scalp by the volume of the hair, from the hairline back."""
    across_n, up_n = model.fixed_nk[: len(points_n3), :2].T
    # The offset rises smoothly from the hairline, is higher on one side of the parting, and excludes the ears.
    inside_cm = up_n - hairline(person, across_n)
    behind_n = np.clip(0.6 + across_n / 40, 0.6, 1) if person.hair.parting > 0 else np.clip(0.6 - across_n / 40, 0.6, 1)
    rise_n = np.clip((inside_cm - 0.7) / 4, 0, 1)
    share_n = rise_n**2 * (3 - 2 * rise_n) * (1 - np.clip(2 * model.head.ears_n, 0, 1)) * behind_n
    skin_n = np.zeros(len(points_n3), bool)
    skin_n[model.head.triangles_m3[model.head.part_m == PART["skin"]]] = True
    normals_n3 = vertex_normals(points_n3, model.head.triangles_m3)
    return (normals_n3 * (person.hair.volume_cm * share_n * skin_n)[:, None]).astype(np.float32)


def pose(
    model: Model,
    performer: Performer,
    units: Mapping[str, float],
    gaze_rad: np.ndarray,
    turn_rad: np.ndarray,
) -> Mesh:
    """Applies the expression, and turns the eyes and the head.

    Args:
        model: Data shared by all images.
        performer: The performer.
        units: Weights by face unit.
        gaze_rad: Rotation of the eyes to the head's left, and up.
        turn_rad: Yaw (to the head's left), pitch (down) and roll of the head.
    """
    # Expression first, then hair; eyeballs and locks are separate meshes that are appended.
    points_n3 = performer.points_n3.copy()
    model.head.units.move(points_n3, {**units, **_look(gaze_rad)})
    points_n3 += performer.hair_n3
    looking_s3 = turn(model.ball_s3, _turn(np.array([gaze_rad[0], -gaze_rad[1], 0.0])))
    balls = [_eyeball(model, performer, part) for part in ("left_eye", "right_eye")]
    eyes = [centre_3 + radius_cm * looking_s3 for centre_3, radius_cm in balls]
    whole_n3 = np.concatenate([points_n3, *eyes, model.locks_l3 + performer.shift_3])
    normals_n3 = np.concatenate([_normals(model, points_n3), looking_s3, looking_s3, _outward(model.locks_l3, AXIS_CM)])
    # Turn everything about the pivot, which becomes the origin of camera space.
    turn_33, shown_m = _turn(turn_rad), _shown(model, performer.person)
    return Mesh(
        turn(whole_n3 - (np.array(PIVOT_CM, np.float32) + performer.shift_3), turn_33),
        turn(normals_n3, turn_33),
        model.triangles_m3[shown_m],
        model.part_m[shown_m],
        model.fixed_nk,
        turn_33,
        model.frame_n,
    )


def turn_of(head_rad: np.ndarray) -> np.ndarray:
    """Argument `turn_rad` of `pose` for yaw (left), pitch (up) and roll as `rushes.tracking.face.HeadPose` has them.

    There each rotation is about the axes that those before it have moved, in `pose` about the axes of the camera.
    """
    yaw_rad, pitch_rad, roll_rad = head_rad
    turn_33 = _turn(np.array([-yaw_rad, pitch_rad, -roll_rad])).T.astype(np.float64)
    return np.array(
        [
            np.arctan2(-turn_33[2, 0], turn_33[2, 2]),
            np.arcsin(np.clip(turn_33[2, 1], -1, 1)),
            np.arctan2(-turn_33[0, 1], turn_33[1, 1]),
        ]
    )


def eyes_of(gaze_rad: np.ndarray) -> np.ndarray:
    """Argument `gaze_rad` of `pose` for a gaze in yaw (left), then pitch (up) about the axes that the yaw has moved."""
    (yaw_c, pitch_c), (yaw_s, pitch_s) = np.cos(gaze_rad), np.sin(gaze_rad)
    return np.array([np.arcsin(pitch_c * yaw_s), np.arctan2(pitch_s, pitch_c * yaw_c)])


def _outward(points_n3: np.ndarray, axis_cm: float) -> np.ndarray:
    """Horizontal directions away from a vertical axis in the middle of the head, at z = axis_cm."""
    away_n3 = (points_n3 - np.array([0, 0, axis_cm], np.float32)) * np.array([1, 0, 1], np.float32)
    return away_n3 / rounded(np.linalg.norm, away_n3, axis=1, keepdims=True)


def _shown(model: Model, person: Person) -> np.ndarray:
    hidden = ([] if person.hair.falls else [PART["locks"]]) + ([] if person.lashes > LASHES_FROM else [PART["lash"]])
    return ~np.isin(model.part_m, hidden)


def _normals(model: Model, points_n3: np.ndarray) -> np.ndarray:
    """Normals of the mesh; teeth get those of a smooth arch, since the mesh has only blocks."""
    normals_n3 = vertex_normals(points_n3, model.head.triangles_m3)
    teeth_m = np.isin(model.head.part_m, [PART["upper_teeth"], PART["lower_teeth"]])
    teeth_n = np.unique(model.head.triangles_m3[teeth_m])
    normals_n3[teeth_n] = _outward(model.head.points_n3[teeth_n], ARCH_CM)
    return normals_n3


def _eyeball(model: Model, performer: Performer, part: str) -> tuple[np.ndarray, float]:
    """Centre and radius of an eye in cm, from the wheel's coarse one."""
    eye_n3 = performer.points_n3[np.unique(model.head.triangles_m3[model.head.part_m == PART[part]])]
    centre_3 = (eye_n3.min(axis=0) + eye_n3.max(axis=0)) / 2
    return centre_3, float(rounded(np.linalg.norm, eye_n3 - centre_3, axis=1).mean() * EYE_SHARE)


def _look(gaze_rad: np.ndarray) -> dict[str, float]:
    """Face units of the lids that follow the rotation of the eyes."""
    left, up = gaze_rad / GAZE_PER_UNIT_RAD
    moves = {"OutLeft": left, "InRight": left, "InLeft": -left, "OutRight": -left}
    moves |= {"UpLeft": up, "UpRight": up, "DownLeft": -up, "DownRight": -up}
    return {f"eyeLook{name}": max(float(weight), 0.0) for name, weight in moves.items()}


def _turn(turn_rad: np.ndarray) -> np.ndarray:
    """Rotation matrix for yaw, then pitch, then roll."""
    (yaw_c, pitch_c, roll_c), (yaw_s, pitch_s, roll_s) = np.cos(turn_rad), np.sin(turn_rad)
    yaw_33 = np.array([[yaw_c, 0, yaw_s], [0, 1, 0], [-yaw_s, 0, yaw_c]])
    pitch_33 = np.array([[1, 0, 0], [0, pitch_c, -pitch_s], [0, pitch_s, pitch_c]])
    roll_33 = np.array([[roll_c, -roll_s, 0], [roll_s, roll_c, 0], [0, 0, 1]])
    return (roll_33 @ pitch_33 @ yaw_33).astype(np.float32)
