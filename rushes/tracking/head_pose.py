"""Head pose from landmarks: where the canonical face lies in front of the camera.

The landmark network gives depth too, in the scale of the pixels. With the field of view of the camera each landmark is
then a point in space, up to one common scale, and the pose is the similarity transform that fits the canonical face
to these points best (Umeyama 1991), in closed form. On 130 rendered heads of 20 identities (yaw to 35, pitch to 20,
roll to 25 degrees) the mean error of yaw, pitch and roll is 1.1, 3.3 and 1.1 degrees without the constant part of the
pitch; that of OpenCV's solvePnP on the same points, which has no depth, 1.7, 4.2 and 1.2.

The constant part is a person's own: canonical and real foreheads, noses and chins differ. It is -12 to +1 degrees over
those identities; calibration of a performer removes it.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from rushes.errors import UserError
from rushes.tracking.face import HeadPose

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FOV_DEG = 45.0  # vertical field of view; that of a usual webcam at 16:9
VERTICES = 468
VERTEX_FLOATS = 5  # x, y, z and texture coordinates
CM_PER_M = 100
# Canonical axes (x to the actor's left, y up, z to the front) and the camera's, before any rotation.
FLIP_3 = np.array([1.0, -1.0, -1.0])
VARINT, FIXED_64, BYTES, FIXED_32 = 0, 1, 2, 5  # wire types of protocol buffers


@dataclass(frozen=True)
class CanonicalFace:
    """MediaPipe's canonical face: x to the actor's left, y up, z to the front.

    Attributes:
        vertices_cm: (468, 3), one for each landmark but those of the irises.
        triangles: (898, 3), the mesh.
        fixed: (33,), landmarks that move little with the expression.
        weights: (33,), their weights, which sum to 1.
    """

    vertices_cm: np.ndarray
    triangles: np.ndarray
    fixed: np.ndarray
    weights: np.ndarray

    @functools.cached_property
    def fixed_model(self) -> tuple[np.ndarray, np.ndarray, float]:
        """Weighted mean of the fixed landmarks in cm, their places relative to it, and the weighted mean square."""
        fixed_n3 = self.vertices_cm[self.fixed]
        mean_3 = self.weights @ fixed_n3
        off_n3 = fixed_n3 - mean_3
        return mean_3, off_n3, float(self.weights @ (off_n3**2).sum(axis=1))

    @functools.cached_property
    def twins(self) -> np.ndarray:
        """For each vertex the number of the one on the other side, (468,): the nearest to its mirror image."""
        mirrored_n3 = self.vertices_cm * [-1.0, 1.0, 1.0]
        return np.asarray(((mirrored_n3[:, None] - self.vertices_cm) ** 2).sum(axis=2).argmin(axis=1))


@dataclass(frozen=True)
class PinholeCamera:
    """A pinhole camera that looks along the middle of the frame.

    Attributes:
        focal_px: Focal length.
        middle_px: Middle of the frame (x, y).
    """

    focal_px: float
    middle_px: np.ndarray

    def project(self, points_n3: np.ndarray) -> np.ndarray:
        """Pixels (N, 2) of points in the camera's frame."""
        return np.asarray(points_n3[:, :2] / points_n3[:, 2:] * self.focal_px + self.middle_px)

    def rays(self, points_px: np.ndarray) -> np.ndarray:
        """Directions (N, 3) of pixels, with z = 1."""
        return np.column_stack([(points_px - self.middle_px) / self.focal_px, np.ones(len(points_px))])


@dataclass(frozen=True)
class HeadFit:
    """The canonical face in the camera's frame: a point p of it is at `rotation_33 @ p + translation_cm`."""

    rotation_33: np.ndarray
    translation_cm: np.ndarray

    def place(self, points_n3: np.ndarray) -> np.ndarray:
        """Points of the canonical face (N, 3), in the camera's frame."""
        return np.asarray(points_n3 @ self.rotation_33.T + self.translation_cm)


def camera_of(width_px: int, height_px: int, fov_deg: float = FOV_DEG) -> PinholeCamera:
    """Camera of a frame with a vertical field of view."""
    focal_px = height_px / 2 / np.tan(np.radians(fov_deg) / 2)
    return PinholeCamera(float(focal_px), np.array([width_px, height_px]) / 2)


def fit_head(landmarks_px: np.ndarray, camera: PinholeCamera, face: CanonicalFace) -> HeadFit:
    """Fits the canonical face to landmarks (478, 3).

    Returns:
        The fit, with the canonical face's size: a small head is taken for one farther away.
    """
    # Landmarks in space, where the distance of the head is 1.
    seen_n3 = landmarks_px[face.fixed].astype(np.float64)
    points_n3 = camera.rays(seen_n3[:, :2]) * (1 + seen_n3[:, 2:] / camera.focal_px)
    weights_n, (model_mean, off_n3, spread) = face.weights, face.fixed_model
    points_mean = weights_n @ points_n3
    rotation_33, scale = _rotation_and_scale(points_n3 - points_mean, off_n3, weights_n, spread)
    return HeadFit(rotation_33, points_mean / scale - rotation_33 @ model_mean)


