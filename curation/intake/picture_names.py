"""Recognition of pictures by name or first bytes; decoding is checked when they are taken in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rushes.media.image import SUFFIXES as READ

if TYPE_CHECKING:
    from pathlib import Path

SUFFIXES = READ | {".gif"}
# Formats of cameras and phones that are not supported, by suffix.
UNREAD = {
    **dict.fromkeys((".heic", ".heif"), "HEIC"),
    **dict.fromkeys((".cr2", ".cr3", ".nef", ".arw", ".dng", ".raf", ".orf", ".rw2"), "a camera's raw format"),
    ".psd": "Photoshop's format",
    ".exr": "OpenEXR",
    ".svg": "SVG, which has no pixels",
}


def is_picture(file: Path) -> bool:
    """True if a file is a picture by its suffix, or by its first bytes if it has no suffix."""
    return file.suffix.lower() in SUFFIXES or (not file.suffix and _looks_like_picture(file))


def _looks_like_picture(file: Path) -> bool:
    """True if a file without a suffix is a picture by its first bytes."""
    try:
        if not file.is_file():  # opening a named pipe would block
            return False
        with file.open("rb") as opened:
            head = opened.read(12)
    except OSError:
        return False
    return head.startswith((b"\xff\xd8\xff", b"\x89PNG\r\n", b"II*\0", b"MM\0*")) or head[:4] + head[8:] == b"RIFFWEBP"
