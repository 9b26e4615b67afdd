"""Steps of a calibration: what the performer does, and the units that each step moves."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from rushes.calibration.calibration import Calibration


class Step(NamedTuple):
    """A step.

    Attributes:
        name: Part of the face.
        prompt: What the performer does.
        stems: Units that it moves to their ends, without Left and Right at the end of their names.
    """

    name: str
    prompt: str
    stems: tuple[str, ...] = ()


READY = Step("Get ready", "look into the camera, relax your face, close your mouth")
NEUTRAL = Step("Neutral", READY.prompt)
MOTIONS = (
    Step("Brows up", "raise your eyebrows and open your eyes wide", ("browInnerUp", "browOuterUp", "eyeWide")),
    Step("Brows down", "frown, and wrinkle your nose", ("browDown", "noseSneer")),
    Step("Eyelids", "close both eyes, then the left, then the right", ("eyeBlink", "eyeSquint")),
    Step(
        "Gaze",
        "look left, right, up and down with the eyes alone",
        ("eyeLookDown", "eyeLookIn", "eyeLookOut", "eyeLookUp"),
    ),
    Step("Jaw and tongue", "open your mouth as wide as you can, and stick out your tongue", ("jawOpen", "tongueOut")),
    Step(
        "Smile",
        "smile broadly with closed lips, then with open ones",
        ("mouthSmile", "mouthDimple", "mouthUpperUp", "cheekSquint"),
    ),
    Step(
        "Corners of the mouth",
        "pull the corners of your mouth down, then wide apart",
        ("mouthFrown", "mouthStretch", "mouthLowerDown", "mouthShrugLower"),
    ),
    Step("Lips forward", "purse your lips, then make a round O", ("mouthPucker", "mouthFunnel", "mouthShrugUpper")),
    Step("Jaw to the sides", "move jaw and mouth to the left, then to the right", ("jaw", "mouth", "jawForward")),
    Step(
        "Lips and cheeks",
        "roll your lips in, press them, then blow up your cheeks",
        ("mouthRollLower", "mouthRollUpper", "mouthPress", "mouthClose", "cheekPuff"),
    ),
)
# MediaPipe's network of the units hardly ever moves these, whatever the face does: to repeat a step would not help. A
# network of the family tracking has learned most of them.
HARDLY_READ = {"cheekPuff", "cheekSquint", "jawForward", "mouthClose", "noseSneer", "tongueOut"}


def stem_of(unit: str) -> str:
    """Name of a unit without its side."""
    return unit.removesuffix("Left").removesuffix("Right")


def to_repeat(calibration: Calibration) -> list[tuple[Step, list[str]]]:
    """Steps worth repeating, each with those of its units that hardly moved."""
    unread = hardly_read(calibration)
    moveable = [unit for unit in calibration.unmoved() if unit not in unread]
    steps = [(step, [unit for unit in moveable if stem_of(unit) in step.stems]) for step in MOTIONS]
    return [(step, units) for step, units in steps if units]


def hardly_read(calibration: Calibration) -> list[str]:
    """Units that hardly moved because the network of the units hardly reads them."""
    if any(role.startswith("tracking ") for role in calibration.networks):
        return []
    return [unit for unit in calibration.unmoved() if stem_of(unit) in HARDLY_READ]
