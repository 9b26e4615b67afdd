"""Gaze from the iris landmarks: where the line of sight of the camera through the iris meets the eyeball.

The eyeball lies behind the middle of the corners of the eye, which no expression moves. The iris is taken relative to
the corners that are seen, so that a face of other proportions has the same gaze. Offsets are means over 130 rendered
heads that look in all directions. On those heads yaw has r = 0.88 with the truth and a mean error of 5 degrees an eye.
Pitch, the mean of both eyes, is underestimated (r = 0.57, a slope of 0.16): the network hardly moves the iris of a
rendered eye up and down.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from rushes.tracking.head_pose import CanonicalFace, HeadFit, PinholeCamera

# Landmarks of the left and right eye: middle of the iris, outer corner, inner corner.
EYES = ((473, 263, 362), (468, 33, 133))
IRIS, OUTER, INNER = np.array(EYES).T
RADIUS_CM = 1.2  # of the eyeball
# Middle of the eyeball from the middle of the corners: away from the nose, up, to the front.
OUT_CM, UP_CM, FRONT_CM = 0.1, 0.17, -1.0
CENTRES_CM = np.array([[OUT_CM, UP_CM, FRONT_CM], [-OUT_CM, UP_CM, FRONT_CM]])


def gaze_deg(landmarks_px: np.ndarray, fit: HeadFit, camera: PinholeCamera, face: CanonicalFace) -> np.ndarray:
    """Yaw and pitch of the left and the right eye relative to the head, float32 (2, 2)."""
    corners_cm = (face.vertices_cm[OUTER] + face.vertices_cm[INNER]) / 2
    centres_cm = fit.place(corners_cm + CENTRES_CM)
    # Line of sight through the iris, at the canonical eye.
    flat_px = landmarks_px[:, :2].astype(np.float64)
    shift_px = flat_px[IRIS] - (flat_px[OUTER] + flat_px[INNER]) / 2
    rays_23 = camera.rays(camera.project(fit.place(corners_cm)) + shift_px)
    rays_23 /= np.linalg.norm(rays_23, axis=1, keepdims=True)
    # Its first point on the eyeball, or the nearest one where it misses it.
    along_2 = (rays_23 * centres_cm).sum(axis=1)
    within_2 = along_2**2 - (centres_cm**2).sum(axis=1) + RADIUS_CM**2
    points_23 = rays_23 * (along_2 - np.sqrt(np.clip(within_2, 0, None)))[:, None]
    # Direction of the iris from the middle of the eyeball, in the head's axes.
    left_2, up_2, front_2 = ((points_23 - centres_cm) @ fit.rotation_33).T
    yaw_2, pitch_2 = np.arctan2(left_2, front_2), np.arctan2(up_2, np.hypot(left_2, front_2))
    return np.asarray(np.degrees(np.column_stack([yaw_2, np.full(2, pitch_2.mean())])), np.float32)
