"""MediaPipe's face landmark network (478 points) and the network of its 52 blend shapes.

Both come from face_landmarker_v2.task and travel in the bundle of the expression family. Grishchenko et al., "Attention
Mesh: High-fidelity Face Mesh Prediction in Real-time", 2020; Grishchenko et al., "Blendshapes GHUM: Real-time Monocular
Facial Blendshape Prediction", 2023.
"""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING, Literal

import cv2
import numpy as np

from rushes.errors import NothingFitsError, UserError
from rushes.inference.backend_choice import time_once
from rushes.inference.tflite_network import backends, open_tflite
from rushes.tracking.crop import roll_of_landmarks, rotation
from rushes.tracking.face import LANDMARKS
from rushes.tracking.head_pose import CanonicalFace, read_canonical_face

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from rushes.bundle.manifest import Bundle
    from rushes.inference.tflite_network import Backend, TfliteNetwork
    from rushes.tracking.crop import FaceSquare

LANDMARKS_ROLE, UNITS_ROLE, GEOMETRY_ROLE = "face_landmarks", "face_units", "face_geometry"
INPUT_PX = 256
# Outputs: the points in pixels of the input, and the logit of the presence of a face. The third one has no description.
POINTS, PRESENCE = "Identity", "Identity_1"
LOGIT_LIMIT = 80.0  # beyond it exp() overflows float32
UNITS_OUTPUT = "StatefulPartitionedCall:0"
# kLandmarksSubsetIdxs of mediapipe/tasks/cc/vision/face_landmarker/face_blendshapes_graph.cc.
UNITS_INPUT = np.array([
    0, 1, 4, 5, 6, 7, 8, 10, 13, 14, 17, 21, 33, 37, 39, 40, 46, 52, 53, 54, 55, 58, 61, 63, 65, 66, 67, 70, 78,
    80, 81, 82, 84, 87, 88, 91, 93, 95, 103, 105, 107, 109, 127, 132, 133, 136, 144, 145, 146, 148, 149, 150, 152,
    153, 154, 155, 157, 158, 159, 160, 161, 162, 163, 168, 172, 173, 176, 178, 181, 185, 191, 195, 197, 234, 246,
    249, 251, 263, 267, 269, 270, 276, 282, 283, 284, 285, 288, 291, 293, 295, 296, 297, 300, 308, 310, 311, 312,
    314, 317, 318, 321, 323, 324, 332, 334, 336, 338, 356, 361, 362, 365, 373, 374, 375, 377, 378, 379, 380, 381,
    382, 384, 385, 386, 387, 388, 389, 390, 397, 398, 400, 402, 405, 409, 415, 454, 466, 468, 469, 470, 471, 472,
    473, 474, 475, 476, 477,
])  # fmt: skip


class LandmarkNetworks:
    """Both networks and the canonical face.

    Args:
        landmarks: face_landmarks_detector.tflite.
        units: face_blendshapes.tflite.
        geometry: geometry_pipeline_metadata_landmarks.binarypb.
        backend: Library that runs them.

    Attributes:
        face: The canonical face, for the head pose.

    Raises:
        UserError: A file is another one.
    """

    def __init__(self, landmarks: Path, units: Path, geometry: Path, backend: Backend) -> None:
        self.face: CanonicalFace = read_canonical_face(geometry)
        self._landmarks = _open(landmarks, {POINTS, PRESENCE}, backend)
        self._units = _open(units, {UNITS_OUTPUT}, backend)

    def find(self, picture_bgr: np.ndarray, square: FaceSquare) -> tuple[np.ndarray, float]:
        """Landmarks of the face in a square.

        Returns:
            Points in pixels of the picture, float32 (478, 3), z in the same scale, below 0 before the middle of the
            head; and the score of the presence of a face, 0 to 1, which is 0 where any of these is NaN or infinite.
        """
        square_rgb = cv2.cvtColor(square.cut(picture_bgr, INPUT_PX), cv2.COLOR_BGR2RGB)
        found = self._landmarks.run(np.multiply(square_rgb, 1 / 255, dtype=np.float32)[None])
        points_n3 = square.to_frame(found[POINTS].reshape(LANDMARKS, 3), INPUT_PX).astype(np.float32)
        if not all(np.isfinite(output).all() for output in (points_n3, found[PRESENCE])):
            return points_n3, 0.0
        logit = max(-LOGIT_LIMIT, min(LOGIT_LIMIT, float(found[PRESENCE][0])))
        return points_n3, 1 / (1 + math.exp(-logit))

    def units(self, landmarks_px: np.ndarray) -> np.ndarray:
        """Weights of the units from landmarks, float32 (52,), in the order of UNITS.

        The face is turned upright first: on rendered heads that lean by 20 and 35 degrees the units then differ from
        those of the upright head by 0.0113 on average, and by 0.0128 otherwise. The network has no tongueOut: it is 0.
        """
        upright_n2 = landmarks_px[UNITS_INPUT, :2] @ rotation(roll_of_landmarks(landmarks_px))
        found = self._units.run(upright_n2[None].astype(np.float32))[UNITS_OUTPUT]
        # The first output is MediaPipe's _neutral.
        return np.append(np.clip(found[1:], 0, 1), np.float32(0))


