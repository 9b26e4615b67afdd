"""VMC protocol: drives a character in VSeeFace, Warudo, Unity or Blender by OSC over UDP.

Sources: protocol.vmc.info/specification, /marionette-spec and /performer-spec (protocol 3.1). Addresses, types and
order of arguments are those of the specification; `/VMC/Ext/OK` has the form of 2.7, whose last number is 1 while a
face is tracked. Names are sent in the case of the character's clips, since not every receiver ignores it.

**Axes.** Bones are sent as Unity has them: left-handed, x to the character's right, y up, z forward, quaternions in the
order x, y, z, w. The algebra of a quaternion is the same in both kinds of frame, so a positive angle about

- y takes z (forward) to x (the character's right): our yaw, which turns left, is negative;
- x takes z (forward) to -y (down): our pitch, which turns up, is negative;
- z takes x (the right side) to y (up), a tilt to the left shoulder: our roll, a tilt to the right one, is negative.

Unity composes as we do: yaw, then pitch, then roll, each about the axes that the turn before has moved. With the half
angles a = -pitch/2, b = -yaw/2 and c = -roll/2 the product (b about y)(a about x)(c about z) is written out in
`unity_quaternion`. 30 degrees of one angle alone give -sin 15 deg = -0.2588 on its axis and w = cos 15 deg = 0.9659.
"""

from __future__ import annotations

import math
import struct
from typing import TYPE_CHECKING

from rushes.drive import osc
from rushes.drive.sink import chosen_face, neutral
from rushes.drive.udp import UdpSender

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from rushes.drive.address import Address
    from rushes.drive.names import NameMap
    from rushes.tracking.face import TrackedFace

# Fits an Ethernet frame with the headers of IP, UDP and a tunnel; units, head and eyes in one bundle have 2,808 bytes.
MOST_BYTES = 1400
LOADED, CALIBRATED, NORMAL_MODE = 1, 3, 0
EYES = ("LeftEye", "RightEye")
_APPLY = osc.message("/VMC/Ext/Blend/Apply")


class VmcSink:
    """Sends the units, the head and the eyes of one actor; once nobody is seen any more, the character is neutral."""

    def __init__(self, sender: UdpSender, names: NameMap, actor: int | None = None) -> None:
        self._sender, self._names, self._actor = sender, names, actor
        self._rest: TrackedFace | None = None  # once somebody has been seen
        self._time_s = 0.0
        # All of a Blend/Val message is constant but its last four bytes, the value.
        self._blends = [osc.message("/VMC/Ext/Blend/Val", name, 0.0)[:-4] for name in names.targets]

    @classmethod
    def open(cls, address: Address, names: NameMap, log: Callable[[str], None]) -> VmcSink:
        """Opens the connection to a receiver.

        Args:
            address: The receiver, and the actor who drives it; by default the one of the lowest id in each frame.
            names: Names of the character's clips.
            log: Called with a line if the receiver is absent, and at the end.

        Raises:
            UserError: The name of the host is not known.
        """
        return cls(UdpSender(address, log), names, address.actor)

    def put(self, time_s: float, frame_number: int, faces: Sequence[TrackedFace]) -> None:  # noqa: ARG002  # a sink takes all three
        """Sends a frame in bundles of at most 1,400 bytes; what applies the units comes last."""
        face = chosen_face(faces, self._actor)
        self._time_s = time_s
        if face is not None:
            self._rest = neutral(face)
        self._send(face or self._rest)

    def _send(self, face: TrackedFace | None) -> None:
        for packet in osc.bundles(self._messages(self._time_s, face), MOST_BYTES):
            self._sender.send(packet)

    def _messages(self, time_s: float, face: TrackedFace | None) -> Iterator[bytes]:
        tracked = int(face is not None and face.state == "tracked")
        yield osc.message("/VMC/Ext/OK", LOADED, CALIBRATED, NORMAL_MODE, tracked)
        yield osc.message("/VMC/Ext/T", float(time_s))
        if face is None:
            return
        yield _bone("Head", face.head.yaw_deg, face.head.pitch_deg, face.head.roll_deg)
        for eye, (yaw_deg, pitch_deg) in zip(EYES, face.gaze_deg.tolist(), strict=True):
            yield _bone(eye, yaw_deg, pitch_deg, 0.0)
        for blend, value in zip(self._blends, self._names.apply(face.units).tolist(), strict=True):
            yield blend + struct.pack(">f", value)
        yield _APPLY

    def close(self) -> None:
        """Leaves the character neutral, and closes the connection."""
        if self._rest is not None:
            self._send(self._rest)
            self._rest = None
        self._sender.close()


def _bone(name: str, yaw_deg: float, pitch_deg: float, roll_deg: float) -> bytes:
    """Rotation of a bone relative to its parent, at place 0: the place is the character's own.

    EVMC4U moves bones to the place that is sent unless its option Bone Position Synchronize is off.
    """
    return osc.message("/VMC/Ext/Bone/Pos", name, 0.0, 0.0, 0.0, *unity_quaternion(yaw_deg, pitch_deg, roll_deg))


def unity_quaternion(yaw_deg: float, pitch_deg: float, roll_deg: float) -> tuple[float, float, float, float]:
    """Quaternion (x, y, z, w) in Unity's frame for angles in the signs of `HeadPose`."""
    half_x, half_y, half_z = (-math.radians(angle) / 2 for angle in (pitch_deg, yaw_deg, roll_deg))
    sin_x, cos_x = math.sin(half_x), math.cos(half_x)
    sin_y, cos_y = math.sin(half_y), math.cos(half_y)
    sin_z, cos_z = math.sin(half_z), math.cos(half_z)
    return (
        cos_y * sin_x * cos_z + sin_y * cos_x * sin_z,
        sin_y * cos_x * cos_z - cos_y * sin_x * sin_z,
        cos_y * cos_x * sin_z - sin_y * sin_x * cos_z,
        cos_y * cos_x * cos_z + sin_y * sin_x * sin_z,
    )
