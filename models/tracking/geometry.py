"""Landmarks in the axes of the head, measured by the eyes; and their mirror image.

Legend: N faces, P landmarks (478), 3 axes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from rushes.tracking.crop import LEFT_EYE, RIGHT_EYE
from rushes.tracking.face import UNITS

if TYPE_CHECKING:
    from rushes.tracking.head_pose import CanonicalFace

FOREHEAD, NOSE_BASE = 10, 2  # a line that no expression turns
# Middle, and the ring of each iris: from the actor's right eye to the left one. The ring begins at the side of the
# picture's right, so that right and left of it change places too.
IRISES = {468: 473, 469: 476, 470: 475, 471: 474, 472: 477}
# Yaw, pitch and roll of the head; yaw and pitch of the left eye, then of the right one: what a mirror makes of them.
ANGLES = 7
MIRRORED_ANGLES = (0, 1, 2, 5, 6, 3, 4)
MIRRORED_SIGNS = (-1.0, 1.0, -1.0, -1.0, 1.0, -1.0, 1.0)
ANGLE_SCALE_DEG = 30.0


def upright(landmarks_np3: torch.Tensor) -> torch.Tensor:
    """Landmarks N,P,3 in any scale -> the same N,P,3 with the eyes level and one unit apart, seen from the front.

    The axes are the line of the outer corners of the eyes and, at a right angle to it, that from the nose to the
    forehead. Depth is the network's own.
    """
    right_n3, left_n3 = landmarks_np3[:, RIGHT_EYE], landmarks_np3[:, LEFT_EYE]
    across_n3, span_n1 = _unit(left_n3 - right_n3)
    # Remove the part of the upward line that lies along the eyes.
    up_n3 = landmarks_np3[:, FOREHEAD] - landmarks_np3[:, NOSE_BASE]
    up_n3, _ = _unit(up_n3 - (up_n3 * across_n3).sum(1, keepdim=True) * across_n3)
    down_n3 = -up_n3
    # The third axis is at a right angle to both: x, y, z as in the picture.
    away_n3 = torch.stack(
        [
            across_n3[:, 1] * down_n3[:, 2] - across_n3[:, 2] * down_n3[:, 1],
            across_n3[:, 2] * down_n3[:, 0] - across_n3[:, 0] * down_n3[:, 2],
            across_n3[:, 0] * down_n3[:, 1] - across_n3[:, 1] * down_n3[:, 0],
        ],
        1,
    )
    axes_n33 = torch.stack([across_n3, down_n3, away_n3], 2)
    middle_n13 = ((right_n3 + left_n3) / 2).unsqueeze(1)
    return torch.matmul((landmarks_np3 - middle_n13) / span_n1.unsqueeze(2), axes_n33)


def _unit(vectors_n3: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Directions N,3 and lengths N,1."""
    length_n1 = (vectors_n3 * vectors_n3).sum(1, keepdim=True).clamp_min(1e-12).sqrt()
    return vectors_n3 / length_n1, length_n1


def mirrored_landmarks(face: CanonicalFace) -> list[int]:
    """For each landmark the one on the other side of the face."""
    places = dict(enumerate(face.twins.tolist()))
    places |= IRISES | {left: right for right, left in IRISES.items()}
    return [places[number] for number in range(len(places))]


def mirrored_units() -> list[int]:
    """For each unit the one of the other side; itself if it has no sides."""
    sides = {"Left": "Right", "Right": "Left"}
    others = [next((n.removesuffix(a) + b for a, b in sides.items() if n.endswith(a)), n) for n in UNITS]
    return [UNITS.index(name) for name in others]
