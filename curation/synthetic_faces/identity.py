"""Identities of performers, drawn from age, gender, origin and single features.

None is a portrait of a real person. Colours are linear light: red, green, blue, 0 to 1.
"""

# NumPy's arithmetic is Any to mypy where dtypes are unknown.
# mypy: disable-error-code="no-any-return"
from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from curation.synthetic_faces.head import GENDERS, ORIGINS
from curation.synthetic_faces.portable import rounded

if TYPE_CHECKING:
    from collections.abc import Iterable

AGE_YEARS = (16.0, 80.0)
# Ages of MakeHuman's child, young and old shapes, in years.
AGE_ANCHORS = (10.0, 25.0, 90.0)
OPPOSITES = (
    ("decr", "incr"),
    ("down", "up"),
    ("in", "out"),
    ("backward", "forward"),
    ("concave", "convex"),
    ("compress", "uncompress"),
    ("square", "round"),
    ("pointed", "triangle"),
)
# Standard deviations of feature sliders (1 is MakeHuman's end stop). Features that would look like an expression
# themselves, or move the face out of the frame, vary less.
SPREAD = 0.28
STILL = {"mouth-angles": 0.05, "eyebrows-angle": 0.12, "eyebrows-trans": 0.12, "mouth-trans": 0.1, "eye-trans": 0.1}
STILL |= {"head-trans": 0.0, "head-angle": 0.0, "eye-push": 0.08, "nose-trans": 0.1, "eye-height": 0.15}
STILL |= {"forehead": 0.15, "nose-compression": 0.1, "mouth-laugh": 0.15, "head-age": 0.1, "eye-scale": 0.18}
STILL |= {
    "head-square": 0.1,
    "head-rectangular": 0.12,
    "head-triangular": 0.15,
    "head-diamond": 0.15,
    "chin-width": 0.18,
}
STILL |= {"lip-middle": 0.1, "lip-ext": 0.12, "lip-height": 0.15, "eye-corner": 0.15, "mouth-scale": 0.18}
LOPSIDED = 0.06

SRGB_SKINS = ((240, 208, 188), (228, 188, 162), (206, 160, 128), (170, 124, 96), (122, 86, 68), (80, 57, 47))
SRGB_HAIRS = ((18, 15, 14), (38, 26, 20), (66, 44, 30), (104, 70, 42), (164, 128, 84), (122, 58, 32))
SRGB_GREY = (168, 166, 164)
SRGB_IRISES = ((46, 28, 18), (74, 46, 26), (98, 80, 44), (88, 104, 76), (92, 118, 140), (110, 116, 122))
SKIN_RANGE = {"african": (2.8, 5.0), "asian": (0.8, 2.8), "caucasian": (0.0, 1.8)}


@dataclass(frozen=True)
class Hair:
    """Hair of the head.

    Attributes:
        volume_cm: Distance from the scalp; 0 is shaved.
        hairline_cm: Height of the hairline above the usual one.
        receding_cm: Additional height above the temples.
        falls: True if it falls beside the neck.
        parting: Position of the parting, -1 (right) to 1 (left).
    """

    volume_cm: float
    hairline_cm: float
    receding_cm: float
    falls: bool
    parting: float


@dataclass(frozen=True)
class Person:
    """An identity: everything that stays the same between images of a face.

    Attributes:
        macros: Weights by macro shape.
        details: Weights by detail shape.
        age: Years.
        masculine: 0 to 1.
        skin_rgb: Albedo.
        hair_rgb: Albedo of the hair of the head.
        brow_rgb: Albedo of the brows, always darker than the skin: an invisible brow shows no expression.
        iris_rgb: Albedo.
        lips_rgb: Albedo.
        hair: Its cut.
        beard: 0 (shaved) to 1 (full).
        oily: Strength of the skin's shine, about 1.
        lashes: 0 (bare lids) to 1 (made up).
    """

    macros: dict[str, float]
    details: dict[str, float]
    age: float
    masculine: float
    skin_rgb: np.ndarray
    hair_rgb: np.ndarray
    brow_rgb: np.ndarray
    iris_rgb: np.ndarray
    lips_rgb: np.ndarray
    hair: Hair
    beard: float
    oily: float
    lashes: float


def linear(srgb_3: Iterable[float]) -> np.ndarray:
    """Converts 8-bit sRGB to linear light (IEC 61966-2-1, by its 2.2 approximation)."""
    return rounded(np.power, np.array(tuple(srgb_3)) / 255, 2.2)


def draw_person(detail_names: Iterable[str], rng: np.random.Generator) -> Person:
    """Draws an identity: adults of every age, gender and origin, including mixed ones."""
    age, masculine = rng.uniform(*AGE_YEARS), float(rng.beta(0.35, 0.35))
    origins_3 = rng.dirichlet((0.35, 0.35, 0.35))
    skin_rgb = _skin(origins_3, rng)
    hair_rgb = _hair_colour(age, float(origins_3[2]), rng)
    return Person(
        macros=_macros(age, masculine, origins_3, float(np.clip(rng.normal(0.5, 0.2), 0, 1))),
        details=_details(detail_names, rng),
        age=age,
        masculine=masculine,
        skin_rgb=skin_rgb,
        hair_rgb=hair_rgb,
        brow_rgb=np.minimum(hair_rgb * np.float32(0.6), skin_rgb * np.float32(rng.uniform(0.15, 0.35))),
        iris_rgb=_pick(SRGB_IRISES, rng.uniform(0, 1.4) if origins_3[2] < 0.5 else rng.uniform(0, 5)),  # noqa: PLR2004  # half
        lips_rgb=_lips(skin_rgb, masculine, rng),
        hair=_hair(age, masculine, rng),
        beard=float(rng.choice((0.0, rng.uniform(0.1, 0.4), rng.uniform(0.5, 1.0)), p=(0.5, 0.35, 0.15)))
        * (masculine > 0.6),  # noqa: PLR2004  # mostly male
        oily=rng.uniform(0.4, 1.5),
        lashes=float(np.clip(rng.normal(0.75 - 0.5 * masculine, 0.2), 0, 1)),
    )


