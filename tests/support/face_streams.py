"""Made-up tracked faces, and readers of Live Link packets and BVH files that share no code with what writes them."""

from __future__ import annotations

import socket
import struct
from dataclasses import dataclass

import numpy as np

from rushes.tracking.face import UNITS, HeadPose, TrackedFace

# EARFaceBlendShape of Unreal's ARTrackable.h, as its users list it.
UNREAL = [
    "EyeBlinkLeft", "EyeLookDownLeft", "EyeLookInLeft", "EyeLookOutLeft", "EyeLookUpLeft", "EyeSquintLeft",
    "EyeWideLeft", "EyeBlinkRight", "EyeLookDownRight", "EyeLookInRight", "EyeLookOutRight", "EyeLookUpRight",
    "EyeSquintRight", "EyeWideRight", "JawForward", "JawLeft", "JawRight", "JawOpen", "MouthClose", "MouthFunnel",
    "MouthPucker", "MouthLeft", "MouthRight", "MouthSmileLeft", "MouthSmileRight", "MouthFrownLeft",
    "MouthFrownRight", "MouthDimpleLeft", "MouthDimpleRight", "MouthStretchLeft", "MouthStretchRight",
    "MouthRollLower", "MouthRollUpper", "MouthShrugLower", "MouthShrugUpper", "MouthPressLeft", "MouthPressRight",
    "MouthLowerDownLeft", "MouthLowerDownRight", "MouthUpperUpLeft", "MouthUpperUpRight", "BrowDownLeft",
    "BrowDownRight", "BrowInnerUp", "BrowOuterUpLeft", "BrowOuterUpRight", "CheekPuff", "CheekSquintLeft",
    "CheekSquintRight", "NoseSneerLeft", "NoseSneerRight", "TongueOut", "HeadYaw", "HeadPitch", "HeadRoll",
    "LeftEyeYaw", "LeftEyePitch", "LeftEyeRoll", "RightEyeYaw", "RightEyePitch", "RightEyeRoll",
]  # fmt: skip


def made_up_face(
    actor: int = 0,
    *,
    units: dict[str, float] | None = None,
    head: tuple[float, float, float] = (0.0, 0.0, 0.0),
    gaze: tuple[tuple[float, float], tuple[float, float]] = ((0.0, 0.0), (0.0, 0.0)),
    at_m: tuple[float, float, float] = (0.0, 0.0, 0.6),
    state: str = "tracked",
) -> TrackedFace:
    """A face with the given units, the others at 0."""
    values = np.array([(units or {}).get(unit, 0.0) for unit in UNITS], np.float32)
    landmarks_px = np.arange(478 * 3, dtype=np.float32).reshape(478, 3) / 7
    pose = HeadPose(*head, np.array(at_m))
    return TrackedFace(actor, 0.98765, values, pose, np.array(gaze, np.float32), landmarks_px, state)


def every_unit_different() -> dict[str, float]:
    """A value for each unit, exact in float32, that no other has."""
    return {unit: (index + 1) / 64 for index, unit in enumerate(UNITS)}


class Receiver:
    """UDP socket on a free port of this machine."""

    def __init__(self, family: socket.AddressFamily = socket.AF_INET, port: int = 0) -> None:
        self.socket = socket.socket(family, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1" if family == socket.AF_INET else "::1", port))
        self.socket.settimeout(10)
        self.port = self.socket.getsockname()[1]

    def packets(self, number: int) -> list[bytes]:
        """The next packets; on one machine they lie in the buffer once they are sent."""
        return [self.socket.recv(65536) for _ in range(number)]

    def waiting(self) -> list[bytes]:
        """All that have arrived."""
        self.socket.setblocking(False)
        found = []
        try:
            while True:
                found.append(self.socket.recv(65536))
        except BlockingIOError:
            return found
        finally:
            self.socket.settimeout(10)


@dataclass
class Packet:
    """A packet of Live Link Face, version 6."""

    version: int
    device: str
    subject: str
    frame: int
    sub_frame: float
    rate: tuple[int, int]
    values: dict[str, float]


def read_packet(content: bytes) -> Packet:
    """Reads a packet to its last byte."""
    place = 1

    def take(form: str):
        nonlocal place
        found = struct.unpack_from(">" + form, content, place)
        place += struct.calcsize(">" + form)
        return found

    def text() -> str:
        [length] = take("i")
        return take(f"{length}s")[0].decode("ascii")

    device, subject = text(), text()
    frame, sub_frame, numerator, denominator = take("ifii")
    [count] = take("B")
    values = take(f"{count}f")
    assert place == len(content)
    return Packet(
        content[0], device, subject, frame, sub_frame, (numerator, denominator), dict(zip(UNREAL, values, strict=True))
    )


@dataclass
class Motion:
    """A BVH file: the parent and the offset of each joint, its channels, and the frames by (joint, channel)."""

    parents: dict[str, str | None]
    offsets: dict[str, tuple[float, ...]]
    channels: list[tuple[str, str]]
    frame_time_s: float
    frames: list[dict[tuple[str, str], float]]


def read_bvh(text: str) -> Motion:
    """Reads a BVH file, word by word."""
    hierarchy, _, motion = text.partition("MOTION")
    words = iter(hierarchy.split())
    parents, offsets, channels, open_joints = {}, {}, [], []
    assert next(words) == "HIERARCHY"
    for word in words:
        if word in {"ROOT", "JOINT", "End"}:
            name = next(words)
            name = f"{open_joints[-1]}.{name}" if word == "End" else name
            parents[name] = open_joints[-1] if open_joints else None
            assert next(words) == "{"
            open_joints.append(name)
        elif word == "OFFSET":
            offsets[open_joints[-1]] = tuple(float(next(words)) for _ in range(3))
        elif word == "CHANNELS":
            channels += [(open_joints[-1], next(words)) for _ in range(int(next(words)))]
        else:
            assert word == "}"
            open_joints.pop()
    assert not open_joints
    _, count, frame_time, *rows = motion.split("\n")
    assert count.startswith("Frames:")
    assert frame_time.startswith("Frame Time:")
    frames = [dict(zip(channels, map(float, row.split()), strict=True)) for row in rows if row]
    assert len(frames) == int(count.split()[1])
    return Motion(parents, offsets, channels, float(frame_time.split()[2]), frames)