def open_landmarks(
    bundle: Bundle, backend: Backend | Literal["auto"] = "auto", log: Callable[[str], None] = lambda _: None
) -> LandmarkNetworks:
    """Opens the landmark networks of a bundle.

    Args:
        bundle: The bundle.
        backend: Library that runs them; `auto` for the fastest one on this machine.
        log: Called with a line that names the fastest one.

    Raises:
        UserError: The bundle is older than these networks, or a file cannot be used.
    """
    if missing := {LANDMARKS_ROLE, UNITS_ROLE, GEOMETRY_ROLE} - {file.role for file in bundle.manifest.files.values()}:
        message = f"{bundle.folder} has no {', '.join(sorted(missing))}: it was made before faces were tracked"
        raise UserError(message, remedy=f"pull a newer version: rushes pull {bundle.manifest.family}")
    landmarks, units, geometry = map(bundle.path, (LANDMARKS_ROLE, UNITS_ROLE, GEOMETRY_ROLE))
    if backend == "auto":
        blank = np.zeros((1, INPUT_PX, INPUT_PX, 3), np.float32)
        timing = time_once(_hash_of_landmarks(bundle)[0], blank, partial(_open, landmarks, {POINTS, PRESENCE}))
        backend = timing.fastest
        log(f"the landmark networks run with the fastest backend of this machine: {timing}")
    return LandmarkNetworks(landmarks, units, geometry, backend)


def check_landmarks(tracking: Bundle, bundle: Bundle) -> None:
    """Refuses a model of the family tracking that has learned from the points of another landmark network.

    Args:
        tracking: Bundle of the family tracking.
        bundle: Bundle whose landmark network runs.

    Raises:
        NothingFitsError: The networks differ.
    """
    if _hash_of_landmarks(tracking) != _hash_of_landmarks(bundle):
        message = (
            f"{tracking.folder} has learned from the points of another landmark network than that of {bundle.folder}"
        )
        raise NothingFitsError(
            message,
            "pull the newest versions: rushes pull expression, rushes pull tracking; or use MediaPipe's network of the "
            "units: --tracking mediapipe",
        )


def _hash_of_landmarks(bundle: Bundle) -> list[str]:
    return [file.sha256 for file in bundle.manifest.files.values() if file.role == LANDMARKS_ROLE]


def try_network(model: Path) -> None:
    """Runs a .tflite network of a bundle once with each backend, if it is one of these.

    Raises:
        UserError: It cannot be loaded, or its outputs contain NaN or infinity.
    """
    points_n2 = np.random.default_rng(0).uniform(0, INPUT_PX, (1, len(UNITS_INPUT), 2)).astype(np.float32)
    blank = {POINTS: np.zeros((1, INPUT_PX, INPUT_PX, 3), np.float32), UNITS_OUTPUT: points_n2}
    known = set(open_tflite(model, "opencv").outputs)
    for given in (value for output, value in blank.items() if output in known):
        for backend in backends():
            outputs = open_tflite(model, backend).run(given)
            if not all(np.isfinite(output).all() for output in outputs.values()):
                message = f"{model} gives NaN or infinity: pull another version"
                raise UserError(message)


def _open(model: Path, outputs: set[str], backend: Backend) -> TfliteNetwork:
    network = open_tflite(model, backend)
    if not outputs <= set(network.outputs):
        message = (
            f"{model} gives {', '.join(network.outputs)}, not {', '.join(sorted(outputs))}: fetch the bundle again"
        )
        raise UserError(message)
    return network
