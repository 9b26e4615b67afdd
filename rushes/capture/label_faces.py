"""Faces for the expression network from the landmarks of tracked actors, and labels that do not flicker.

No detector runs for the label of an actor, since the landmarks give the face.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from rushes.faces.detector import Face
from rushes.tracking.crop import SCALE, square_of_landmarks

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rushes.expression.classifier import FaceExpression
    from rushes.tracking.face import TrackedFace

# BlazeFace's box relative to the square around all landmarks, along the axes of the head: medians over 130 rendered
# heads (yaw to 35 degrees) and 30 real faces. The spread of the side is 6 and 1 %, that of the middle 3 and 1 %; crops
# of the training pictures themselves have a spread of 15 %.
BOX_SIDE, BOX_DOWN = 0.90, 0.035
# The detector's key points: right eye, left eye, tip of the nose, mouth, and both ears: two landmarks each, to average.
KEY_POINTS = np.array([[33, 133], [263, 362], [1, 1], [61, 291], [234, 234], [454, 454]])
LEAD = 0.1  # in probability, by which another label has to lead
LEAD_S = 0.15  # for so long: five pictures at 30 frames/s, the first included
FORGOTTEN_S = 1.0  # without a face; its next label counts at once
NEAR_SIDES = 0.5  # distance from frame to frame up to which a face at the same place is the same one


def label_face(face: TrackedFace) -> Face:
    """Box and key points that the detector would give for a tracked face."""
    square = square_of_landmarks(face.landmarks_px)
    around_px = square.side_px / SCALE
    side_px, down_px = BOX_SIDE * around_px, BOX_DOWN * around_px
    x = square.middle_px[0] - down_px * math.sin(square.roll_rad)
    y = square.middle_px[1] + down_px * math.cos(square.roll_rad)
    box_xywh_px = (x - side_px / 2, y - side_px / 2, side_px, side_px)
    points_62 = face.landmarks_px[KEY_POINTS, :2].mean(axis=1)
    return Face(box_xywh_px, face.score, points_62)


@dataclass
class _Label:
    """Label of an actor, the one that leads it with the time since when, and the time of the latest frame."""

    index: int
    leader: int | None
    since_s: float
    seen_s: float


class SteadyLabels:
    """Holds the label of each actor until another one has led it by a margin for a moment."""

    def __init__(self) -> None:
        self._actors: dict[int, _Label] = {}

    def steady_all(
        self, actors: Sequence[int], expressions: Sequence[FaceExpression], time_s: float
    ) -> list[FaceExpression]:
        """Expressions of some actors with the labels that they have at this time."""
        return [self.steady(actor, one, time_s) for actor, one in zip(actors, expressions, strict=True)]

    def steady(self, actor: int, expression: FaceExpression, time_s: float) -> FaceExpression:
        """Expression with the label that the actor has at this time; the probabilities stay."""
        probabilities = expression.probabilities
        best, label = int(np.argmax(probabilities)), self._actors.get(actor)
        if label is None or not 0 <= time_s - label.seen_s <= FORGOTTEN_S:
            label = self._actors[actor] = _Label(best, None, time_s, time_s)
        label.seen_s = time_s
        leader = best if probabilities[best] - probabilities[label.index] >= LEAD else None
        if leader != label.leader:
            label.leader, label.since_s = leader, time_s
        if leader is not None and time_s - label.since_s >= LEAD_S:
            label.index, label.leader = leader, None
        return expression if label.index == best else replace(expression, held=label.index)


class FaceNumbers:
    """Numbers of faces that a detector finds, by their places alone: while a face is seen, it keeps its number."""

    def __init__(self) -> None:
        self._seen: dict[int, tuple[np.ndarray, float]] = {}  # box, and time, by number

    def of(self, expressions: Sequence[FaceExpression], time_s: float) -> list[int]:
        """Number of each face of a frame: that of the nearest face before, or the lowest free one."""
        self._seen = {number: one for number, one in self._seen.items() if 0 <= time_s - one[1] <= FORGOTTEN_S}
        boxes = [np.array(expression.box_xywh_px) for expression in expressions]
        pairs = [(_apart(box, seen), place, number) for place, box in enumerate(boxes) for number, (seen, _) in
                 self._seen.items()]  # fmt: skip
        found: dict[int, int] = {}
        for apart, place, number in sorted(pairs):
            if apart < NEAR_SIDES and place not in found and number not in found.values():
                found[place] = number
        for place, box in enumerate(boxes):
            if place not in found:
                taken = {*self._seen, *found.values()}
                found[place] = next(number for number in itertools.count() if number not in taken)
            self._seen[found[place]] = box, time_s
        return [found[place] for place in range(len(boxes))]


def _apart(one_xywh_px: np.ndarray, other_xywh_px: np.ndarray) -> float:
    """Distance between the middles of two boxes, in sides of the larger one."""
    middles = [box[:2] + box[2:] / 2 for box in (one_xywh_px, other_xywh_px)]
    return float(np.hypot(*(middles[0] - middles[1])) / max(one_xywh_px[2:].max(), other_xywh_px[2:].max(), 1e-9))
