"""Reads headers of films that OpenCV ignores or interprets incorrectly; used if PyAV is not installed."""

from __future__ import annotations

import re
import struct
from fractions import Fraction
from itertools import pairwise
from typing import TYPE_CHECKING

import cv2
import numpy as np

from rushes.drive.timecode import Rate, label_of
from rushes.media.orientation import orientation_of
from rushes.media.tone_mapping import HLG, PQ

if TYPE_CHECKING:
    from pathlib import Path

HEAD_BYTES = 1 << 22  # read from the start, and from the end, where an MP4 may have its index
PACKETS = 5  # number of packets examined
_DROP_FRAME = 1  # flag of a track of timecode
_MPEG2_PICTURE, _PICTURE_ID, _PROGRESSIVE = b"\0\0\x01\xb5", 8, 0x80  # ISO/IEC 13818-2, 6.2.3.1
_PRORES, _PRORES_MODE = b"icpf", 20  # SMPTE RDD 36, 6.1.1: position of the interlace mode
_HEVC_VIDEO, _SOURCE = b"\0\0\x01\x40\x01", 9  # ITU-T H.265, 7.3.2.1 and 7.3.3: position of the source flags
_HIGH_PROFILES = {100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135}  # ITU-T H.264, 7.3.2.1.1


def is_hdr(path: Path) -> bool:
    """True if the transfer characteristics of an MP4, MOV or Matroska are HLG or PQ."""
    head = _headers(path)
    colr = re.findall(rb"colrncl[xc]..(..)", head, re.DOTALL)  # ISO/IEC 14496-12, 12.1.5
    matroska = re.findall(rb"\x55\xba\x81(.)", head, re.DOTALL)  # RFC 9559, 5.1.4.1.28.26
    return bool({int.from_bytes(value, "big") for value in colr + matroska} & {HLG, PQ})


def is_mirrored(path: Path) -> bool:
    """True if the display matrix of an MP4 or MOV, or the projection of a Matroska, mirrors; OpenCV only rotates."""
    head = _headers(path)
    # Version 1 of a track's header has three times of 64 bits instead of 32: ISO/IEC 14496-12, 8.3.2.
    tracks = ((match.start(), match[1]) for match in re.finditer(rb"tkhd([\0\1])", head))
    matrices = [head[at + (44 if version == b"\0" else 56) :][:36] for at, version in tracks]
    turns = re.findall(rb"\x76\x73\x88(.{8})", head, re.DOTALL)  # ProjectionPoseYaw, RFC 9559, 5.1.4.1.28.44
    return any(abs(struct.unpack(">d", turn)[0]) == 180 for turn in turns) or any(  # noqa: PLR2004 - degrees
        orientation_of(np.frombuffer(matrix, ">i4").reshape(3, 3)).mirrored
        for matrix in matrices
        if len(matrix) == 36  # noqa: PLR2004
    )


def edited_s(path: Path) -> float | None:
    """Duration of the edit list of an MP4 or MOV, in seconds; None if there is none. ISO/IEC 14496-12, 8.6.6."""
    head = _headers(path)
    movie, edits = head.find(b"mvhd"), head.find(b"elst")
    if movie < 0 or edits < 0 or head[movie + 4] or head[edits + 4]:  # only version 0 is read: the others use 64 bits
        return None
    (scale,) = struct.unpack_from(">I", head, movie + 16)
    (count,) = struct.unpack_from(">I", head, edits + 8)
    lengths = [struct.unpack_from(">I", head, edits + 12 + 12 * number)[0] for number in range(min(count, 1000))]
    return float(sum(lengths) / scale) if scale else None


def timecode_of(path: Path) -> str:
    """SMPTE timecode of the first frame of an MP4, MOV or Matroska, such as `10:00:00:00`; empty if there is none."""
    head = _headers(path)
    # Tag of a Matroska: name, then text. RFC 9559, 5.1.8.1.2
    if tag := re.search(rb"\x45\xa3.{1,8}?TIMECODE.{0,24}?\x44\x87.{1,8}?(\d\d(?:[:;]\d\d){3})", head, re.DOTALL):
        return tag[1].decode()
    # Track of timecode: its first sample is the number of a frame. QuickTime File Format, Timecode media.
    found = re.search(rb"stsd.{12}tmcd.{12}(...[\0\1\2\3])(.{4})(.{4})", head, re.DOTALL)
    place = found and re.search(rb"stco.{8}(.{4})|co64.{8}(.{8})", head[found.end() :], re.DOTALL)
    if not found or not place:
        return ""
    flags, scale, duration = (int.from_bytes(number, "big") for number in found.groups())
    with path.open("rb") as file:
        file.seek(int.from_bytes(place[1] or place[2], "big"))
        frame = int.from_bytes(file.read(4), "big")
    if not scale or not duration:
        return ""
    rate = Fraction(scale, duration)
    return label_of(frame, Rate("", rate, dropped=2 * round(rate / 30) if flags & _DROP_FRAME else 0))


