"""Which files are pictures, by their names or first bytes; whether they decode is seen when they are taken in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rushes.media.image import SUFFIXES as READ

if TYPE_CHECKING:
    from pathlib import Path

SUFFIXES = READ | {".gif"}
# Formats of cameras and phones that nothing here reads, by their suffix.
UNREAD = {
    **dict.fromkeys((".heic", ".heif"), "HEIC"),
    **dict.fromkeys((".cr2", ".cr3", ".nef", ".arw", ".dng", ".raf", ".orf", ".rw2"), "a camera's raw format"),
    ".psd": "Photoshop's format",
    ".exr": "OpenEXR",
    ".svg": "SVG, which has no pixels",
}


def is_picture(file: Path) -> bool:
    """True if a file is a picture by its name, or by its first bytes where its name says nothing."""
    return file.suffix.lower() in SUFFIXES or (not file.suffix and _looks_like_picture(file))


def _looks_like_picture(file: Path) -> bool:
    """True if a file without a suffix is a picture by its first bytes."""
    try:
        if not file.is_file():  # a named pipe would be waited for
            return False
        with file.open("rb") as opened:
            head = opened.read(12)
    except OSError:
        return False
    return head.startswith((b"\xff\xd8\xff", b"\x89PNG\r\n", b"II*\0", b"MM\0*")) or head[:4] + head[8:] == b"RIFFWEBP"
