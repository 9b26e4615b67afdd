"""Draws tracked actors over a picture: the mesh of the landmarks, eyes and mouth, irises, and where the head points."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from rushes.calibration.performers import NOT_CALIBRATED
from rushes.drawing import INK, bold, put_text, text_width

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rushes.tracking.face import HeadPose, TrackedFace

MESH = (210, 205, 195)  # BGR
MESH_ALPHA = 0.35
FEATURES = (120, 220, 120)
FADED = (140, 140, 140)  # of an actor who is not seen in this frame
UNCALIBRATED = (110, 205, 255)  # of the name of an actor
AXES = ((84, 96, 255), (96, 196, 132), (255, 168, 92))  # the actor's left, up, forward
IRISES = (468, 473)
NOSE_TIP = 1
# Closed lines along the landmarks: both eyes, the outer lips and the inner lips.
OUTLINES = (
    (33, 246, 161, 160, 159, 158, 157, 173, 133, 155, 154, 153, 145, 144, 163, 7),
    (263, 466, 388, 387, 386, 385, 384, 398, 362, 382, 381, 380, 374, 373, 390, 249),
    (61, 185, 40, 39, 37, 0, 267, 269, 270, 409, 291, 375, 321, 405, 314, 17, 84, 181, 91, 146),
    (78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308, 324, 318, 402, 317, 14, 87, 178, 88, 95),
)
SHIFT = 4  # fractional bits of OpenCV's coordinates


def edges_of(triangles: np.ndarray) -> np.ndarray:
    """Edges (N, 2) of a mesh of triangles (N, 3), each once."""
    pairs = np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]])
    return np.unique(np.sort(pairs, axis=1), axis=0)


def head_axes(head: HeadPose) -> np.ndarray:
    """The actor's left, up and forward as rows, in axes x to the right of the picture, y up, z towards the camera."""
    yaw, pitch, roll = np.radians([head.yaw_deg, head.pitch_deg, head.roll_deg])
    turn_y = np.array([[np.cos(yaw), 0, np.sin(yaw)], [0, 1, 0], [-np.sin(yaw), 0, np.cos(yaw)]])
    turn_x = np.array([[1, 0, 0], [0, np.cos(pitch), np.sin(pitch)], [0, -np.sin(pitch), np.cos(pitch)]])
    turn_z = np.array([[np.cos(roll), -np.sin(roll), 0], [np.sin(roll), np.cos(roll), 0], [0, 0, 1]])
    return np.asarray((turn_y @ turn_x @ turn_z).T)


def draw_actors(canvas_bgr: np.ndarray, actors: Sequence[TrackedFace], edges: np.ndarray) -> None:
    """Draws into a picture, uint8 H,W,3; an actor who is not seen in this frame is drawn in grey.

    Args:
        canvas_bgr: The picture.
        actors: Tracked actors.
        edges: Edges of the mesh (N, 2), from `edges_of`.
    """
    for actor in actors:
        _draw_mesh(canvas_bgr, actor, edges)
        seen = actor.state == "tracked"
        fixed_n2 = np.round(actor.landmarks_px[:, :2] * (1 << SHIFT)).astype(np.int32)
        side_px = float(np.ptp(actor.landmarks_px[:, 0]))
        width = max(1, round(side_px / 150))
        colour = FEATURES if seen else FADED
        for outline in OUTLINES:
            cv2.polylines(canvas_bgr, [fixed_n2[list(outline)]], True, colour, width, cv2.LINE_AA, SHIFT)
        for iris in IRISES:
            radius = round(max(1.0, side_px / 60) * (1 << SHIFT))
            cv2.circle(canvas_bgr, fixed_n2[iris].tolist(), radius, colour, -1, cv2.LINE_AA, SHIFT)
        if seen:
            _draw_axes(canvas_bgr, fixed_n2[NOSE_TIP], actor.head, side_px)


def draw_names(canvas_bgr: np.ndarray, actors: Sequence[TrackedFace]) -> None:
    """If an actor has the name of a performer, all get theirs below the chin, and those without a calibration a note.

    Args:
        canvas_bgr: The picture, uint8 H,W,3, with all else that is drawn: a name stays readable on a panel.
        actors: Tracked actors.
    """
    if any(actor.performer for actor in actors):
        for actor in actors:
            _draw_name(canvas_bgr, actor)


def name_of(actor: TrackedFace) -> str:
    """Name of an actor for display: `anna`, `ben: not calibrated`, or `not calibrated`."""
    return ": ".join(filter(None, (actor.performer, "" if actor.calibrated else NOT_CALIBRATED)))


def _draw_name(canvas_bgr: np.ndarray, actor: TrackedFace) -> None:
    height, width = canvas_bgr.shape[:2]
    size_px, text = float(np.clip(height / 36, 11, 60)), name_of(actor)
    low_2, high_2 = actor.landmarks_px[:, :2].min(axis=0), actor.landmarks_px[:, :2].max(axis=0)
    left = (low_2[0] + high_2[0] - text_width(text, bold(size_px))) / 2
    corner = (round(float(np.clip(left, 4, max(4, width - text_width(text, bold(size_px)) - 4)))),
              round(float(np.clip(high_2[1] + 1.4 * size_px, size_px, height - 0.4 * size_px))))  # fmt: skip
    for offset, colour in ((max(1, round(size_px / 14)), (0, 0, 0)), (0, INK if actor.calibrated else UNCALIBRATED)):
        put_text(canvas_bgr, text, (corner[0] + offset, corner[1] + offset), bold(size_px, colour))


def _draw_mesh(canvas_bgr: np.ndarray, actor: TrackedFace, edges: np.ndarray) -> None:
    # Blend only the rectangle around the face.
    height, width = canvas_bgr.shape[:2]
    low = np.clip(np.floor(actor.landmarks_px[:, :2].min(axis=0)).astype(int) - 2, 0, (width, height))
    high = np.clip(np.ceil(actor.landmarks_px[:, :2].max(axis=0)).astype(int) + 2, 0, (width, height))
    part_bgr = canvas_bgr[low[1] : high[1], low[0] : high[0]]
    if not part_bgr.size:
        return
    lines_bgr = part_bgr.copy()
    points_n2 = np.round((actor.landmarks_px[:, :2] - low) * (1 << SHIFT)).astype(np.int32)
    cv2.polylines(lines_bgr, list(points_n2[edges]), False, MESH, 1, cv2.LINE_AA, SHIFT)
    cv2.addWeighted(lines_bgr, MESH_ALPHA, part_bgr, 1 - MESH_ALPHA, 0, dst=part_bgr)


def _draw_axes(canvas_bgr: np.ndarray, origin: np.ndarray, head: HeadPose, side_px: float) -> None:
    for axis, colour in zip(head_axes(head), AXES, strict=True):
        # Parallel projection: y points down in a picture.
        tip = origin + np.round(axis[:2] * (1, -1) * 0.6 * side_px * (1 << SHIFT)).astype(np.int32)
        width = max(2, round(side_px / 80))
        cv2.line(canvas_bgr, origin.tolist(), tip.tolist(), colour, width, cv2.LINE_AA, SHIFT)
