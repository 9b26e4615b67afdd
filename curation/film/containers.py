"""Structure of film files, read without a decoder: the type of the container, and whether the file is complete.

MP4 and QuickTime are sequences of boxes (ISO/IEC 14496-12), Matroska and WebM are EBML (RFC 8794), AVI is RIFF. Each
declares the length of its parts; a part that extends beyond the end of the file was cut off. Other containers are
identified by their head alone. A decoder would also open a playlist that is named film.mp4 and follow its links, so a
file that begins like none of these never reaches a decoder.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, BinaryIO, Literal

if TYPE_CHECKING:
    from pathlib import Path

Kind = Literal["mp4", "matroska", "avi", "mxf", "mpegts", "mpeg", "ogg", "asf", "flv", "dv"]

SUFFIXES = frozenset(
    {
        *(".mp4", ".m4v", ".mov", ".qt", ".3gp", ".mkv", ".webm", ".avi"),
        *(".mxf", ".mts", ".m2ts", ".ts", ".mpg", ".mpeg", ".vob", ".ogv", ".wmv", ".flv", ".dv"),
    }
)
# Heads of the other containers, whose parts declare no length, or not at the head.
_HEADS: tuple[tuple[bytes, Kind], ...] = (
    (b"\x06\x0e\x2b\x34\x02\x05\x01\x01", "mxf"),  # SMPTE ST 377-1
    (b"\x00\x00\x01\xba", "mpeg"),  # ISO/IEC 13818-1, a program stream
    (b"\x00\x00\x01\xb3", "mpeg"),  # a bare video stream
    (b"OggS", "ogg"),
    (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", "asf"),
    (b"FLV\x01", "flv"),
    (b"\x1f\x07\x00", "dv"),  # IEC 61834
)
TS_SYNC, TS_PACKET, TS_TIMED_PACKET = 0x47, 188, 192
BOXES = frozenset({b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot", b"uuid", b"styp"})
EBML, SEGMENT = b"\x1a\x45\xdf\xa3", b"\x18\x53\x80\x67"
HEAD_BYTES, LARGE = 8, 16
MOST_BOXES = 1_000_000  # in a fragmented film; a file with more is not a film


def kind_of(file: Path) -> Kind | None:
    """Container type by the head of a file; None: not a film."""
    with file.open("rb") as opened:
        head = opened.read(4 * TS_TIMED_PACKET)
    if head[4:8] in BOXES:
        return "mp4"
    if head[:4] == EBML:
        return "matroska"
    if head[:4] == b"RIFF":
        return "avi" if head[8:12] == b"AVI " else None
    return "mpegts" if _is_transport_stream(head) else next((kind for at, kind in _HEADS if head.startswith(at)), None)


def _is_transport_stream(head: bytes) -> bool:
    """True for packets of one length that each begin with the sync byte; cameras put a timestamp before each."""
    layouts = (range(0, len(head), TS_PACKET), range(4, len(head), TS_TIMED_PACKET))
    return len(head) > TS_TIMED_PACKET and any(all(head[at] == TS_SYNC for at in places) for places in layouts)


def is_whole(file: Path, kind: Kind) -> bool:
    """True if the file is as long as its parts declare."""
    size_bytes = file.stat().st_size
    with file.open("rb") as opened:
        checks = {"mp4": _mp4, "matroska": _matroska, "avi": _avi}
        return kind not in checks or checks[kind](opened, size_bytes)


def _mp4(file: BinaryIO, size_bytes: int) -> bool:
    at, seen = 0, set()
    for _ in range(MOST_BOXES):
        head = file.read(LARGE)
        if len(head) < HEAD_BYTES:
            break
        length, name = struct.unpack(">I4s", head[:HEAD_BYTES])
        if length == 1 and len(head) == LARGE:
            length = struct.unpack(">Q", head[HEAD_BYTES:])[0]
        length = size_bytes - at if length == 0 else length  # 0: extends to the end of the file
        if length < HEAD_BYTES:
            break
        seen.add(name)
        at += length
        file.seek(at)
    # Cameras append data of their own behind the last box. Without moov, the index, no frame can be found.
    return at <= size_bytes and b"moov" in seen


def _matroska(file: BinaryIO, size_bytes: int) -> bool:
    at = len(EBML)
    for _ in range(MOST_BOXES):
        file.seek(at)
        length, read = _vint(file)
        if read == 0:
            return False
        if length is None:  # a live recording: its length was unknown
            return True
        at += read + length
        file.seek(at - length - read - len(SEGMENT))
        if file.read(len(SEGMENT)) == SEGMENT:
            return at <= size_bytes
        at += len(SEGMENT)  # ID of the next part: all IDs at this level have four bytes, or are void
    return False


def _vint(file: BinaryIO) -> tuple[int | None, int]:
    """Reads an EBML length (None: unknown) and the number of bytes read; 0 bytes at the end of the file."""
    first = file.read(1)
    if not first or not first[0]:
        return None, 0
    # The number of leading zero bits gives the number of bytes that follow.
    count = 9 - first[0].bit_length()
    rest = file.read(count - 1)
    # Seven bits of each byte are value; all ones means "unknown".
    bits = 7 * count
    value = int.from_bytes(first + rest, "big") & ((1 << bits) - 1)
    return (None if value == (1 << bits) - 1 else value), count


def _avi(file: BinaryIO, size_bytes: int) -> bool:
    length = struct.unpack("<I", file.read(HEAD_BYTES)[4:])[0]
    return HEAD_BYTES + int(length) <= size_bytes
