"""Materials and lighting: from a posed head to an image.

The image is rendered at a multiple of its size and scaled down. Directions are in camera space: x right, y up, z
towards the eye. Light is linear until the last step. Suffixes of names: h, w pixels; p covered pixels in reading order;
n vertices; m triangles.
"""

# NumPy's arithmetic is Any to mypy where dtypes are unknown.
# mypy: disable-error-code="no-any-return"
from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

from curation.synthetic_faces.head import PART
from curation.synthetic_faces.paint import AXIS_CM, RADIUS_CM, to_px
from curation.synthetic_faces.portable import rounded
from curation.synthetic_faces.rasterise import Surface, interpolate, rasterise, sample, turn
from curation.synthetic_faces.shot import CameraAndLight, frame

if TYPE_CHECKING:
    from curation.synthetic_faces.identity import Person

SHADOW_PX, SHADOW_CM = 176, 26.0  # shadow map: its size in pixels and in space
FOLD_SHADE = np.float32(0.35)
SHADOW_BIAS_CM, SHADOW_SOFT_CM = np.float32(0.55), np.float32(0.3)
SHADOW_TAPS_PX = np.array([(-0.7, -0.7), (0.7, -0.7), (-0.7, 0.7), (0.7, 0.7)], np.float32)
IRIS_RAD, PUPIL_RAD = 0.46, 0.17
TEETH_GAPS_CM = np.array([[0.0], [0.84], [1.5], [2.1], [2.5], [2.75], [2.95]], np.float32)
WET = [PART[name] for name in ("left_eye", "right_eye", "mouth", "tongue", "upper_teeth", "lower_teeth")]
SOFT = np.tile(np.array([[0.3], [0.16], [0.12]], np.float32), len(PART))  # wrap of diffuse light by part (column)
SOFT[:, WET] = 0.5
DIFFUSE = np.float32(0.62)
GLOSS = np.full(len(PART), 18, np.float32)  # Phong exponent by part
GLOSS[[PART["left_eye"], PART["right_eye"]]] = 160
MIDDLE = np.float32(0.5)  # pivot of the contrast
CASTS = np.isin(np.arange(len(PART)), [PART["skin"], PART["body"], PART["locks"]])  # shadows; other parts are inside
NO_SHADE_CM = np.float32(99)
# Depth offsets: lids win over eyes, and lips over the mouth, where a strong expression makes them intersect.
BEHIND_CM = np.zeros(len(PART), np.float32)
BEHIND_CM[[PART["left_eye"], PART["right_eye"], PART["socket"], PART["mouth"]]] = 0.3, 0.3, 0.4, 0.1
# Columns of Mesh.fixed_nk.
ACROSS, UP, BASE = 0, 1, slice(2, 5)


@dataclass(frozen=True)
class Mesh:
    """A posed head, ready to render.

    Attributes:
        points_n3: In cm, camera space, the pivot of the head at the origin.
        normals_n3: Unit normals, camera space.
        triangles_m3: Corners.
        part_m: Number of each triangle's part.
        fixed_nk: Fixed attributes of a vertex: its position on the canvas (2) and on the base mesh (3), both in cm;
            for an eye, the direction from its centre.
        turn_33: Rotation of the head, for directions that are fixed to it.
        face_n: Vertices that the image is framed by.
    """

    points_n3: np.ndarray
    normals_n3: np.ndarray
    triangles_m3: np.ndarray
    part_m: np.ndarray
    fixed_nk: np.ndarray
    turn_33: np.ndarray
    face_n: np.ndarray


@dataclass(frozen=True)
class Appearance:
    """Appearance of a performer's surface in one image.

    Attributes:
        person: The identity.
        paint_hw4: The canvas: colour, and strength of shine.
        folded_hw3: The canvas: depth of folds, and slope of the skin round the head and upwards.
    """

    person: Person
    paint_hw4: np.ndarray
    folded_hw3: np.ndarray