def _macros(age: float, masculine: float, origins_3: np.ndarray, weight: float) -> dict[str, float]:
    """Weights of the macro shapes, combined as in MakeHuman: the product of the weights of each part of the name."""
    ages = _anchored(age, AGE_ANCHORS, ("child", "young", "old"))
    weights = _anchored(weight, (0.0, 0.5, 1.0), ("minweight", "averageweight", "maxweight"))
    macros = {}
    for gender, of_gender in zip(GENDERS, (1 - masculine, masculine), strict=True):
        for stage, of_stage in ages.items():
            for origin, of_origin in zip(ORIGINS, origins_3, strict=True):
                macros[f"{origin}-{gender}-{stage}"] = float(of_gender * of_stage * of_origin)
            for girth, of_girth in weights.items():
                macros[f"universal-{gender}-{stage}-averagemuscle-{girth}"] = of_gender * of_stage * of_girth
    return macros


def _anchored(value: float, anchors: tuple[float, ...], names: tuple[str, ...]) -> dict[str, float]:
    """Weights of the two anchors around a value; they sum to 1."""
    return {name: float(np.interp(value, anchors, np.eye(len(anchors))[number])) for number, name in enumerate(names)}


def _details(names: Iterable[str], rng: np.random.Generator) -> dict[str, float]:
    """Draws the sliders: a pair of opposites is one slider, and the right side differs slightly from the left."""
    values, details = {}, {}
    for name in names:
        slider, sign = _slider(name)
        feature = slider.removeprefix("l-").removeprefix("r-")
        if feature not in values:
            values[feature] = rng.normal(0, _spread(feature))
        value = values[feature] + (rng.normal(0, LOPSIDED) if feature != slider else 0.0)
        details[name] = float(np.clip(sign * value, 0, 0.9))
    return details


def _slider(name: str) -> tuple[str, int]:
    """Slider of a detail shape, and its direction on it."""
    stem, _, end = name.rpartition("-")
    for low, high in OPPOSITES:
        if end in (low, high) and name not in ("head-round", "head-square", "chin-triangle"):
            return stem, 1 if end == high else -1
    return name, 1


def _spread(feature: str) -> float:
    return next((spread for part, spread in STILL.items() if part in feature), SPREAD)


def _skin(origins_3: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    tone = sum(share * rng.uniform(*SKIN_RANGE[name]) for name, share in zip(ORIGINS, origins_3, strict=True))
    return _pick(SRGB_SKINS, float(tone)) * rng.normal(1, 0.03, 3).astype(np.float32)


def _hair_colour(age: float, european: float, rng: np.random.Generator) -> np.ndarray:
    colour = _pick(SRGB_HAIRS, rng.uniform(0, 0.6 + 4.4 * european**2))
    grey = np.clip(rng.normal((age - 45) / 35, 0.25), 0, 1) * (age > 35)  # noqa: PLR2004  # years
    return ((1 - grey) * colour + grey * linear(SRGB_GREY)).astype(np.float32)


def _lips(skin_rgb: np.ndarray, masculine: float, rng: np.random.Generator) -> np.ndarray:
    """Lip colour: redder and darker than the skin, in some cases painted."""
    bare_rgb = skin_rgb * np.array([0.72, 0.42, 0.46], np.float32) * np.float32(rng.uniform(0.85, 1.1))
    paint = rng.uniform(0.2, 0.6) * (rng.random() < 0.5 * (1 - masculine))
    paint_rgb = linear((rng.uniform(120, 190), rng.uniform(20, 60), rng.uniform(40, 80)))
    return ((1 - paint) * bare_rgb + paint * np.minimum(paint_rgb, skin_rgb)).astype(np.float32)


def _hair(age: float, masculine: float, rng: np.random.Generator) -> Hair:
    manly = rng.random() < masculine
    bald = manly and rng.random() < 0.05 + 0.3 * (age > 40)  # noqa: PLR2004  # years
    volume_cm = 0.05 if bald else rng.uniform(0.3, 1.6) if manly else rng.uniform(0.8, 2.2)
    return Hair(
        volume_cm=volume_cm,
        hairline_cm=rng.normal(0.2, 0.5) + (3.5 if bald else rng.choice((0.0, -2.6), p=(0.85, 0.15))),
        receding_cm=abs(rng.normal(0, 1.0)) * (1 + (age > 40)) if manly else 0.0,  # noqa: PLR2004  # years
        falls=not manly and rng.random() < 0.75,  # noqa: PLR2004  # three in four
        parting=rng.uniform(-0.6, 0.6),
    )


def _pick(srgb_k3: tuple[tuple[int, int, int], ...], place: float) -> np.ndarray:
    """Colour at a position on a scale, interpolated between its neighbours."""
    places = np.arange(len(srgb_k3))
    return linear(np.interp(place, places, channel) for channel in np.array(srgb_k3).T)
