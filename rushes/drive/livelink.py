"""Live Link Face: the columns of the app, and its UDP packet, version 6, for Unreal Engine.

**Packet.** Version (uint8), device id and subject (each an int32 length and its bytes), frame number (int32), sub-frame
(float32), numerator and denominator of the frame rate (int32 each), number of values (uint8), values (float32); all
big-endian. Sources: the sizes in Unreal's AppleARKitLiveLinkSource.cpp as the readme of think-biq/LLV quotes them, and
the independent decoders of JimWest/PyLiveLinkFace and think-biq/LLV. The former takes the last byte of the length of a
device id for a `$`: ids have 36 characters there, so ours have as many. The order of values is that of Unreal's enum
EARFaceBlendShape, which has JawLeft before JawRight.

**Angles** are radians. Head: yaw to the actor's left, pitch up, roll to the actor's right shoulder, as in `HeadPose`
(apps that send to Unreal agree: MeFaMo, and ARKit's transform as atan2(z.x, z.z), asin(z.y), atan2(x.y, y.y)). Eyes:
yaw to the actor's right, pitch down, both the other way round: in a take of the real app over 4,030 frames, eye yaw
follows look-in minus look-out of the left eye with r = 0.999 (of the right eye with -0.999) and 0.60 rad a unit, eye
pitch follows look-down minus look-up with r = 0.996 and 0.56 rad a unit. The roll of an eye is not tracked: 0.
"""

from __future__ import annotations

import struct
import uuid
from typing import TYPE_CHECKING

import numpy as np

from rushes.drive.sink import neutral
from rushes.drive.udp import UdpSender
from rushes.tracking.face import UNITS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from fractions import Fraction

    from rushes.drive.address import Address
    from rushes.drive.timecode import TakeClock
    from rushes.tracking.face import TrackedFace

VERSION = 6
_EYE = (
    "EyeBlink{0}", "EyeLookDown{0}", "EyeLookIn{0}", "EyeLookOut{0}", "EyeLookUp{0}", "EyeSquint{0}", "EyeWide{0}",
)  # fmt: skip
ANGLES = tuple(f"{part}{angle}" for part in ("Head", "LeftEye", "RightEye") for angle in ("Yaw", "Pitch", "Roll"))
VALUES: tuple[str, ...] = (
    *(name.format("Left") for name in _EYE),
    *(name.format("Right") for name in _EYE),
    "JawForward", "JawLeft", "JawRight", "JawOpen",
    "MouthClose", "MouthFunnel", "MouthPucker", "MouthLeft", "MouthRight", "MouthSmileLeft", "MouthSmileRight",
    "MouthFrownLeft", "MouthFrownRight", "MouthDimpleLeft", "MouthDimpleRight", "MouthStretchLeft",
    "MouthStretchRight", "MouthRollLower", "MouthRollUpper", "MouthShrugLower", "MouthShrugUpper", "MouthPressLeft",
    "MouthPressRight", "MouthLowerDownLeft", "MouthLowerDownRight", "MouthUpperUpLeft", "MouthUpperUpRight",
    "BrowDownLeft", "BrowDownRight", "BrowInnerUp", "BrowOuterUpLeft", "BrowOuterUpRight",
    "CheekPuff", "CheekSquintLeft", "CheekSquintRight", "NoseSneerLeft", "NoseSneerRight", "TongueOut",
    *ANGLES,
)  # fmt: skip


def column_of(unit: str) -> str:
    """Column of a unit: ARKit's name with a capital."""
    return unit[0].upper() + unit[1:]


_OURS = (*(column_of(unit) for unit in UNITS), *ANGLES)
_FROM_OURS = np.array([_OURS.index(name) for name in VALUES])


def values_of(face: TrackedFace, order: np.ndarray = _FROM_OURS) -> np.ndarray:
    """Values of a face (61,) float64, angles in radians.

    Args:
        face: The face.
        order: Place of each value in (UNITS, ANGLES); by default the order of VALUES.
    """
    angles_deg = np.zeros((3, 3))  # head, left eye, right eye; yaw, pitch, roll
    angles_deg[0] = face.head.yaw_deg, face.head.pitch_deg, face.head.roll_deg
    angles_deg[1:, :2] = -face.gaze_deg
    ours = np.concatenate([face.units, np.radians(angles_deg).ravel()])
    ordered: np.ndarray = ours[order]
    return ordered


def place_in_ours(columns: Sequence[str]) -> np.ndarray:
    """Argument `order` of `values_of` for columns in another order."""
    return np.array([_OURS.index(name) for name in columns])


def packet(device: str, subject: str, frame: tuple[int, float], fps: Fraction, values: np.ndarray) -> bytes:
    """Packet of one subject at one time.

    Args:
        device: Id of the sending device, ASCII.
        subject: Name of the subject in Unreal, ASCII.
        frame: Frame number since midnight, and the part of a frame that is over.
        fps: Frame rate.
        values: Values (61,) in the order of VALUES.
    """
    names = b"".join(struct.pack(">i", len(text)) + text.encode("ascii") for text in (device, subject))
    rate = struct.pack(">ifii", *frame, fps.numerator, fps.denominator)
    return bytes([VERSION]) + names + rate + struct.pack(f">B{len(values)}f", len(values), *values)


class LiveLinkSink:
    """Sends a packet a frame for each actor, each a subject of its own: `rushes`, `rushes1`, ..."""

    def __init__(self, sender: UdpSender, clock: TakeClock, subject: str, actor: int | None = None) -> None:
        self._sender, self._clock, self._subject, self._actor = sender, clock, subject, actor
        self._seen: dict[int, TrackedFace] = {}  # in the frame before, by actor
        self._time_s = 0.0
        self._device = str(uuid.uuid5(uuid.NAMESPACE_OID, "rushes"))  # names the software, not the machine

    @classmethod
    def open(cls, address: Address, clock: TakeClock, log: Callable[[str], None]) -> LiveLinkSink:
        """Opens the connection to Unreal Engine.

        Args:
            address: The receiver, the name of the subject, and the actor to send; by default all.
            clock: Timecode, by which Unreal synchronises its sources.
            log: Called with a line if the receiver is absent, and at the end.

        Raises:
            UserError: The name of the host is not known.
        """
        return cls(UdpSender(address, log), clock, address.subject, address.actor)

    def put(self, time_s: float, frame_number: int, faces: Sequence[TrackedFace]) -> None:  # noqa: ARG002  # a sink takes all three
        """Sends the faces of a frame, and once a neutral one of each actor who is not seen any more.

        Then nothing is sent of that actor, and the subject turns stale in Unreal.
        """
        self._time_s = time_s
        number, thousandths = self._clock.at(time_s)
        before, self._seen = self._seen, {face.actor: face for face in faces}
        gone = [neutral(face) for actor, face in before.items() if actor not in self._seen]
        for face in (*faces, *gone):
            if self._actor in {None, face.actor}:
                subject = f"{self._subject}{face.actor or ''}" if self._actor is None else self._subject
                frame = (number, thousandths / 1000)
                self._sender.send(packet(self._device, subject, frame, self._clock.rate.fps, values_of(face)))

    def close(self) -> None:
        """Leaves each actor's character neutral, and closes the connection."""
        self.put(self._time_s, 0, [])
        self._sender.close()
