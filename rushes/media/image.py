"""Decodes images as viewers show them: upright, and transparent ones on white."""

from __future__ import annotations

import cv2
import numpy as np

from rushes.media import image_headers as headers
from rushes.media.orientation import ORIENTATIONS

BACKGROUND = 255  # grey level behind transparent pixels, as on paper; hidden colours are not part of the image
# File name endings of images in a folder; JPEG and AVIF have several.
SUFFIXES = frozenset(
    {".bmp", ".jpeg", ".jpg", ".jpe", ".jfif", ".jp2", ".png", ".tif", ".tiff", ".webp", ".ppm", ".pgm", ".avif"}
)
_PNG, _JPEG = b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"
_NO_ALPHA = (_JPEG, b"BM", b"P5", b"P6")
_COLOUR_TYPE, _WITH_ALPHA = 25, (4, 6)  # of a PNG's header, ISO/IEC 15948
_ALPHA_CHANNELS = 4
MAX_AREA_PX = 128_000_000  # 384 MB of pixels; a PNG of a few kB can declare more


def decode_picture(data: bytes | np.ndarray, channels: int = 3) -> np.ndarray | None:
    """Decodes an image.

    Args:
        data: Content of the file.
        channels: 3 for BGR, 1 for grey.

    Returns:
        uint8 H,W,3 or H,W,1, oriented by its EXIF; None if it cannot be decoded, declares more than MAX_AREA_PX, or
        its transparency would be lost.
    """
    file = data if isinstance(data, bytes) else data.tobytes()
    width_px, height_px = headers.size_of(file) or (0, 0)
    if width_px * height_px > MAX_AREA_PX or headers.is_grey_with_alpha(file):
        return None
    mode = cv2.IMREAD_GRAYSCALE if channels == 1 else cv2.IMREAD_COLOR
    try:
        picture = _decode(np.frombuffer(file, np.uint8), file, mode)
    except cv2.error:
        return None
    return None if picture is None else _of_channels(headers.avif_orientation(file).upright(picture), channels)


def _decode(encoded: np.ndarray, file: bytes, mode: int) -> np.ndarray | None:
    if _may_be_transparent(file[:4096]):
        layered = _layered(cv2.imdecode(encoded, cv2.IMREAD_UNCHANGED), file)
        if layered is not None:
            upright = _upright(layered, cv2.imdecode(encoded, cv2.IMREAD_COLOR))
            return on_background(upright, premultiplied=headers.is_premultiplied(file, 8 * layered.dtype.itemsize))
    return cv2.imdecode(encoded, mode)


def _layered(stored: np.ndarray | None, file: bytes) -> np.ndarray | None:
    """Stored pixels with transparency, uint8 or uint16 H,W,4; None if they have none."""
    if stored is None or stored.dtype.name not in {"uint8", "uint16"}:
        return None
    # A grey PNG may declare one level as transparent: convert it to an alpha channel.
    level = headers.transparent_grey(file)
    if level is not None and stored.ndim == 2:  # noqa: PLR2004
        white = np.iinfo(stored.dtype).max
        layered = cv2.cvtColor(stored, cv2.COLOR_GRAY2BGRA)
        layered[..., 3] = np.where(stored == round(level * white), 0, white)
        return layered
    return stored if stored.ndim == 3 and stored.shape[2] == _ALPHA_CHANNELS else None  # noqa: PLR2004


def on_background(layered_bgra: np.ndarray, *, premultiplied: bool = False) -> np.ndarray:
    """Composes a transparent picture, uint8 or uint16 H,W,4, on white: uint8 H,W,3."""
    # Scale alpha to 0..1 and colours to 0..255, and weight the colours by alpha.
    scale = np.iinfo(layered_bgra.dtype).max
    alpha_hw1 = layered_bgra[..., 3:].astype(np.float32) / scale
    seen_hwc = layered_bgra[..., :3].astype(np.float32) * (255 / scale) * (1 if premultiplied else alpha_hw1)
    # Fill the rest of each pixel with the background.
    return np.clip(np.round(seen_hwc + BACKGROUND * (1 - alpha_hw1)), 0, 255).astype(np.uint8)


def _upright(layered_bgra: np.ndarray, opaque_bgr: np.ndarray | None) -> np.ndarray:
    """Orients a picture like its opaque decoding, uint8: OpenCV applies EXIF only if it drops the transparency."""
    shift = 8 * (layered_bgra.dtype.itemsize - 1)
    # Try the orientations until the colours agree.
    for candidate in (orientation.upright(layered_bgra) for orientation in ORIENTATIONS):
        if opaque_bgr is not None and np.array_equal(candidate[..., :3] >> shift, opaque_bgr):
            return candidate
    return layered_bgra


def _may_be_transparent(head: bytes) -> bool:
    if head.startswith(_PNG):
        return len(head) > _COLOUR_TYPE and (head[_COLOUR_TYPE] in _WITH_ALPHA or b"tRNS" in head)
    return not head.startswith(_NO_ALPHA)


def _of_channels(picture: np.ndarray, channels: int) -> np.ndarray:
    if channels != 1:
        return picture
    return (picture if picture.ndim == 2 else cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY))[..., None]  # noqa: PLR2004
