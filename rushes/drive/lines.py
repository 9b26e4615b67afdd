"""Tracked faces as JSON: everything that is known of a face, rounded to what its measurement carries."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from rushes.drive.files import GrowingFile
from rushes.tracking.face import UNITS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from rushes.drive.timecode import TakeClock
    from rushes.tracking.face import TrackedFace

_NONE: Mapping[str, Any] = {}


def face_line(face: TrackedFace) -> dict[str, Any]:
    """Face as JSON values.

    Units and scores have 4 decimals, angles 2 (0.01 degrees), places in space 4 (0.1 mm) and landmarks 1 (0.1 px).
    `unfiltered` has units, head and gaze before smoothing.
    """
    return {
        "actor": face.actor,
        **({"performer": face.performer, "calibrated": face.calibrated} if face.performer else {}),
        "state": face.state,
        "score": round(float(face.score), 4),
        **_motion(face),
        **({"unfiltered": _motion(face.unfiltered)} if face.unfiltered else {}),
        "landmarks_px": _rounded(face.landmarks_px, 1),
    }


def _motion(face: TrackedFace) -> dict[str, Any]:
    left, right = _rounded(face.gaze_deg, 2)
    return {
        "units": dict(zip(UNITS, _rounded(face.units, 4), strict=True)),
        "head": {
            "yaw_deg": round(float(face.head.yaw_deg), 2),
            "pitch_deg": round(float(face.head.pitch_deg), 2),
            "roll_deg": round(float(face.head.roll_deg), 2),
            "translation_m": _rounded(face.head.translation_m, 4),
        },
        "gaze_deg": {"left": left, "right": right},
    }


def _rounded(values: np.ndarray, digits: int) -> list[Any]:
    # In float64, since the digits of a rounded float32 are not those of its text.
    return np.round(values.astype(np.float64), digits).tolist()  # type: ignore[no-any-return]


class LinesSink:
    """Writes a line of JSON for each frame."""

    def __init__(self, file: GrowingFile, clock: TakeClock) -> None:
        self._file, self._clock = file, clock

    @classmethod
    def open(cls, path: Path, clock: TakeClock) -> LinesSink:
        """Creates the file.

        Raises:
            UserError: It cannot be written.
        """
        return cls(GrowingFile(path), clock)

    def put(
        self,
        time_s: float,
        frame_number: int,
        faces: Sequence[TrackedFace],
        more: Mapping[str, Any] = _NONE,
    ) -> None:
        """Appends the frame.

        Args:
            time_s: Its time since the start of the source.
            frame_number: Its number in the source.
            faces: Faces in it.
            more: What else the line has.

        Raises:
            UserError: The disk is full; the lines until then are kept.
        """
        line = {
            "frame": frame_number,
            "time_s": round(time_s, 3),
            "timecode": self._clock.label(time_s),
            **more,
            "faces": [face_line(face) for face in faces],
        }
        self._file.append(json.dumps(line) + "\n")

    def close(self) -> None:
        """Closes the file."""
        self._file.close()