def similarity(points_n3: np.ndarray, model_n3: np.ndarray, weights_n: np.ndarray) -> tuple[np.ndarray, float]:
    """Rotation (3, 3) and scale that bring a model to points with the least weighted squares; the weights sum to 1."""
    off_n3 = model_n3 - weights_n @ model_n3
    spread = float(weights_n @ (off_n3**2).sum(axis=1))
    return _rotation_and_scale(points_n3 - weights_n @ points_n3, off_n3, weights_n, spread)


def _rotation_and_scale(
    points_n3: np.ndarray, model_n3: np.ndarray, weights_n: np.ndarray, spread: float
) -> tuple[np.ndarray, float]:
    """Similarity transform with the least weighted squares, of points and a model with their weighted means at 0."""
    # OpenCV's decomposition of so small a matrix takes a third of NumPy's time.
    stretch_31, u_33, vt_33 = cv2.SVDecomp((weights_n[:, None] * points_n3).T @ model_n3)
    signs_3 = np.array([1.0, 1.0, np.sign(cv2.determinant(u_33 @ vt_33))])  # a rotation, no reflection
    return np.asarray(u_33 * signs_3 @ vt_33), float(stretch_31[:, 0] @ signs_3 / spread)


def pose_of(fit: HeadFit) -> HeadPose:
    """Yaw, then pitch, then roll, each about the axes that the rotation before has moved."""
    (_, _, xz), (yx, yy, yz), (_, _, zz) = (FLIP_3[:, None] * fit.rotation_33).tolist()
    yaw, pitch, roll = math.atan2(xz, zz), math.asin(max(-1.0, min(1.0, yz))), math.atan2(yx, yy)
    return HeadPose(math.degrees(yaw), math.degrees(pitch), math.degrees(roll), fit.translation_cm / CM_PER_M)


def read_canonical_face(path: Path) -> CanonicalFace:
    """Reads MediaPipe's geometry_pipeline_metadata_landmarks.binarypb.

    mediapipe/modules/face_geometry/protos/: a GeometryPipelineMetadata has the mesh in field 1, and in each field 2 a
    landmark (1) and its weight (2); a Mesh3d has vertices in field 3 and triangles in field 4.

    Raises:
        UserError: The file is another one.
    """
    try:
        return canonical_face(path.read_bytes())
    except (OSError, ValueError, LookupError, TypeError, OverflowError) as error:
        message = f"{path} is not the geometry of a face: fetch the bundle again"
        raise UserError(message) from error


def canonical_face(content: bytes) -> CanonicalFace:
    """The same from the content of the file; what is not one raises an error of its own kind."""
    whole = _fields(content)
    mesh, basis = _fields(whole[1][0]), [_fields(entry) for entry in whole[2]]
    vertices_n5 = np.frombuffer(b"".join(mesh[3]), "<f4").reshape(VERTICES, VERTEX_FLOATS)
    weights_n = np.frombuffer(b"".join(entry[2][0] for entry in basis), "<f4").astype(np.float64)
    fixed_n = np.array([entry[1][0] for entry in basis])
    if not np.isfinite(vertices_n5).all() or fixed_n.max() >= VERTICES or not weights_n.sum() > 0:
        message = "vertices, landmarks or weights are out of range"
        raise ValueError(message)
    triangles = np.array(mesh[4], np.int32).reshape(-1, 3)
    return CanonicalFace(vertices_n5[:, :3].astype(np.float64), triangles, fixed_n, weights_n / weights_n.sum())


def _fields(message: bytes) -> dict[int, list[Any]]:
    """Fields of a protocol buffer by number: numbers for varints, bytes for all other types."""
    fields: dict[int, list[Any]] = {}
    for number, value in _each_field(message):
        fields.setdefault(number, []).append(value)
    return fields


def _each_field(message: bytes) -> Iterator[tuple[int, bytes | int]]:
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        if key & 7 == VARINT:
            value, at = _varint(message, at)
            yield key >> 3, value
            continue
        if key & 7 == BYTES:
            length, at = _varint(message, at)
        else:
            length = {FIXED_64: 8, FIXED_32: 4}[key & 7]
        yield key >> 3, message[at : at + length]
        at += length


def _varint(message: bytes, at: int) -> tuple[int, int]:
    """A number of seven bits a byte, the lowest first, and the position behind it."""
    value = shift = 0
    while True:
        value |= (message[at] & 127) << shift
        if message[at] < 128:  # noqa: PLR2004  # the highest bit marks bytes before the last
            return value, at + 1
        shift, at = shift + 7, at + 1
