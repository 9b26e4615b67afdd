"""Expressions: the seven labels as combinations of ARKit's face units.

They follow the action units that Ekman and Friesen's FACS lists for each emotion (Investigator's Guide, 2002), mapped
to the nearest face units. Each label has several takes, since people express the same thing in different ways.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np

Take = dict[str, tuple[float, float]]  # range at strength 1 by unit (both sides where it has sides)

LABELS = ("angry", "disgust", "fear", "happy", "neutral", "sad", "surprise")
STRENGTH = (0.9, 2.0)
SIDED = (
    "browDown",
    "browOuterUp",
    "cheekSquint",
    "eyeBlink",
    "eyeSquint",
    "eyeWide",
    "mouthDimple",
    "mouthFrown",
    "mouthLowerDown",
    "mouthPress",
    "mouthSmile",
    "mouthStretch",
    "mouthUpperUp",
    "noseSneer",
)
# Above these a unit tears the mesh or no longer looks like a face.
LIMITS = {"jawOpen": 1.0, "eyeBlink": 0.4, "eyeWide": 1.5, "mouthSmile": 1.25, "mouthFunnel": 0.9, "tongueOut": 1.0}
LIMIT = 1.6

EXPRESSIONS: dict[str, tuple[Take, ...]] = {
    "angry": (
        {  # lips pressed
            "browDown": (0.7, 1.0),
            "noseSneer": (0.1, 0.4),
            "eyeSquint": (0.2, 0.6),
            "mouthPress": (0.4, 0.8),
            "mouthRollLower": (0.1, 0.4),
            "mouthFrown": (0.1, 0.4),
            "jawForward": (0.0, 0.3),
        },
        {  # teeth bared
            "browDown": (0.7, 1.0),
            "noseSneer": (0.2, 0.5),
            "eyeWide": (0.1, 0.5),
            "jawOpen": (0.1, 0.25),
            "mouthUpperUp": (0.2, 0.5),
            "mouthLowerDown": (0.5, 0.9),
            "mouthStretch": (0.2, 0.5),
            "mouthFunnel": (0.1, 0.3),
        },
        {  # shouting
            "browDown": (0.7, 1.0),
            "noseSneer": (0.2, 0.5),
            "eyeSquint": (0.1, 0.4),
            "jawOpen": (0.3, 0.5),
            "mouthFunnel": (0.2, 0.4),
            "mouthUpperUp": (0.1, 0.4),
            "mouthLowerDown": (0.3, 0.7),
        },
    ),
    "disgust": (
        {  # upper lip raised
            "noseSneer": (0.7, 1.0),
            "mouthUpperUp": (0.5, 0.9),
            "browDown": (0.2, 0.5),
            "cheekSquint": (0.4, 0.8),
            "eyeSquint": (0.4, 0.8),
            "mouthShrugLower": (0.1, 0.5),
            "mouthFrown": (0.1, 0.4),
        },
        {  # mouth open, tongue forward
            "noseSneer": (0.7, 1.0),
            "mouthUpperUp": (0.5, 0.9),
            "browDown": (0.2, 0.5),
            "cheekSquint": (0.4, 0.8),
            "eyeSquint": (0.4, 0.8),
            "jawOpen": (0.15, 0.3),
            "mouthLowerDown": (0.2, 0.5),
            "mouthFrown": (0.2, 0.5),
            "tongueOut": (0.2, 0.7),
        },
    ),
    "fear": (
        {  # lips drawn back
            "browInnerUp": (0.6, 1.0),
            "browOuterUp": (0.1, 0.4),
            "browDown": (0.1, 0.3),
            "eyeWide": (0.6, 1.0),
            "mouthStretch": (0.6, 1.0),
            "mouthLowerDown": (0.2, 0.5),
            "jawOpen": (0.1, 0.3),
        },
        {  # gasping
            "browInnerUp": (0.6, 1.0),
            "browDown": (0.1, 0.4),
            "eyeWide": (0.6, 1.0),
            "mouthStretch": (0.5, 0.9),
            "mouthUpperUp": (0.1, 0.3),
            "mouthLowerDown": (0.3, 0.6),
            "mouthFrown": (0.1, 0.3),
            "jawOpen": (0.3, 0.5),
        },
    ),
    "happy": (
        {  # lips closed
            "mouthSmile": (0.5, 0.9),
            "cheekSquint": (0.3, 0.8),
            "mouthDimple": (0.1, 0.4),
            "eyeSquint": (0.0, 0.4),
        },
        {  # teeth shown
            "mouthSmile": (0.6, 1.0),
            "cheekSquint": (0.4, 0.9),
            "mouthUpperUp": (0.2, 0.5),
            "mouthLowerDown": (0.0, 0.3),
            "jawOpen": (0.05, 0.15),
            "eyeSquint": (0.1, 0.5),
        },
        {  # laughing
            "mouthSmile": (0.6, 1.0),
            "cheekSquint": (0.5, 1.0),
            "mouthUpperUp": (0.2, 0.5),
            "mouthLowerDown": (0.1, 0.4),
            "jawOpen": (0.25, 0.45),
            "eyeSquint": (0.2, 0.6),
            "browOuterUp": (0.0, 0.2),
        },
    ),
    "neutral": (
        {"mouthPress": (0.0, 0.12), "eyeBlink": (0.0, 0.12), "browOuterUp": (0.0, 0.1)},
        {"jawOpen": (0.0, 0.06), "eyeSquint": (0.0, 0.15), "browDown": (0.0, 0.12)},
    ),
    "sad": (
        {  # corners down, lips closed
            "browInnerUp": (0.6, 1.0),
            "browDown": (0.0, 0.2),
            "mouthFrown": (0.6, 1.0),
            "mouthShrugLower": (0.2, 0.6),
            "eyeBlink": (0.05, 0.2),
            "eyeSquint": (0.0, 0.15),
        },
        {  # crying
            "browInnerUp": (0.6, 1.0),
            "browDown": (0.1, 0.4),
            "mouthFrown": (0.5, 0.9),
            "mouthStretch": (0.2, 0.5),
            "mouthLowerDown": (0.1, 0.4),
            "jawOpen": (0.05, 0.2),
            "cheekSquint": (0.1, 0.4),
            "eyeBlink": (0.05, 0.2),
        },
        {  # drooping, little moved
            "browInnerUp": (0.5, 0.8),
            "mouthFrown": (0.4, 0.7),
            "mouthPress": (0.1, 0.4),
            "eyeBlink": (0.12, 0.25),
        },
    ),
    "surprise": (
        {  # jaw dropped
            "browInnerUp": (0.6, 1.0),
            "browOuterUp": (0.6, 1.0),
            "eyeWide": (0.5, 1.0),
            "jawOpen": (0.35, 0.7),
            "mouthFunnel": (0.1, 0.3),
        },
        {  # a small oh
            "browInnerUp": (0.6, 1.0),
            "browOuterUp": (0.6, 1.0),
            "eyeWide": (0.5, 0.9),
            "jawOpen": (0.15, 0.35),
            "mouthFunnel": (0.2, 0.5),
        },
    ),
}
LOOSE = (
    "browDown",
    "browInnerUp",
    "browOuterUp",
    "cheekPuff",
    "cheekSquint",
    "eyeSquint",
    "jawForward",
    "jawLeft",
    "jawRight",
    "mouthDimple",
    "mouthFrown",
    "mouthLeft",
    "mouthLowerDown",
    "mouthPress",
    "mouthPucker",
    "mouthRight",
    "mouthRollLower",
    "mouthRollUpper",
    "mouthShrugUpper",
    "mouthSmile",
    "mouthStretch",
    "mouthUpperUp",
    "noseSneer",
)


def express(label: str, rng: np.random.Generator) -> dict[str, float]:
    """Draws one performance of a label.

    Returns:
        Weights by face unit (Left and Right separate).

    Raises:
        KeyError: The label is unknown.
    """
    takes = EXPRESSIONS[label]
    take = takes[rng.integers(len(takes))]
    strength = rng.uniform(*STRENGTH) if label != "neutral" else 1.0
    lopsided = rng.normal(0, 0.08)
    weights = dict.fromkeys(sorted({*take, *LOOSE}), 0.0)
    # The chosen take at one strength, then four random units for variety.
    for unit, (least, most) in take.items():
        weights[unit] += strength * rng.uniform(least, most)
    for unit in rng.choice(LOOSE, 4, replace=False):
        weights[str(unit)] += rng.uniform(0, 0.22)
    return _sides(weights, lopsided, rng)


def _sides(weights: Mapping[str, float], lopsided: float, rng: np.random.Generator) -> dict[str, float]:
    """Clips each unit to its limit and splits it into two slightly different sides."""
    sides = {}
    for unit, weight in weights.items():
        capped = min(weight, LIMITS.get(unit, LIMIT))
        if unit not in SIDED:
            sides[unit] = capped
            continue
        tilt = lopsided + rng.normal(0, 0.06)
        sides[f"{unit}Left"], sides[f"{unit}Right"] = capped * max(1 + tilt, 0), capped * max(1 - tilt, 0)
    return sides
