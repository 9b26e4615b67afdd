"""BVH: the head and the eyes of an actor as a skeleton that moves, for Blender, Maya or MotionBuilder.

BVH has a right-handed frame, y up; the character looks along z, so that its left side has positive x. Rotations are
written in the order y, x, z, that is yaw, pitch, roll, each about the axes that the turn before has moved. A positive
angle about y takes z (forward) to x (the left side): our yaw. One about x takes z to -y (down): minus our pitch. One
about z takes x (the left side) to y (up), a tilt to the right shoulder: our roll. Places are in centimetres; the camera
is the origin, x is as the camera has it, y and z are turned round.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rushes.drive.files import FilePerActor, GrowingFile

if TYPE_CHECKING:
    from collections.abc import Sequence
    from fractions import Fraction
    from pathlib import Path

    from rushes.tracking.face import TrackedFace

ROTATION = "Yrotation Xrotation Zrotation"
_COUNT = "Frames: "
_DIGITS = 10
# The eyes of an adult are 63 mm apart and lie before and above the joint of the head.
_EYE = """  JOINT {name}
  {{
    OFFSET {x:.2f} 7.00 8.00
    CHANNELS 3 {rotation}
    End Site
    {{
      OFFSET 0.00 0.00 1.20
    }}
  }}
"""
_HEADING = (
    f"HIERARCHY\nROOT Head\n{{\n  OFFSET 0.00 0.00 0.00\n  CHANNELS 6 Xposition Yposition Zposition {ROTATION}\n"
    + _EYE.format(name="LeftEye", x=3.15, rotation=ROTATION)
    + _EYE.format(name="RightEye", x=-3.15, rotation=ROTATION)
    + f"}}\nMOTION\n{_COUNT}{0:<{_DIGITS}}\nFrame Time: "
)


class BvhSink:
    """Writes a pose for each frame of a constant rate: poses are repeated while a face or a frame is missing."""

    def __init__(self, path: Path, fps: Fraction) -> None:
        self._fps = fps
        self._files = FilePerActor(path, self._begun)
        self._last: dict[int, str] = {}

    @classmethod
    def open(cls, path: Path, fps: Fraction) -> BvhSink:
        """Creates the file with its hierarchy.

        Raises:
            UserError: It cannot be written.
        """
        return cls(path, fps)

    def _begun(self, path: Path) -> GrowingFile:
        file = GrowingFile(path)
        file.append(f"{_HEADING}{float(1 / self._fps):.8f}\n", records=0)
        return file

    def put(self, time_s: float, frame_number: int, faces: Sequence[TrackedFace]) -> None:  # noqa: ARG002  # a sink takes all three
        """Appends the frame, and repeats the pose before it to keep the time.

        Raises:
            UserError: The disk is full; the frames until then are kept.
        """
        poses = {face.actor: _pose(face) for face in faces}
        for actor, pose in (self._last | poses).items():
            file = self._files.of(actor)
            missing = round(time_s * self._fps) + 1 - file.records
            if missing > 0:
                # An actor who enters late waits in the pose of the first frame.
                file.append(self._last.get(actor, pose) * (missing - 1) + pose, records=missing)
            file.overwrite(_HEADING.index(_COUNT) + len(_COUNT), f"{file.records:<{_DIGITS}}")
            self._last[actor] = pose

    def close(self) -> None:
        """Closes the files."""
        self._files.close()


def _pose(face: TrackedFace) -> str:
    x_m, y_m, z_m = face.head.translation_m.tolist()
    channels = [100 * x_m, -100 * y_m, -100 * z_m, *_angles(face.head.yaw_deg, face.head.pitch_deg, face.head.roll_deg)]
    for yaw_deg, pitch_deg in face.gaze_deg.tolist():
        channels += _angles(yaw_deg, pitch_deg, 0.0)
    return " ".join(f"{value:.4f}" for value in channels) + "\n"


def _angles(yaw_deg: float, pitch_deg: float, roll_deg: float) -> list[float]:
    return [yaw_deg, -pitch_deg, roll_deg]
