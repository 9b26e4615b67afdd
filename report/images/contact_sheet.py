"""Sheets of pictures with captions: what was dropped and why, before and after augmentation.

Text is drawn with the font inside OpenCV, so that labels in any script are readable and no font is looked for.
"""

from __future__ import annotations

import io
from functools import cache
from typing import TYPE_CHECKING

import cv2
import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

GROUND = (18, 20, 24)  # all colours are RGB
CELL = (30, 33, 39)
BRIGHT = (232, 234, 238)
MUTED = (150, 156, 166)

TITLE_PX = 17  # sizes of the letters
CAPTION_PX = 11
WEIGHT = 450  # of 100 (thin) to 900 (black)
LINE_PX = 15  # from a caption's line to its next
CAPTION_LINES = 4
MARGIN_PX = 20
GAP_PX = 10
JPEG_QUALITY = 90
JPEG_LIMIT_PX = 65_000
DESCRIPTION = 0x010E  # ImageDescription, as Exif calls it


def sheet(
    pictures: Sequence[np.ndarray],
    captions: Sequence[str],
    path: Path,
    *,
    title: str = "",
    columns: int = 8,
    cell_px: int = 96,
    foot: str = "",
) -> Path:
    r"""Draws pictures in a grid on a dark ground, each with its caption below, and writes the file.

    Args:
        pictures: uint8, each H,W or H,W,1 (grey) or H,W,3 (RGB), of any size; shown whole, never stretched.
        captions: One a picture. The first line is bright, the others muted; break lines by "\n", long ones are
            wrapped, and what goes beyond four lines is cut with an ellipsis.
        path: Where; the suffix is the format (.jpg, .png, .webp). Folders are made.
        title: One line at the top, and the file's Exif description (see `title_of`); none if empty.
        columns: Pictures in a row, at most; fewer pictures make a narrower sheet.
        cell_px: The square that a picture is fitted into; a row is as high as its highest picture.
        foot: A line under the pictures, such as whom they are owed to; wrapped, none if empty.

    Returns:
        The path.

    Raises:
        ValueError: The captions are not as many as the pictures, or a picture has another shape or type.
        OSError: The file can't be written.
    """
    if len(pictures) != len(captions):
        message = f"{len(pictures)} pictures but {len(captions)} captions"
        raise ValueError(message)
    cells = [_Cell(picture, caption, cell_px) for picture, caption in zip(pictures, captions, strict=True)]
    grid = [cells[start : start + columns] for start in range(0, len(cells), columns)]
    _write(_draw(grid, title, cell_px, foot), path, title)
    return path


def title_of(data: bytes) -> str:
    """Title of a sheet, from the bytes of its file; empty where it has none, or is not a sheet."""
    try:
        found = Image.open(io.BytesIO(data)).getexif().get(DESCRIPTION, "")
        return str(found).encode("latin-1").decode("utf-8")  # Pillow takes every byte of it for a letter
    except (OSError, SyntaxError, ValueError):  # no picture, Exif that is cut off, letters of another kind
        return ""


class _Cell:
    """A picture fitted into its square, and its caption broken into lines."""

    def __init__(self, picture: np.ndarray, caption: str, cell_px: int) -> None:
        self.picture_hwc = _fit(_as_rgb(picture), cell_px)
        self.lines = [(line, n == 0) for n, part in enumerate(caption.split("\n")) for line in _wrap(part, cell_px)]
        if len(self.lines) > CAPTION_LINES:
            last, bright = self.lines[CAPTION_LINES - 1]
            self.lines = [*self.lines[: CAPTION_LINES - 1], (_cut(last + " …", cell_px), bright)]

    def text_px(self) -> int:
        return 6 + len(self.lines) * LINE_PX if self.lines else 0


def _draw(grid: list[list[_Cell]], title: str, cell_px: int, foot: str) -> np.ndarray:
    """The whole sheet, RGB H,W,3; each row is as high as its highest picture and its longest caption ask."""
    shown = [max(len(cell.picture_hwc) for cell in row) for row in grid]
    heights = [height + max(cell.text_px() for cell in row) for height, row in zip(shown, grid, strict=True)]
    top = MARGIN_PX + (TITLE_PX + 18 if title else 0)
    width = 2 * MARGIN_PX + max([len(row) * (cell_px + GAP_PX) - GAP_PX for row in grid] + [_width(title, TITLE_PX)])
    owed = _wrap(foot, width - 2 * MARGIN_PX)
    under = top + sum(heights) + GAP_PX * max(len(grid) - 1, 0)
    height = under + (8 + len(owed) * LINE_PX if owed else 0) + MARGIN_PX
    canvas_hwc = np.full((height, width, 3), GROUND, np.uint8)
    if title:
        _text(canvas_hwc, title, (MARGIN_PX, MARGIN_PX + TITLE_PX - 3), TITLE_PX, BRIGHT)
    for row, row_height, shown_px in zip(grid, heights, shown, strict=True):
        for column, cell in enumerate(row):
            _draw_cell(canvas_hwc, cell, MARGIN_PX + column * (cell_px + GAP_PX), top, (shown_px, cell_px))
        top += row_height + GAP_PX
    for number, line in enumerate(owed):
        _text(canvas_hwc, line, (MARGIN_PX, under + 19 + number * LINE_PX), CAPTION_PX, MUTED)
    return canvas_hwc


