"""A tracked face: 52 units, head pose, gaze and landmarks of one actor in one frame."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import numpy as np

LANDMARKS = 478  # 468 of the mesh and 5 of each iris
# ARKit's 52 blend shape locations, in the order of MediaPipe's network, which has all but the tongue.
UNITS: tuple[str, ...] = (
    "browDownLeft", "browDownRight", "browInnerUp", "browOuterUpLeft", "browOuterUpRight",
    "cheekPuff", "cheekSquintLeft", "cheekSquintRight",
    "eyeBlinkLeft", "eyeBlinkRight", "eyeLookDownLeft", "eyeLookDownRight", "eyeLookInLeft", "eyeLookInRight",
    "eyeLookOutLeft", "eyeLookOutRight", "eyeLookUpLeft", "eyeLookUpRight", "eyeSquintLeft", "eyeSquintRight",
    "eyeWideLeft", "eyeWideRight",
    "jawForward", "jawLeft", "jawOpen", "jawRight",
    "mouthClose", "mouthDimpleLeft", "mouthDimpleRight", "mouthFrownLeft", "mouthFrownRight", "mouthFunnel",
    "mouthLeft", "mouthLowerDownLeft", "mouthLowerDownRight", "mouthPressLeft", "mouthPressRight", "mouthPucker",
    "mouthRight", "mouthRollLower", "mouthRollUpper", "mouthShrugLower", "mouthShrugUpper",
    "mouthSmileLeft", "mouthSmileRight", "mouthStretchLeft", "mouthStretchRight",
    "mouthUpperUpLeft", "mouthUpperUpRight",
    "noseSneerLeft", "noseSneerRight",
    "tongueOut",
)  # fmt: skip


@dataclass(frozen=True)
class HeadPose:
    """Rotation and place of a head.

    `yaw_deg` is above 0 where the actor's head turns to the actor's left, `pitch_deg` where it turns up, `roll_deg`
    where it tilts to the actor's right shoulder. `translation_m` (3,) float64 is the place of the head in the camera's
    frame in metres: x right, y down, z away from the camera, as OpenCV has it.
    """

    yaw_deg: float
    pitch_deg: float
    roll_deg: float
    translation_m: np.ndarray


@dataclass(frozen=True)
class TrackedFace:
    """One actor in one frame."""

    actor: int  # stable id, from 0
    score: float  # presence, 0..1
    units: np.ndarray  # (52,) float32, 0..1, order of UNITS
    head: HeadPose
    gaze_deg: np.ndarray  # (2, 2) float32: (left eye, right eye) x (yaw, pitch) relative to the head, signs of HeadPose
    landmarks_px: np.ndarray  # (478, 3) float32 in the frame's pixels, z in the same scale
    state: Literal["tracked", "held", "easing"]
    # (7,) float32: yaw, pitch and roll of the head, then `gaze_deg`, as fitted to the landmarks before any correction
    fitted_deg: np.ndarray | None = None
    performer: str = ""  # name, if the capture knows the actor by one
    calibrated: bool = False  # True if the values are corrected by a calibration of the performer
    unfiltered: TrackedFace | None = None  # the same face before smoothing; None if its values are not smoothed
