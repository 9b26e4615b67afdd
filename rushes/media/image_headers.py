"""Size, transparency and orientation from the headers of encoded images, where OpenCV does not give them."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from rushes.media.orientation import Orientation

if TYPE_CHECKING:
    from collections.abc import Iterator

PNG, JPEG = b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"
TIFF = (b"II*\0", b"MM\0*")
_WIDTH, _HEIGHT, _SAMPLES, _EXTRA = 256, 257, 277, 338  # tags of TIFF 6.0
_SIZED = range(0xC0, 0xD0)  # JPEG's start-of-frame markers, except those in _TABLES: ITU-T T.81 table B.1
_TABLES = {0xC4, 0xC8, 0xCC}
_STANDALONE = {0x01, *range(0xD0, 0xD9)}


def size_of(data: bytes) -> tuple[int, int] | None:
    """Width and height in pixels of a PNG, JPEG or TIFF, before it is decoded; None if unknown."""
    try:
        if data.startswith(PNG):
            width_px, height_px = struct.unpack(">II", data[16:24])
            return width_px, height_px
        if data.startswith(JPEG):
            return _jpeg_size(data)
        tags = tiff_tags(data)
        return (tags[_WIDTH], tags[_HEIGHT]) if {_WIDTH, _HEIGHT} <= tags.keys() else None
    except (struct.error, IndexError):
        return None


def _jpeg_size(data: bytes) -> tuple[int, int] | None:
    at = 2
    while at + 9 <= len(data):
        if data[at] != 0xFF:  # noqa: PLR2004 - every marker begins so
            return None
        marker = data[at + 1]
        if marker in _SIZED and marker not in _TABLES:
            height_px, width_px = struct.unpack(">HH", data[at + 5 : at + 9])
            return width_px, height_px
        at += 1 if marker == 0xFF else 2 if marker in _STANDALONE else 2 + struct.unpack(">H", data[at + 2 : at + 4])[0]  # noqa: PLR2004
    return None


def tiff_tags(data: bytes) -> dict[int, int]:
    """First value of each tag of a TIFF's first picture; empty if the data is not a TIFF."""
    if not data.startswith(TIFF):
        return {}
    order = "<" if data[:1] == b"I" else ">"
    try:
        (at,) = struct.unpack_from(order + "I", data, 4)
        (count,) = struct.unpack_from(order + "H", data, at)
        entries = [(*struct.unpack_from(order + "HHI", data, at + 2 + 12 * n), at + 10 + 12 * n) for n in range(count)]
        # types 3 and 4 are numbers of 16 and 32 bits; longer lists are stored elsewhere and are not needed
        return {
            tag: struct.unpack_from(order + ("H" if kind == 3 else "I"), data, place)[0]  # noqa: PLR2004
            for tag, kind, _, place in entries
            if kind in {3, 4}
        }
    except struct.error:
        return {}


def is_grey_with_alpha(data: bytes) -> bool:
    """True for a TIFF or JPEG 2000 with two components, the second of which OpenCV drops."""
    if data.startswith(TIFF):
        return tiff_tags(data).get(_SAMPLES) == 2  # noqa: PLR2004
    header = data[:4096].find(b"ihdr")  # JPEG 2000: ISO/IEC 15444-1 annex I.5.3.1
    return data[4:8] == b"jP  " and header > 0 and data[header + 12 : header + 14] == b"\0\2"


def is_premultiplied(data: bytes, bits: int) -> bool:
    """True if OpenCV returns the colours of a transparent image multiplied by their alpha.

    This is always the case for TIFF with 8 bits, since libtiff does it, and for 16 bits if the file stores them so.
    """
    return data.startswith(TIFF) and (bits == 8 or tiff_tags(data).get(_EXTRA) == 1)  # noqa: PLR2004


def transparent_grey(data: bytes) -> float | None:
    """Transparent level of a grey PNG, as a share of white; None if there is none. ISO/IEC 15948, 11.3.2."""
    if not data.startswith(PNG) or data[25:26] != b"\0":
        return None
    for name, at in _chunks(data):
        if name == b"tRNS":
            return int(struct.unpack_from(">H", data, at)[0]) / ((1 << data[24]) - 1)
    return None


def _chunks(data: bytes) -> Iterator[tuple[bytes, int]]:
    at = len(PNG)
    while at + 12 <= len(data):
        length, name = struct.unpack_from(">I4s", data, at)
        if name == b"IDAT":
            return
        yield name, at + 8
        at += 12 + length


def avif_orientation(data: bytes) -> Orientation:
    """Orientation of an AVIF; of another file, that of pixels that are upright already. ISO/IEC 23008-12, 6.5."""
    head = data[:4096]
    if head[4:8] != b"ftyp" or b"avif" not in head[:64]:
        return Orientation(mirrored=False, quarters=0)
    # AVIF rotates, then mirrors: upside down (0) or left to right (1).
    turn, mirror = head.find(b"\0\0\0\x09irot"), head.find(b"\0\0\0\x09imir")
    quarters = head[turn + 8] & 3 if turn > 0 else 0
    if mirror < 0:
        return Orientation(mirrored=False, quarters=quarters)
    return Orientation(mirrored=True, quarters=(-quarters if head[mirror + 8] & 1 else 2 - quarters) % 4)