def _draw_cell(canvas_hwc: np.ndarray, cell: _Cell, left: int, top: int, size_px: tuple[int, int]) -> None:
    canvas_hwc[top : top + size_px[0], left : left + size_px[1]] = CELL
    height, width = cell.picture_hwc.shape[:2]
    y, x = top + (size_px[0] - height) // 2, left + (size_px[1] - width) // 2
    canvas_hwc[y : y + height, x : x + width] = cell.picture_hwc
    for number, (line, bright) in enumerate(cell.lines):
        baseline = top + size_px[0] + 15 + number * LINE_PX
        _text(canvas_hwc, line, (left, baseline), CAPTION_PX, BRIGHT if bright else MUTED)


def _as_rgb(picture: np.ndarray) -> np.ndarray:
    picture = np.asarray(picture)
    if picture.dtype != np.uint8 or not picture.size or picture.ndim not in (2, 3):
        message = f"a picture must be uint8 H,W or H,W,C; got {picture.dtype} {picture.shape}"
        raise ValueError(message)
    picture_hwc = picture[..., None] if picture.ndim == 2 else picture  # noqa: PLR2004 - H,W
    if picture_hwc.shape[2] not in (1, 3):
        message = f"a picture has 1 channel (grey) or 3 (RGB); got {picture_hwc.shape}"
        raise ValueError(message)
    return np.ascontiguousarray(np.broadcast_to(picture_hwc, (*picture_hwc.shape[:2], 3)))


def _fit(picture_hwc: np.ndarray, cell_px: int) -> np.ndarray:
    height, width = picture_hwc.shape[:2]
    scale = cell_px / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return cv2.resize(picture_hwc, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)


def _wrap(text: str, width_px: int) -> list[str]:
    """Breaks at blanks; a word that is too long by itself is cut."""
    lines: list[str] = []
    for word in text.split():
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and _width(longer, CAPTION_PX) <= width_px:
            lines[-1] = longer
        else:
            lines.append(_cut(word, width_px))
    return lines


def _cut(text: str, width_px: int) -> str:
    if _width(text, CAPTION_PX) <= width_px:
        return text
    kept = text.rstrip("… ")
    while kept and _width(kept + "…", CAPTION_PX) > width_px:
        kept = kept[:-1]
    return kept.rstrip() + "…"


def _width(text: str, size_px: int) -> int:
    if not text:
        return 0
    _x, _y, width, _height = cv2.getTextSize((4096, 64), text, (0, 0), _font(), size_px, WEIGHT)
    return int(width)


def _text(
    canvas_hwc: np.ndarray, text: str, origin: tuple[int, int], size_px: int, colour: tuple[int, int, int]
) -> None:
    cv2.putText(canvas_hwc, text, origin, colour, _font(), size_px, WEIGHT)


@cache
def _font() -> cv2.FontFace:
    return cv2.FontFace("sans")


def _write(canvas_hwc: np.ndarray, path: Path, title: str) -> None:
    if path.suffix.lower() in {".jpg", ".jpeg"} and max(canvas_hwc.shape) > JPEG_LIMIT_PX:
        message = f"{path.name}: {canvas_hwc.shape[0]} px are higher than a JPEG can be; show fewer pictures"
        raise ValueError(message)
    path.parent.mkdir(parents=True, exist_ok=True)
    options = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY] if path.suffix.lower() in {".jpg", ".jpeg"} else []
    kinds, about = ([cv2.IMAGE_METADATA_EXIF], [_about(title)]) if title else ([], [])
    canvas_bgr = cv2.cvtColor(canvas_hwc, cv2.COLOR_RGB2BGR)
    _done, encoded = cv2.imencodeWithMetadata(path.suffix, canvas_bgr, kinds, about, options)
    path.write_bytes(encoded.tobytes())


def _about(title: str) -> np.ndarray:
    """The title as Exif, uint8 B: a page that shows the sheet need not repeat it."""
    exif = Image.Exif()
    exif[DESCRIPTION] = title.encode("utf-8")
    return np.frombuffer(exif.tobytes().removeprefix(b"Exif\x00\x00"), np.uint8)  # OpenCV writes that head itself