def shoot(mesh: Mesh, look: Appearance, shot: CameraAndLight, rng: np.random.Generator) -> np.ndarray:
    """Renders the image: uint8 (size, size, 3), BGR as for OpenCV."""
    display_hw3 = expose(mesh, look, shot, rng)
    return np.ascontiguousarray((np.clip(display_hw3, 0, 1) * 255 + np.float32(0.5)).astype(np.uint8)[..., ::-1])


def expose(mesh: Mesh, look: Appearance, shot: CameraAndLight, rng: np.random.Generator) -> np.ndarray:
    """Renders the image in sRGB, not yet quantised: float32 (size, size, 3), RGB, from 0 (black) to 1 (white)."""
    size_px = shot.background_hw3.shape[0]
    screen_n3, px_per_cm = frame(mesh.points_n3, mesh.face_n, shot)
    surface = rasterise(screen_n3, mesh.triangles_m3, size_px, behind_m=BEHIND_CM[mesh.part_m])
    open_hw = occlusion(surface, px_per_cm)
    light_hw3 = shot.background_hw3.copy()
    covered_hw = surface.covered_hw
    light_hw3[covered_hw] = _lit(mesh, look, shot, surface, open_hw[covered_hw]).T
    return _develop(light_hw3, shot, rng)


def occlusion(surface: Surface, px_per_cm: float) -> np.ndarray:
    """Ambient occlusion of each pixel, 1 (open) to about 0: points deeper than their surroundings get less light."""
    farthest = np.float32(surface.depth_hw[surface.covered_hw].max())
    depth_hw = np.minimum(surface.depth_hw, farthest)
    open_hw = np.ones_like(depth_hw)
    # Two scales: small hollows such as nostrils, and large ones such as eye sockets.
    for radius_cm, reach_cm, strength in ((0.5, 0.6, 0.6), (1.6, 2.4, 0.5)):
        radius_px = 2 * max(1, round(radius_cm * px_per_cm)) + 1
        around_hw = rounded(cv2.blur, depth_hw, ksize=(radius_px, radius_px), borderType=cv2.BORDER_REPLICATE)
        hollow_hw = depth_hw - around_hw
        open_hw *= 1 - np.float32(strength) * np.clip(hollow_hw / np.float32(reach_cm), 0, 1)
    return open_hw


def _lit(mesh: Mesh, look: Appearance, shot: CameraAndLight, surface: Surface, open_p: np.ndarray) -> np.ndarray:
    """Light that leaves each covered pixel (3, p)."""
    # Interpolate all vertex attributes over the visible surface.
    attributes_nk = np.concatenate([mesh.normals_n3, mesh.points_n3, mesh.fixed_nk], axis=1)
    attributes_kp = interpolate(attributes_nk, mesh.triangles_m3, surface)
    points_3p, fixed_kp = attributes_kp[3:6], attributes_kp[6:]
    part_p = mesh.part_m[surface.triangle_hw[surface.covered_hw]]
    # Material and bump-mapped normal of each pixel.
    albedo_3p, shine_p, slope_2p = _materials(part_p, fixed_kp, look, shot)
    normal_3p = _bump(_unit(attributes_kp[:3]), slope_2p, fixed_kp[ACROSS], mesh.turn_33)
    # Ambient, key and fill light times albedo; the key light is shadowed.
    key_p = _seen_by_light(mesh, shot.key_3, points_3p) * (0.35 + 0.65 * open_p)
    light_3p = albedo_3p * (
        _ambient(normal_3p, shot) * open_p
        + _diffuse(normal_3p, shot.key_3, part_p) * key_p * shot.key_rgb[:, None]
        + _diffuse(normal_3p, shot.fill_3, part_p) * open_p * shot.fill_rgb[:, None]
    )
    # Add the highlight of the key light, which has the colour of the light.
    view_3p = _unit(np.array([[0], [0], [shot.distance_cm]], np.float32) - points_3p)
    gloss_p = _specular(normal_3p, shot.key_3, view_3p, GLOSS[part_p]) * shine_p * key_p
    return light_3p + gloss_p * shot.key_rgb[:, None]


