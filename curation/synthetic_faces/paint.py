"""Paints skin, brows, lips and hair on a canvas that is wrapped round the head.

The canvas is a cylinder round the base mesh: across is the distance round the head in cm (0 is the middle of the face,
the head's left is positive), up is height in cm. A point keeps its place on the canvas whatever the expression, like a
tattoo. Colours are linear light. Suffixes of names: h, w pixels of the canvas; n vertices.
"""

# NumPy's arithmetic is Any to mypy where dtypes are unknown.
# mypy: disable-error-code="no-any-return"
from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import cv2
import numpy as np

from curation.synthetic_faces.head import PART, Head
from curation.synthetic_faces.portable import rounded
from curation.synthetic_faces.rasterise import interpolate, rasterise

if TYPE_CHECKING:
    from collections.abc import Iterable

    from curation.synthetic_faces.identity import Person

    Stroke = Iterable[tuple[float, float]]

PX_PER_CM = 12
AXIS_CM = 4.0  # distance of the cylinder's axis in front of the neck's
RADIUS_CM = 10.0  # cm a radian round the axis
LEFT_CM, TOP_CM = -20.0, 87.0
WIDTH_PX, HEIGHT_PX = 480, 336
SUBPIXEL_BITS = 4
FOLD_CM = np.float32(0.08)
MOTTLES = ((20, 0.05), (5, 0.035), (1, 0.04))  # spots of the skin: size in pixels, amplitude

# Landmarks of the base mesh on the canvas, in cm, for the head's left side.
UPPER_LID = ((1.65, 72.66), (2.1, 73.02), (2.6, 73.28), (3.15, 73.37), (3.7, 73.27), (4.15, 73.0), (4.45, 72.75))
LOWER_LID = ((1.9, 72.62), (2.4, 72.45), (3.1, 72.38), (3.7, 72.46), (4.2, 72.66), (4.45, 72.75))
CREASE = ((1.75, 73.1), (2.4, 73.65), (3.1, 73.85), (3.9, 73.7), (4.6, 73.15))
BROW = ((1.15, 74.45), (2.3, 74.9), (3.6, 75.15), (4.5, 74.95), (5.3, 74.35))
HAIRLINE = ((0, 80.9), (3, 80.8), (5, 80.2), (6.5, 78.6), (7.2, 76.6), (8.2, 75.0), (8.8, 72.0), (10, 70.5), (20, 63))

# Wrinkles: strokes and their width in cm; CREASING lists the units that deepen them.
WRINKLES: dict[str, tuple[float, tuple[Stroke, ...]]] = {
    "forehead": (
        0.16,
        (
            ((0, 76.5), (2, 76.7), (3.6, 76.7), (4.8, 76.2)),
            ((0, 77.5), (2, 77.75), (3.8, 77.7), (4.6, 77.4)),
            ((0, 78.6), (2, 78.8), (3.6, 78.7)),
        ),
    ),
    "frown": (0.15, (((0.5, 74.0), (0.55, 74.8), (0.7, 75.8)), ((0.2, 73.3), (0.9, 73.35)))),
    "nose": (
        0.13,
        (((0.2, 72.3), (0.8, 72.0), (1.3, 71.4)), ((0.3, 71.7), (0.9, 71.4), (1.3, 70.9)), ((0.2, 72.9), (0.9, 72.6))),
    ),
    "fold": (0.2, (((1.75, 69.5), (2.3, 68.7), (2.9, 67.5), (3.25, 66.5), (3.4, 65.6)),)),
    "crows": (
        0.11,
        (((4.9, 73.0), (5.6, 73.4), (6.2, 73.6)), ((4.9, 72.6), (6.0, 72.6)), ((4.8, 72.2), (5.4, 71.8), (5.9, 71.6))),
    ),
    "bag": (0.15, (((1.9, 72.1), (2.6, 71.6), (3.4, 71.45), (4.3, 71.9)),)),
    "corner": (0.15, (((2.75, 66.0), (3.0, 65.4), (3.0, 64.6)),)),
    "chin": (0.2, (((0, 64.7), (0.9, 64.7), (1.5, 64.4)),)),
}
# Wrinkles that a face unit deepens, with their weights.
CREASING: dict[str, dict[str, float]] = {
    "browInnerUp": {"forehead": 0.55},
    "browOuterUp": {"forehead": 0.5},
    "browDown": {"frown": 0.8},
    "noseSneer": {"nose": 0.8, "fold": 0.4, "frown": 0.15},
    "mouthSmile": {"fold": 0.6},
    "mouthUpperUp": {"fold": 0.4},
    "cheekSquint": {"crows": 0.6, "bag": 0.6},
    "eyeSquint": {"crows": 0.3, "bag": 0.3},
    "mouthFrown": {"corner": 0.7},
    "mouthStretch": {"corner": 0.35},
    "mouthShrugLower": {"chin": 0.7},
}
AGEING = {
    "forehead": 0.45,
    "frown": 0.3,
    "fold": 0.6,
    "crows": 0.5,
    "bag": 0.6,
    "corner": 0.4,
    "nose": 0.0,
    "chin": 0.1,
}


