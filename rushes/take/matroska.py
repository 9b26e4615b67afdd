"""Matroska film of single pictures, each at its own time, that grows by the frame (RFC 9559, EBML: RFC 8794).

OpenCV's writer gives frames a constant rate and does not report that the disk is full. Here each frame is a cluster of
its own behind a segment of unknown size, so that the film is readable at any moment, after a kill too; closing it adds
an index, the duration and the size.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rushes.drive.files import GrowingFile
from rushes.errors import UserError

if TYPE_CHECKING:
    from pathlib import Path

CUE_MS = 1000  # between two entries of the index
LONGEST = 8  # bytes of a size
_SEEK_ROOM, _VOID_HEAD = 64, 2
# Identifiers of elements.
_EBML, _SEGMENT, _SEEK_HEAD, _SEEK, _SEEK_ID, _SEEK_AT = (
    0x1A45DFA3, 0x18538067, 0x114D9B74, 0x4DBB, 0x53AB, 0x53AC,
)  # fmt: skip
_INFO, _SCALE, _DURATION, _MUXER, _WRITER = 0x1549A966, 0x2AD7B1, 0x4489, 0x4D80, 0x5741
_TRACKS, _TRACK, _NUMBER, _UID, _TYPE, _LACING, _FRAME_NS = 0x1654AE6B, 0xAE, 0xD7, 0x73C5, 0x83, 0x9C, 0x23E383
_CODEC, _PRIVATE, _VIDEO, _WIDTH, _HEIGHT = 0x86, 0x63A2, 0xE0, 0xB0, 0xBA
_CLUSTER, _TIME, _BLOCK, _VOID = 0x1F43B675, 0xE7, 0xA3, 0xEC
_CUES, _CUE, _CUE_TIME, _CUE_PLACE, _CUE_TRACK, _CUE_AT = 0x1C53BB6B, 0xBB, 0xB3, 0xB7, 0xF7, 0xF1
_TAGS, _TAG, _TARGETS, _SIMPLE_TAG, _TAG_NAME, _TAG_TEXT = 0x1254C367, 0x7373, 0x63C0, 0x67C8, 0x45A3, 0x4487
_KEY_FRAME = b"\x81\x00\x00\x80"  # of track 1, at the time of its cluster


@dataclass(frozen=True)
class Format:
    """Coding of pictures.

    Attributes:
        codec: Matroska's name.
        four_cc: Name of the codec in a BITMAPINFOHEADER, where Matroska has none of its own.
    """

    codec: str
    four_cc: bytes = b""


JPEG, PNG = Format("V_MJPEG"), Format("V_MS/VFW/FOURCC", b"MPNG")


class MatroskaFile:
    """A film to which coded pictures are appended.

    Args:
        path: The file.
        coding: How the pictures are coded.
        size_px: Width and height.
        fps: Usual frames per second, for players that want to know.
        timecode: SMPTE timecode of the first picture, for editors; empty for none.

    Raises:
        UserError: It cannot be written.
    """

    def __init__(self, path: Path, coding: Format, size_px: tuple[int, int], fps: float, timecode: str = "") -> None:
        self._file = GrowingFile(path)
        self._time_ms = -1
        self._cues: list[tuple[int, int]] = []
        self._frame_ms = 1000 / fps
        head = _element(_EBML, _element(0x4282, b"matroska"), _number(0x4287, 4), _number(0x4285, 2))
        self._start = len(head) + 4 + LONGEST  # places in the file count from here
        self._duration_at = self._start + _SEEK_ROOM + 4 + LONGEST + 2 + LONGEST  # behind two heads of elements
        info = _element(
            _INFO, _element(_DURATION, struct.pack(">d", 0)), _number(_SCALE, 1_000_000), _element(_MUXER, b"rushes"),
            _element(_WRITER, b"rushes"),
        )  # fmt: skip
        unknown = struct.pack(">I", _SEGMENT) + b"\x01" + b"\xff" * 7
        described = info + _tracks(coding, size_px, fps) + (_timecode(timecode) if timecode else b"")
        self._file.append(head + unknown + _void(_SEEK_ROOM) + described, records=0)

    def append(self, picture: bytes, time_s: float) -> None:
        """Appends a coded picture; times ascend.

        Raises:
            UserError: The disk is full; the film ends with the frame before.
        """
        self._time_ms = max(round(1000 * time_s), self._time_ms + 1)
        place = self._file.size
        self._file.append(
            _element(_CLUSTER, _number(_TIME, self._time_ms), _element(_BLOCK, _KEY_FRAME + picture)), records=1
        )
        if not self._cues or self._time_ms - self._cues[-1][0] >= CUE_MS:
            self._cues.append((self._time_ms, place - self._start))

    def close(self) -> None:
        """Adds index, duration and size, and closes the film; it is readable without them."""
        if self._file.closed:
            return
        index = self._file.size
        try:
            self._file.append(_element(_CUES, *(_cue(*cue) for cue in self._cues)), records=0)
        except UserError:  # the disk is full
            index = 0
        seek = _element(_SEEK_HEAD, _element(_SEEK, _element(_SEEK_ID, struct.pack(">I", _CUES)),
                                             _number(_SEEK_AT, index - self._start)))  # fmt: skip
        try:
            if index:
                self._file.overwrite(self._start, seek + _void(_SEEK_ROOM - len(seek)))
            self._file.overwrite(self._duration_at, struct.pack(">d", max(0, self._time_ms) + self._frame_ms))
            self._file.overwrite(self._start - LONGEST, _size(self._file.size - self._start))
        finally:
            self._file.close()


def _tracks(coding: Format, size_px: tuple[int, int], fps: float) -> bytes:
    width, height = size_px
    video = _element(_VIDEO, _number(_WIDTH, width), _number(_HEIGHT, height))
    private = b""
    if coding.four_cc:
        bitmap = struct.pack("<IiiHH4sIiiII", 40, width, height, 1, 24, coding.four_cc, 3 * width * height, 0, 0, 0, 0)
        private = _element(_PRIVATE, bitmap)
    numbers = ((_NUMBER, 1), (_UID, 1), (_TYPE, 1), (_LACING, 0), (_FRAME_NS, round(1e9 / fps)))
    head = b"".join(_number(name, value) for name, value in numbers)
    return _element(_TRACKS, _element(_TRACK, head, _element(_CODEC, coding.codec.encode()), private, video))


def _timecode(label: str) -> bytes:
    """Tag of the whole file, as FFmpeg writes it."""
    tag = _element(_SIMPLE_TAG, _element(_TAG_NAME, b"TIMECODE"), _element(_TAG_TEXT, label.encode()))
    return _element(_TAGS, _element(_TAG, _element(_TARGETS), tag))


def _cue(time_ms: int, place: int) -> bytes:
    return _element(
        _CUE, _number(_CUE_TIME, time_ms), _element(_CUE_PLACE, _number(_CUE_TRACK, 1), _number(_CUE_AT, place))
    )


def _element(name: int, *parts: bytes) -> bytes:
    content = b"".join(parts)
    return name.to_bytes((name.bit_length() + 7) // 8, "big") + _size(len(content)) + content


def _number(name: int, value: int) -> bytes:
    return _element(name, value.to_bytes(max(1, (value.bit_length() + 7) // 8), "big"))


def _size(value: int) -> bytes:
    return (1 << 7 * LONGEST | value).to_bytes(LONGEST, "big")


def _void(length: int) -> bytes:
    """Space of a length, with its head: at least 2 bytes."""
    return bytes([_VOID, 0x80 | length - _VOID_HEAD]) + bytes(length - _VOID_HEAD)