def _unit(vectors_3p: np.ndarray) -> np.ndarray:
    x_p, y_p, z_p = vectors_3p
    return vectors_3p / np.maximum(np.sqrt(x_p * x_p + y_p * y_p + z_p * z_p), np.float32(1e-9))


def _dot(first_3p: np.ndarray, second_3p: np.ndarray) -> np.ndarray:
    """Dot products; one operand may be a single direction (3)."""
    return first_3p[0] * second_3p[0] + first_3p[1] * second_3p[1] + first_3p[2] * second_3p[2]


def _ambient(normal_3p: np.ndarray, shot: CameraAndLight) -> np.ndarray:
    up_p = (normal_3p[1] + 1) / 2
    return shot.ground_rgb[:, None] + up_p * (shot.sky_rgb - shot.ground_rgb)[:, None]


def _diffuse(normal_3p: np.ndarray, direction_3: np.ndarray, part_p: np.ndarray) -> np.ndarray:
    """Lambert's law, wrapped round the terminator: light that enters skin leaves beside it, red the farthest."""
    soft_3p = SOFT[:, part_p]
    return np.clip((_dot(normal_3p, direction_3) + soft_3p) / (1 + soft_3p), 0, 1) * DIFFUSE


def _specular(
    normal_3p: np.ndarray,
    direction_3: np.ndarray,
    view_3p: np.ndarray,
    exponent_p: np.ndarray,
) -> np.ndarray:
    """Normalised Blinn-Phong highlight with Schlick's Fresnel term."""
    half_3p = _unit(view_3p + direction_3[:, None])
    sharp_p = rounded(np.power, np.clip(_dot(normal_3p, half_3p), 0, 1), exponent_p)
    grazing_p = 1 - np.clip(_dot(view_3p, half_3p), 0, 1)
    fresnel_p = 0.03 + 0.97 * grazing_p * grazing_p * grazing_p * grazing_p * grazing_p
    lit_p = np.clip(_dot(normal_3p, direction_3) * 4, 0, 1)
    return sharp_p * fresnel_p * lit_p * (exponent_p + 8) / 25


def _seen_by_light(mesh: Mesh, key_3: np.ndarray, points_3p: np.ndarray) -> np.ndarray:
    """Visibility of points from the key light, 0 to 1 with soft edges: a shadow map."""
    # Axes of the light's view, scaled to pixels of the map; depth stays in cm.
    side_3 = np.cross(np.array([0, 1, 0], np.float32), key_3)
    side_3 /= rounded(np.linalg.norm, side_3)
    scale_3 = np.array([SHADOW_PX / SHADOW_CM, -SHADOW_PX / SHADOW_CM, 1], np.float32)
    to_map_33 = np.stack([side_3, np.cross(key_3, side_3), -key_3]).astype(np.float32) * scale_3[:, None]
    middle_3 = np.array([SHADOW_PX / 2, SHADOW_PX / 2, 0], np.float32)
    seen_n3 = turn(mesh.points_n3, to_map_33) + middle_3
    # Depth of the nearest shadow caster in each pixel of the map.
    casting_m3 = mesh.triangles_m3[CASTS[mesh.part_m]]
    depth_hw = rasterise(seen_n3, casting_m3, SHADOW_PX, perspective=False).depth_hw
    depth_hw1 = np.minimum(depth_hw, NO_SHADE_CM)[..., None]
    # A point is lit if nothing is nearer to the light; average over four taps for soft edges.
    across_p, down_p, depth_p = (turn(points_3p.T, to_map_33) + middle_3).T
    seen_p = np.zeros_like(depth_p)
    for dx, dy in SHADOW_TAPS_PX:
        stored_p = sample(depth_hw1, across_p + dx, down_p + dy)[0]
        seen_p += np.clip((stored_p - depth_p + SHADOW_BIAS_CM) / SHADOW_SOFT_CM, 0, 1)
    return seen_p / np.float32(len(SHADOW_TAPS_PX))