def place(points_n3: np.ndarray) -> np.ndarray:
    """Positions of base mesh points on the canvas, in cm (n, 2)."""
    round_n = rounded(np.arctan2, points_n3[:, 0], points_n3[:, 2] - AXIS_CM) * RADIUS_CM
    return np.stack([round_n, points_n3[:, 1]], axis=1).astype(np.float32)


def to_px(across_cm: np.ndarray, up_cm: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Converts canvas positions to pixels, right and down."""
    return (across_cm - np.float32(LEFT_CM)) * PX_PER_CM, (np.float32(TOP_CM) - up_cm) * PX_PER_CM


@dataclass(frozen=True)
class Canvas:
    """Masks that all identities share, each float32 (h, w), 0 to 1; those of wrinkles are cut to `creased`."""

    across_hw: np.ndarray
    height_hw: np.ndarray
    lips_hw: np.ndarray
    ears_hw: np.ndarray
    liner_hw: np.ndarray
    crease_hw: np.ndarray
    creased: tuple[slice, slice]
    wrinkles: dict[str, np.ndarray]


def stretch(head: Head) -> Canvas:
    """Creates the canvas of a head."""
    columns_w = (np.arange(WIDTH_PX, dtype=np.float32) + 0.5) / PX_PER_CM + LEFT_CM
    rows_h = TOP_CM - (np.arange(HEIGHT_PX, dtype=np.float32) + 0.5) / PX_PER_CM
    across_hw, height_hw = np.meshgrid(columns_w, rows_h)
    lips_hw, ears_hw = _unwrap(head, np.stack([head.lips_n, head.ears_n], axis=1))
    liner_hw = np.maximum(_strokes([UPPER_LID], 0.13), 0.4 * _strokes([LOWER_LID], 0.08))
    wrinkles = {name: _strokes(strokes, width_cm) for name, (width_cm, strokes) in WRINKLES.items()}
    creased = _box(np.sum(list(wrinkles.values()), axis=0))
    cut = {name: mask_hw[creased] for name, mask_hw in wrinkles.items()}
    return Canvas(across_hw, height_hw, lips_hw, ears_hw, liner_hw, _strokes([CREASE], 0.14), creased, cut)


def _box(mask_hw: np.ndarray, margin_px: int = 0) -> tuple[slice, slice]:
    """Rows and columns where a mask is not zero."""
    left, top, width, height = cv2.boundingRect((mask_hw != 0).view(np.uint8))
    rows = slice(top - margin_px, top + height + margin_px)
    return rows, slice(left - margin_px, left + width + margin_px)


def _unwrap(head: Head, values_nk: np.ndarray) -> np.ndarray:
    """Spreads values of the skin's vertices over the canvas, as (k, h, w)."""
    skin_m3 = head.triangles_m3[head.part_m == PART["skin"]]
    depth_n = -rounded(np.hypot, head.points_n3[:, 0], head.points_n3[:, 2] - AXIS_CM)
    points_n3 = np.column_stack([*to_px(*place(head.points_n3).T), depth_n]).astype(np.float32)
    across_px = np.ptp(points_n3[skin_m3, 0], axis=1)
    front_m3 = skin_m3[across_px < WIDTH_PX / 4]  # without those across the seam at the back
    surface = rasterise(points_n3, front_m3, WIDTH_PX, perspective=False)
    spread_kww = np.zeros((values_nk.shape[1], WIDTH_PX, WIDTH_PX), np.float32)
    spread_kww[:, surface.covered_hw] = interpolate(values_nk, front_m3, surface)
    return np.ascontiguousarray(spread_kww[:, :HEIGHT_PX])


def _strokes(strokes: Iterable[Stroke], width_cm: float) -> np.ndarray:
    """Soft strokes on both sides of the face."""
    picture_hw = np.zeros((HEIGHT_PX, WIDTH_PX), np.uint8)
    for stroke in strokes:
        for side in (-1, 1):
            across_cm, up_cm = smooth(stroke).T
            curve_px = np.stack(to_px(side * across_cm, up_cm), axis=1)
            _lines(picture_hw, curve_px[None], max(1, round(width_cm * PX_PER_CM * 0.6)))
    return soften(picture_hw, width_cm / 2).astype(np.float32) / 255


def _lines(picture_hw: np.ndarray, lines_px: np.ndarray, thickness_px: int, shade: int = 255) -> None:
    """Draws curves (lines, points, 2) with sub-pixel points."""
    points = np.ascontiguousarray(np.round(lines_px * (1 << SUBPIXEL_BITS)), np.int32)
    cv2.polylines(picture_hw, list(points), False, shade, thickness_px, cv2.LINE_AA, SUBPIXEL_BITS)


def smooth(stroke: Stroke, steps: int = 24) -> np.ndarray:
    """Smooth curve (steps, 2) through the points of a stroke."""
    points_k2 = np.array(tuple(stroke), np.float32)
    knots_k = np.arange(len(points_k2))
    # Interpolate linearly, then average over five points; odd reflection keeps the ends in place.
    at = np.linspace(0, len(points_k2) - 1, steps)
    curve_s2 = np.stack([np.interp(at, knots_k, points_k2[:, axis]) for axis in (0, 1)], axis=1)
    padded = np.pad(curve_s2, ((2, 2), (0, 0)), mode="reflect", reflect_type="odd")
    bent = [np.convolve(padded[:, axis], np.full(5, 0.2), "valid") for axis in (0, 1)]
    return np.stack(bent, axis=1).astype(np.float32)


def soften(picture_hw: np.ndarray, sigma_cm: float) -> np.ndarray:
    """Blurs a canvas."""
    return np.asarray(cv2.GaussianBlur(picture_hw, (0, 0), sigma_cm * PX_PER_CM))


def creases(canvas: Canvas, age: float, units: dict[str, float]) -> np.ndarray:
    """Depth of the skin's folds (h, w), 0 to about 1: from age and from the active face units."""
    aged = np.clip((age - 30) / 50, 0, 1)
    depths = {name: AGEING[name] * aged for name in canvas.wrinkles}
    for unit, weight in units.items():
        # A unit of one side folds the skin of both, so it counts half.
        stem = unit.removesuffix("Left").removesuffix("Right")
        share = 1.0 if stem == unit else 0.5
        for name, amount in CREASING.get(stem, {}).items():
            depths[name] += share * weight * amount * (0.6 + 0.6 * aged)
    folds_hw = np.zeros((HEIGHT_PX, WIDTH_PX), np.float32)
    for name, depth in depths.items():
        folds_hw[canvas.creased] += np.float32(min(depth, 1.2)) * canvas.wrinkles[name]
    return folds_hw


@dataclass(frozen=True)
class Skin:
    """Canvas of one person.

    Attributes:
        paint_hw4: Colour, and strength of shine.
        relief_hw: Pores and strands, in cm.
    """

    paint_hw4: np.ndarray
    relief_hw: np.ndarray

    @cached_property
    def _smooth_hw3(self) -> np.ndarray:
        """`folded` without folds."""
        return _relief(np.zeros_like(self.relief_hw), self.relief_hw)

    def folded(self, folds_hw: np.ndarray) -> np.ndarray:
        """Folds of the skin: their depth, and the slope of the relief round the head and upwards (h, w, 3)."""
        folded_hw3 = self._smooth_hw3.copy()
        if folds_hw.any():
            # Folds change slopes up to a pixel beside them, which depend on one pixel more; none is near an edge.
            here = _box(folds_hw, margin_px=2)
            folded_hw3[here][1:-1, 1:-1] = _relief(folds_hw[here], self.relief_hw[here])[1:-1, 1:-1]
        return folded_hw3


def _relief(folds_hw: np.ndarray, relief_hw: np.ndarray) -> np.ndarray:
    """Depth of folds, and the slope of the relief with them round the head and upwards (h, w, 3)."""
    relief_hw = relief_hw - FOLD_CM * folds_hw
    # Sobel sums eight differences of one pixel: divide by eight, and by the pixel's size.
    round_hw = rounded(cv2.Sobel, relief_hw, ddepth=cv2.CV_64F, dx=1, dy=0, scale=PX_PER_CM / 8)
    up_hw = rounded(cv2.Sobel, relief_hw, ddepth=cv2.CV_64F, dx=0, dy=1, scale=-PX_PER_CM / 8)
    return np.asarray(cv2.merge([folds_hw, round_hw, up_hw]), np.float32)


def paint(canvas: Canvas, person: Person, rng: np.random.Generator) -> Skin:
    """Paints a person's canvas."""
    albedo_3hw = _complexion(canvas, person, rng)
    shine_hw = np.full((HEIGHT_PX, WIDTH_PX), np.float32(person.oily))
    # The nose and the forehead shine most.
    shine_hw += np.float32(0.5) * _blob(canvas, (0, 70.0), (1.2, 3.0))
    shine_hw += np.float32(0.3) * _blob(canvas, (0, 78.0), (4.0, 2.0))
    _tint(albedo_3hw, canvas.lips_hw, person.lips_rgb)
    shine_hw += np.float32(0.8) * canvas.lips_hw
    # Lids: a dark crease, and a line of lashes.
    _tint(albedo_3hw, np.float32(0.45) * canvas.crease_hw, person.skin_rgb * np.float32(0.45))
    _tint(albedo_3hw, np.float32(0.45 + 0.5 * person.lashes) * canvas.liner_hw, np.float32(0.15) * person.skin_rgb)
    _tint(albedo_3hw, _beard(canvas, person, rng), person.brow_rgb)
    _tint(albedo_3hw, _brows(person, rng), person.brow_rgb)
    # Hair covers everything below it; its strands add relief and reduce the shine.
    hair_hw, strands_hw = hair_mask(canvas, person, rng), _strands(rng)
    _tint(albedo_3hw, hair_hw, person.hair_rgb[:, None, None] * (np.float32(0.55) + np.float32(0.9) * strands_hw))
    relief_hw = _grain(rng, 1) * np.float32(0.004) + hair_hw * strands_hw * np.float32(0.08)
    shine_hw *= 1 - np.float32(0.4) * hair_hw
    return Skin(np.asarray(cv2.merge([*albedo_3hw, shine_hw]), np.float32), relief_hw)


def _complexion(canvas: Canvas, person: Person, rng: np.random.Generator) -> np.ndarray:
    """Bare skin: blotches, red cheeks and nose, dark eye sockets, freckles and spots."""
    mottle_hw = sum(np.float32(depth) * _grain(rng, size_px) for size_px, depth in MOTTLES)
    albedo_3hw = person.skin_rgb[:, None, None] * (1 + mottle_hw)
    flush_hw = _both(canvas, (4.2, 69.8), (2.2, 1.8)) + _blob(canvas, (0, 69.4), (1.4, 0.9)) + canvas.ears_hw
    flush = rng.uniform(0.1, 0.7)
    _tint(albedo_3hw, np.float32(flush) * flush_hw, person.skin_rgb * np.array([1.0, 0.72, 0.74], np.float32))
    sockets_hw = _both(canvas, (2.9, 72.6), (1.9, 1.2))
    tired = np.float32(rng.uniform(0.2, 0.7))
    _tint(albedo_3hw, tired * sockets_hw, person.skin_rgb * np.array([0.7, 0.6, 0.62], np.float32))
    spots_hw = np.clip(_grain(rng, 2) - np.float32(2.2), 0, 1) * np.float32(rng.uniform(0, 1))
    _tint(albedo_3hw, spots_hw, person.skin_rgb * np.array([0.6, 0.45, 0.4], np.float32))
    return albedo_3hw


def hair_mask(canvas: Canvas, person: Person, rng: np.random.Generator) -> np.ndarray:
    """Share of hair at each pixel of the canvas."""
    ragged_cm = np.float32(0.2) * _grain(rng, 3)[HEIGHT_PX // 2]
    line_w = hairline(person, canvas.across_hw[0]) + ragged_cm
    mask_hw = np.clip((canvas.height_hw - line_w) / np.float32(1.2) + np.float32(0.4), 0, 1)
    dense = 1.0 if person.hair.volume_cm > 0.1 else 0.45  # noqa: PLR2004  # the scalp shows through stubble
    return (mask_hw * (1 - np.clip(2 * canvas.ears_hw, 0, 1)) * np.float32(dense)).astype(np.float32)


def hairline(person: Person, across_cm: np.ndarray) -> np.ndarray:
    """Height of the hairline in cm at positions round the head."""
    along, heights = np.array(HAIRLINE).T
    aside_cm = np.abs(across_cm)
    front = np.clip((7.5 - aside_cm) / 2, 0, 1)
    temples = rounded(np.exp, -(((aside_cm - 4.8) / 1.6) ** 2))
    shift_cm = front * person.hair.hairline_cm + temples * person.hair.receding_cm
    return (np.interp(aside_cm, along, heights) + shift_cm).astype(np.float32)


def _brows(person: Person, rng: np.random.Generator) -> np.ndarray:
    """Brows, hair by hair: upright beside the nose, flat towards the temple."""
    picture_hw = np.zeros((HEIGHT_PX, WIDTH_PX), np.uint8)
    thick_cm = rng.uniform(0.3, 0.5) + 0.3 * person.masculine * rng.uniform(0.3, 1)
    curve_s2 = smooth(np.array(BROW) + _brow_shape(rng), 64)
    for side in (-1, 1):
        at_b = rng.uniform(0, 1, int(170 + 160 * person.masculine))
        # The angle of a hair falls with its position from nose to temple; hairs scatter across the width of the brow.
        angle_b = np.radians(rng.normal(75 - 95 * np.minimum(at_b * 1.8, 1) - 15 * at_b, 12))
        across_b, up_b = curve_s2[(at_b * 63).astype(int)].T
        up_b = up_b + rng.uniform(-0.5, 0.5, len(at_b)) * thick_cm * (1.1 - 0.85 * at_b**2)
        length_b = rng.uniform(0.3, 0.5, len(at_b))
        across_2b = np.stack([across_b, across_b + length_b * np.cos(angle_b)])
        up_2b = np.stack([up_b, up_b + length_b * np.sin(angle_b)])
        _lines(picture_hw, np.stack(to_px(side * across_2b, up_2b), axis=-1).swapaxes(0, 1), 1, 200)
    return np.clip(soften(picture_hw, 0.05).astype(np.float32) / 255 * np.float32(1.25), 0, 0.95)


def _brow_shape(rng: np.random.Generator) -> np.ndarray:
    """Offsets of a person's brows from the usual ones, one row a point of BROW."""
    arch, height, gap = rng.normal(0, 0.12), rng.normal(0, 0.15), rng.normal(0, 0.12)
    return np.stack([gap * np.linspace(1, 0, len(BROW)), height + arch * np.array([-0.3, 0.3, 1, 0.8, -0.6])], axis=1)


def _beard(canvas: Canvas, person: Person, rng: np.random.Generator) -> np.ndarray:
    """Beard, from stubble to full, with a moustache and bare lips."""
    cheek_line_cm = 66.5 + np.float32(0.06) * (np.abs(canvas.across_hw) - 3) ** 2
    jaw_hw = np.clip((cheek_line_cm - canvas.height_hw) / np.float32(1.2), 0, 1)
    moustache_hw = np.clip(1.6 * _blob(canvas, (0, 67.75), (2.6, 0.75)), 0, 1) * (canvas.height_hw < 68.3)  # noqa: PLR2004  # cm, up to the nose
    stubble_hw = np.clip(0.75 + 0.35 * _grain(rng, 1), 0, 1)
    mask_hw = np.maximum(jaw_hw, moustache_hw) * (1 - np.clip(1.6 * canvas.lips_hw, 0, 1)) * stubble_hw
    return (np.float32(0.85 * person.beard) * mask_hw).astype(np.float32)


def _strands(rng: np.random.Generator) -> np.ndarray:
    """Vertical streaks on the canvas, 0 to 1."""
    noise_hw = rng.standard_normal((HEIGHT_PX // 32, WIDTH_PX // 2)).astype(np.float32)
    streaks_hw = _enlarged(noise_hw)
    return np.asarray(np.clip(0.5 + 0.25 * streaks_hw, 0, 1), np.float32)


def _grain(rng: np.random.Generator, scale_px: int) -> np.ndarray:
    """Noise of unit deviation with spots of the given width in pixels."""
    noise_hw = rng.standard_normal((HEIGHT_PX // scale_px, WIDTH_PX // scale_px), np.float32)
    return _enlarged(noise_hw)


def _enlarged(noise_hw: np.ndarray) -> np.ndarray:
    return rounded(cv2.resize, noise_hw, dsize=(WIDTH_PX, HEIGHT_PX), interpolation=cv2.INTER_CUBIC)


def _blob(canvas: Canvas, centre_cm: tuple[float, float], radii_cm: tuple[float, float]) -> np.ndarray:
    """A soft spot."""
    across_hw, up_hw = (canvas.across_hw - centre_cm[0]) / radii_cm[0], (canvas.height_hw - centre_cm[1]) / radii_cm[1]
    return rounded(np.exp, -(across_hw**2) - up_hw**2)


def _both(canvas: Canvas, centre_cm: tuple[float, float], radii_cm: tuple[float, float]) -> np.ndarray:
    return _blob(canvas, centre_cm, radii_cm) + _blob(canvas, (-centre_cm[0], centre_cm[1]), radii_cm)


def _tint(albedo_3hw: np.ndarray, mask_hw: np.ndarray, rgb: np.ndarray) -> None:
    """Blends a colour into the canvas, in place."""
    albedo_3hw += np.clip(mask_hw, 0, 1) * (rgb.reshape(3, *rgb.shape[1:] or (1, 1)) - albedo_3hw)
