"""Landmarks of a calibration's frames, from which it is computed again for another network of the units.

A nightly run may bring another model of the family tracking every day, with other scales; the performer then need not
sit before the camera again.
"""

from __future__ import annotations

import io
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

import numpy as np

from rushes.bundle.arrays import unpack_arrays
from rushes.bundle.regular_files import read_regular
from rushes.calibration.calibration import Calibration, Origin, measure
from rushes.errors import RushesError, UserError
from rushes.output_files import save
from rushes.tracking.face import LANDMARKS, HeadPose, TrackedFace
from rushes.tracking.landmarks import GEOMETRY_ROLE, LANDMARKS_ROLE
from rushes.tracking.units_network import ANGLES

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from rushes.tracking.units_network import UnitsNetwork

POINTS = LANDMARKS_ROLE, GEOMETRY_ROLE  # on which landmarks and fitted angles depend
# Frames of each part at most, 10 MB together; of a longer part every second one, or fewer. A part never falls below
# half of its limit, since a calibration needs some frames of both.
REST_FRAMES, MOTION_FRAMES = 500, 1500
MAX_BYTES = 1 << 24
PLACE_M = np.zeros(3)  # of the head: it plays no part


class UnitsReader(Protocol):
    """Reader of units without a state, such as MediaPipe's network in `rushes.tracking.landmarks.LandmarkNetworks`."""

    def units(self, landmarks_px: np.ndarray) -> np.ndarray:
        """Units (52,) of landmarks (478, 3)."""
        ...


@dataclass(frozen=True)
class SessionRecording:
    """Frames of a session in which the face was seen, in their order.

    Attributes:
        landmarks_tp3: Landmarks, float32 T,478,3 in pixels.
        fitted_ta: Angles of head and eyes as fitted to them, float32 T,7 in degrees.
        at_rest: Number of frames of the neutral face, with which it begins.
    """

    landmarks_tp3: np.ndarray
    fitted_ta: np.ndarray
    at_rest: int

    def read_again(self, reader: UnitsNetwork | UnitsReader) -> tuple[list[TrackedFace], list[TrackedFace]]:
        """Faces of both parts as a network of the family tracking reads them, or MediaPipe's."""
        if hasattr(reader, "units"):
            faces = [self._face(number, reader.units(points_p3)) for number, points_p3 in enumerate(self.landmarks_tp3)]
        else:
            faces, state_1h = [], reader.start()
            for number in range(len(self.fitted_ta)):
                fitted = self._face(number, np.zeros(0))
                reading = reader.read(fitted.landmarks_px, fitted.head, fitted.gaze_deg, state_1h)
                state_1h = reading.state_1h
                faces.append(replace(fitted, units=reading.units, head=reading.head, gaze_deg=reading.gaze_deg))
        return faces[: self.at_rest], faces[self.at_rest :]

    def _face(self, number: int, units: np.ndarray) -> TrackedFace:
        fitted_a = self.fitted_ta[number]
        yaw_deg, pitch_deg, roll_deg = map(float, fitted_a[:3])
        head, gaze_deg = HeadPose(yaw_deg, pitch_deg, roll_deg, PLACE_M), fitted_a[3:].reshape(2, 2)
        return TrackedFace(0, 1.0, units, head, gaze_deg, self.landmarks_tp3[number], "tracked", fitted_a)


def recording_of(at_rest: Sequence[TrackedFace], in_motion: Sequence[TrackedFace]) -> SessionRecording | None:
    """Recording of a session's faces; None if they do not have their fitted angles."""
    kept = _thinned(at_rest, REST_FRAMES), _thinned(in_motion, MOTION_FRAMES)
    faces = [face for part in kept for face in part]
    fitted = [face.fitted_deg for face in faces if face.fitted_deg is not None]
    if not faces or len(fitted) < len(faces):
        return None
    landmarks_tp3 = np.array([face.landmarks_px for face in faces], np.float32)
    return SessionRecording(landmarks_tp3, np.array(fitted, np.float32), len(kept[0]))


def _thinned(faces: Sequence[TrackedFace], most: int) -> Sequence[TrackedFace]:
    return faces[:: -(-len(faces) // most) or 1]


def write_recording(path: Path, recording: SessionRecording) -> None:
    """Stores a recording.

    Raises:
        UserError: It cannot be written.
    """
    content = io.BytesIO()
    np.savez_compressed(
        content, landmarks=recording.landmarks_tp3, fitted=recording.fitted_ta, at_rest=np.array(recording.at_rest)
    )
    save(path, content.getvalue())


def read_recording(path: Path) -> SessionRecording | None:
    """Reads a recording; None if there is none that can be read."""
    try:
        arrays = unpack_arrays(read_regular(path, MAX_BYTES), MAX_BYTES)
        landmarks_tp3, fitted_ta, at_rest = (arrays[name] for name in ("landmarks", "fitted", "at_rest"))
    except (OSError, RushesError, KeyError):
        return None
    frames = len(fitted_ta) if fitted_ta.ndim else 0
    whole = landmarks_tp3.shape == (frames, LANDMARKS, 3) and fitted_ta.shape == (frames, ANGLES)
    numbers = all(array.dtype.kind in "fiu" for array in (landmarks_tp3, fitted_ta)) and at_rest.dtype.kind in "iu"
    if not whole or not numbers or at_rest.shape or not 0 <= at_rest <= frames:
        return None
    finite = np.isfinite(landmarks_tp3).all() and np.isfinite(fitted_ta).all()
    return SessionRecording(landmarks_tp3, fitted_ta, int(at_rest)) if finite else None


def computed_again(
    calibration: Calibration,
    path: Path,
    networks: dict[str, str],
    open_reader: Callable[[], UnitsNetwork | UnitsReader],
) -> Calibration | None:
    """The calibration for other networks of the units, from the recording; None if it has none that holds.

    Args:
        calibration: As it was measured.
        path: The recording.
        networks: Hashes of the networks that run. The landmark network must be the same.
        open_reader: Opens what reads the units.

    Raises:
        UserError: The network cannot be opened.
    """
    if any(calibration.networks.get(role) != networks.get(role) for role in POINTS):
        return None
    recording = read_recording(path)
    if recording is None:
        return None
    origin = Origin(calibration.date, calibration.model_digest, networks)
    at_rest, in_motion = recording.read_again(open_reader())
    try:
        return measure(calibration.performer, origin, at_rest, in_motion)
    except UserError:  # such as a head that is turned further, as this network reads it
        return None