def _bump(
    normal_3p: np.ndarray,
    slope_2p: np.ndarray,
    across_p: np.ndarray,
    turn_33: np.ndarray,
) -> np.ndarray:
    """Tilts normals by the slope of the canvas's relief."""
    # The slope round the head acts along the tangent of the cylinder, the other one along its axis.
    angle_p = across_p / np.float32(RADIUS_CM)
    cos_p, sin_p = rounded(np.cos, angle_p) * slope_2p[0], rounded(np.sin, angle_p) * slope_2p[0]
    tilt_3p = turn_33[:, :1] * cos_p - turn_33[:, 2:] * sin_p + turn_33[:, 1:2] * slope_2p[1]
    return _unit(normal_3p - tilt_3p)


def _materials(
    part_p: np.ndarray, fixed_kp: np.ndarray, look: Appearance, shot: CameraAndLight
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Albedo (3, p), shine (p) and slope of the relief (2, p) of the material in each pixel."""
    across_p, down_p = to_px(fixed_kp[ACROSS], fixed_kp[UP])
    paint_4p, fold_3p = sample(look.paint_hw4, across_p, down_p), sample(look.folded_hw3, across_p, down_p)
    paint_4p *= 1 - FOLD_SHADE * np.clip(fold_3p[0], 0, 1)  # folds are darker
    for name, (paint_of, shine) in MATERIALS.items():
        here_p = np.flatnonzero(part_p == PART[name])
        if len(here_p):
            paint_4p[:3, here_p] = paint_of(fixed_kp[BASE][:, here_p], look.person, shot)
            paint_4p[3, here_p], fold_3p[1:, here_p] = shine, 0
    return paint_4p[:3], paint_4p[3], fold_3p[1:]


def _column(*rgb: float) -> np.ndarray:
    return np.array(rgb, np.float32)[:, None]


def _eye(toward_3p: np.ndarray, person: Person, _shot: CameraAndLight) -> np.ndarray:
    """Eye colour: white that darkens towards the corners, an iris with streaks and a dark rim, a pupil."""
    x_p, y_p, z_p = _unit(toward_3p)
    angle_p = rounded(np.arccos, np.clip(z_p, -1, 1))
    white_3p = _column(0.72, 0.66, 0.63) * (1 - 0.25 * np.clip((angle_p - 0.5) / 0.8, 0, 1))
    around_p = 23 * rounded(np.arctan2, y_p, x_p) + 9 * rounded(np.sin, 5 * angle_p)
    streaks_p = 1 + 0.25 * rounded(np.sin, around_p)
    rim_p = np.clip(1.15 - rounded(np.power, angle_p / IRIS_RAD, 6), 0.15, 1)
    pupil_p = np.clip((angle_p - PUPIL_RAD) / 0.04 + 0.5, 0.03, 1)
    iris_p = np.clip((IRIS_RAD - angle_p) / 0.05 + 0.5, 0, 1)
    return white_3p + iris_p * (person.iris_rgb[:, None] * (streaks_p * rim_p * pupil_p) - white_3p)


def _teeth(base_3p: np.ndarray, gum_p: np.ndarray) -> np.ndarray:
    """Tooth colour with gaps between the teeth, dimmer towards the back, and gums."""
    gaps_p = rounded(np.exp, -(((np.abs(base_3p[0]) - TEETH_GAPS_CM) / 0.06) ** 2)).sum(axis=0)
    tooth_3p = _column(0.78, 0.72, 0.60) * (1 - 0.45 * gaps_p)
    gum_3p = _column(0.42, 0.13, 0.13)
    return _depth(base_3p, 14.6, 2.5) * (tooth_3p + np.clip(gum_p, 0, 1) * (gum_3p - tooth_3p))


def _depth(base_3p: np.ndarray, from_cm: float, fading_cm: float) -> np.ndarray:
    """Share of light that reaches a depth of the mouth."""
    return rounded(np.exp, -np.clip(from_cm - base_3p[2], 0, None) / np.float32(fading_cm))


def _upper_teeth(base_3p: np.ndarray, _person: Person, _shot: CameraAndLight) -> np.ndarray:
    return _teeth(base_3p, (base_3p[1] - 67.35) / 0.15)


def _lower_teeth(base_3p: np.ndarray, _person: Person, _shot: CameraAndLight) -> np.ndarray:
    return _teeth(base_3p, (65.3 - base_3p[1]) / 0.15)


def _mouth(base_3p: np.ndarray, person: Person, _shot: CameraAndLight) -> np.ndarray:
    """Colour of the mouth: inner lips near the front, darkness farther back."""
    return _depth(base_3p, 14.6, 1.4) * (0.5 * person.lips_rgb[:, None] + _column(0.12, 0.03, 0.03))


def _tongue(base_3p: np.ndarray, _person: Person, _shot: CameraAndLight) -> np.ndarray:
    return _depth(base_3p, 13.5, 2.0) * _column(0.42, 0.14, 0.13)


def _socket(_base_3p: np.ndarray, person: Person, _shot: CameraAndLight) -> np.ndarray:
    """Colour of the wet rims of the lids and the corner of the eye."""
    return person.skin_rgb[:, None] * _column(0.55, 0.3, 0.3)


def _lash(_base_3p: np.ndarray, person: Person, _shot: CameraAndLight) -> np.ndarray:
    return person.brow_rgb[:, None] * np.float32(0.4)


def _body(base_3p: np.ndarray, person: Person, shot: CameraAndLight) -> np.ndarray:
    """Colour of clothes up to the collar, of skin above it."""
    cloth_p = np.clip((58.2 - 0.1 * base_3p[2] - base_3p[1]) / 0.2, 0, 1)
    return person.skin_rgb[:, None] + cloth_p * (shot.cloth_rgb - person.skin_rgb)[:, None]


def _locks(base_3p: np.ndarray, person: Person, _shot: CameraAndLight) -> np.ndarray:
    """Colour of the hair that falls beside the neck, in strands."""
    round_p = rounded(np.arctan2, base_3p[0], base_3p[2] - np.float32(AXIS_CM))
    bent_p = 61 * round_p + 0.6 * rounded(np.sin, base_3p[1])
    wave_p = sum(rounded(np.sin, phase_p) for phase_p in (bent_p, 23 * round_p + 1.7, 131 * round_p))
    return person.hair_rgb[:, None] * (0.75 + 0.2 * wave_p)


# Colour function (of the position on the base mesh) and strength of shine of each part; skin has a canvas.
MATERIALS = {
    "left_eye": (_eye, 1.6),
    "right_eye": (_eye, 1.6),
    "upper_teeth": (_upper_teeth, 0.8),
    "lower_teeth": (_lower_teeth, 0.8),
    "mouth": (_mouth, 0.5),
    "tongue": (_tongue, 0.5),
    "socket": (_socket, 0.3),
    "lash": (_lash, 0.0),
    "body": (_body, 0.2),
    "locks": (_locks, 0.7),
}


def _develop(light_hw3: np.ndarray, shot: CameraAndLight, rng: np.random.Generator) -> np.ndarray:
    """Exposes, blurs, scales down, adds grain, and converts linear light to sRGB."""
    if shot.blur_px:
        light_hw3 = rounded(cv2.GaussianBlur, light_hw3, ksize=(0, 0), sigmaX=shot.blur_px * shot.oversample)
    if shot.oversample > 1:
        size_px = light_hw3.shape[0] // shot.oversample
        light_hw3 = rounded(cv2.resize, light_hw3, dsize=(size_px, size_px), interpolation=cv2.INTER_AREA)
    light_hw3 *= np.float32(shot.exposure)
    toned_hw3 = 1 - rounded(np.exp, -np.float32(1.5) * np.clip(light_hw3, 0, None))  # like film: highlights roll off
    display_hw3 = (rounded(np.power, toned_hw3, 1 / 2.2) - MIDDLE) * np.float32(shot.contrast) + MIDDLE
    return display_hw3 + np.float32(shot.noise) * rng.standard_normal(display_hw3.shape, np.float32)
