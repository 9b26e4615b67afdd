"""Pictures for a page that stands alone: each becomes a data URI, shrunk where it would weigh too much."""

from __future__ import annotations

import base64
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from report.images.contact_sheet import sheet, title_of

if TYPE_CHECKING:
    from collections.abc import Sequence

MEDIA = {".png": "png", ".jpg": "jpeg", ".jpeg": "jpeg", ".webp": "webp", ".svg": "svg+xml"}
MOST_BYTES = 1_500_000
MOST_MOVING_BYTES = 6_000_000  # of one that moves, which cannot be shrunk here and would stand still
ANIMATED = 0x02  # the bit for it among the flags of a WebP
WIDEST_PX = 1600
TITLES = {
    "dropped": "Dropped by the checks",
    "kept": "Kept, a few of each label",
    "before_after": "Before and after augmentation",
    "progress.webp": "The same draws, epoch by epoch",
    "progress.jpg": "The same draws at some of the epochs, the last one right",
}


@dataclass(frozen=True)
class EmbeddedPicture:
    """A picture inside the page.

    Width and height are 0 where they are not known (SVG). It `moves` if it is animated; it is `titled` if its caption
    stands in it already.
    """

    name: str
    uri: str
    caption: str
    width_px: int = 0
    height_px: int = 0
    moves: bool = False
    titled: bool = False


def picture(path: Path, caption: str = "") -> EmbeddedPicture | None:
    """Reads a picture into the page; None if it is missing or does not decode."""
    try:
        data = path.read_bytes()
    except OSError:
        return None
    caption = caption or TITLES.get(path.name) or TITLES.get(path.stem, path.stem.replace("_", " "))
    if path.suffix.lower() == ".svg":
        return EmbeddedPicture(path.stem, _uri("svg+xml", data), caption)
    decoded_hwc = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR) if data else None
    if decoded_hwc is None:
        return None
    title = title_of(data)
    media, moves = MEDIA[path.suffix.lower()], _moves(data)
    if len(data) > (MOST_MOVING_BYTES if moves else MOST_BYTES):
        (decoded_hwc, data, media), moves = _shrunk(decoded_hwc), False
    height_px, width_px = decoded_hwc.shape[:2]
    return EmbeddedPicture(
        path.stem, _uri(media, data), title or caption, width_px, height_px, moves, titled=bool(title)
    )


def _moves(data: bytes) -> bool:
    """True if it is an animated WebP, by the head of the file (RFC 9649, section 2.7)."""
    return data[8:16] == b"WEBPVP8X" and bool(data[20] & ANIMATED)


def drawn_sheet(pictures_hwc: Sequence[np.ndarray], captions: Sequence[str], name: str) -> EmbeddedPicture | None:
    """A sheet that no stage left behind, drawn for the page alone."""
    with tempfile.TemporaryDirectory() as folder:
        path = sheet(pictures_hwc, captions, Path(folder) / f"{name}.jpg")
        return picture(path)


def _shrunk(picture_hwc: np.ndarray) -> tuple[np.ndarray, bytes, str]:
    scale = min(1.0, WIDEST_PX / picture_hwc.shape[1])
    small_hwc = cv2.resize(picture_hwc, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    _done, encoded = cv2.imencode(".jpg", small_hwc, [cv2.IMWRITE_JPEG_QUALITY, 82])
    return small_hwc, encoded.tobytes(), "jpeg"


def _uri(media: str, data: bytes) -> str:
    return f"data:image/{media};base64,{base64.b64encode(data).decode('ascii')}"