def is_interlaced(path: Path) -> bool:
    """True if the first packets are coded as fields or with field coding tools: DV, MPEG-2, H.264, HEVC, ProRes."""
    video = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
    fourcc = int(video.get(cv2.CAP_PROP_FOURCC)).to_bytes(4, "little").lower()
    video.set(cv2.CAP_PROP_FORMAT, -1)  # raw packets
    packets = [packet for there, packet in (video.read() for _ in range(PACKETS)) if there]
    video.release()
    return fourcc.startswith(b"dv") or any(_by_fields(packet.tobytes()) for packet in packets)


def frame_fields(path: Path) -> int:
    """Number of frames that OpenCV counts per frame: for H.264 in AVI it counts fields, detected by their times."""
    if path.suffix.lower() != ".avi":
        return 1
    video = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
    times_ms = [video.get(cv2.CAP_PROP_POS_MSEC) for _ in range(PACKETS) if video.read()[0]]
    steps = [(after - before) * video.get(cv2.CAP_PROP_FPS) / 1000 for before, after in pairwise(times_ms)]
    video.release()
    return 2 if steps and all(abs(step - 2) < 0.1 for step in steps) else 1  # noqa: PLR2004 - two fields


def _by_fields(packet: bytes) -> bool:
    if packet[4:8] == _PRORES:
        return bool(packet[_PRORES_MODE] >> 2 & 3)
    for extension in re.findall(_MPEG2_PICTURE + b"(.....)", packet, re.DOTALL):
        if extension[0] >> 4 == _PICTURE_ID:
            return not extension[4] & _PROGRESSIVE
    if (video := re.search(_HEVC_VIDEO + rb"(.{16})", packet, re.DOTALL)) is not None:
        return _escaped(video[1])[_SOURCE] >> 6 == 1  # interlaced, and not progressive
    sequence = re.search(rb"\0\0\x01[\x27\x47\x67](.{8,64})", packet, re.DOTALL)
    return sequence is not None and not _frames_only(_escaped(sequence[1]))


def _escaped(unit: bytes) -> bytes:
    """A unit of H.264 or HEVC without the bytes that keep start codes out of it, ITU-T H.264, 7.4.1."""
    return unit.replace(b"\0\0\x03", b"\0\0")


class _Bits:
    """Sequential reader of the bits of H.264."""

    def __init__(self, data: bytes) -> None:
        self._bits, self._at = "".join(f"{byte:08b}" for byte in data), 0

    def take(self, count: int) -> int:
        self._at += count
        return int(self._bits[self._at - count : self._at] or "0", 2)

    def number(self) -> int:
        """Reads an Exp-Golomb code, section 9.1."""
        zeros = self._bits.find("1", self._at) - self._at
        if zeros < 0:
            raise EOFError
        self._at += zeros
        return self.take(zeros + 1) - 1

    def signed(self) -> int:
        code = self.number()
        return (code + 1) // 2 if code % 2 else -code // 2


def _frames_only(sequence: bytes) -> bool:
    """The flag frame_mbs_only of a sequence parameter set, ITU-T H.264, 7.3.2.1.1; True if it cannot be read."""
    try:
        bits = _Bits(sequence[3:])
        bits.number()
        if sequence[0] in _HIGH_PROFILES:
            _skip_high(bits)
        bits.number()  # log2_max_frame_num
        _skip_order(bits, bits.number())
        bits.number()  # max_num_ref_frames
        bits.take(1)
        bits.number()  # width and height in macroblocks
        bits.number()
        return bool(bits.take(1))
    except EOFError:
        return True


def _skip_high(bits: _Bits) -> None:
    chroma = bits.number()
    if chroma == 3:  # noqa: PLR2004 - 4:4:4
        bits.take(1)
    bits.number()  # depths
    bits.number()
    bits.take(1)
    if bits.take(1):
        for number in range(12 if chroma == 3 else 8):  # noqa: PLR2004 - likewise
            if bits.take(1):
                _skip_scaling(bits, 16 if number < 6 else 64)  # noqa: PLR2004 - lists of 4x4 come first


def _skip_scaling(bits: _Bits, size: int) -> None:
    last = following = 8
    for _ in range(size):
        if following:
            following = (last + bits.signed()) % 256
        last = following or last


def _skip_order(bits: _Bits, kind: int) -> None:
    if kind == 0:
        bits.number()
    elif kind == 1:
        bits.take(1)
        bits.signed()
        bits.signed()
        for _ in range(bits.number()):
            bits.signed()


def _headers(path: Path) -> bytes:
    size_bytes = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
        file.seek(max(len(head), size_bytes - HEAD_BYTES))
        return head + file.read(HEAD_BYTES)
