"""Contact sheet: a grid of generated pictures with the title above and the credits below."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

import cv2
import numpy as np

from rushes.drawing import TextStyle, put_text, text_width
from rushes.errors import MisuseError

if TYPE_CHECKING:
    from collections.abc import Sequence

PAPER, INK, FAINT = (250, 251, 252), (32, 30, 28), (112, 108, 104)  # BGR
CELL_PX = 256  # approximate size to which a small picture is enlarged
GAP_PX, MARGIN_PX = 12, 32
TITLE, LINE, SMALL = TextStyle(30, INK, 650), TextStyle(18, FAINT), TextStyle(15, FAINT)
LEAST_WIDTH_PX = 560
MAX_PX = 16384  # side of an image that every viewer can open
SUFFIXES = (".png", ".jpg", ".jpeg")


def compose(pictures_nhwc: np.ndarray, title: str, lines: Sequence[str], foot: Sequence[str], scale: int) -> np.ndarray:
    """Composes a grid of pictures between its caption and its credits.

    Args:
        pictures_nhwc: uint8 N,S,S,3 RGB.
        title: Title, in large type.
        lines: Lines below the title.
        foot: Lines below the pictures.
        scale: Sheet pixels per picture pixel; 0 chooses about 256 px per picture.

    Returns:
        uint8 H,W,3 BGR.

    Raises:
        MisuseError: The sheet would be too large for viewers.
    """
    # Enlarge the pictures and place them in a grid.
    scale = scale or best_scale(pictures_nhwc.shape[1])
    _check_size(len(pictures_nhwc), pictures_nhwc.shape[1] * scale)
    grid = _grid(enlarge(pictures_nhwc, scale))
    width = max(grid.shape[1] + 2 * MARGIN_PX, LEAST_WIDTH_PX)
    # Draw the blocks of text, wrapped to the width of the sheet.
    head = _block([*wrap(title, TITLE, width - 2 * MARGIN_PX)], TITLE, width)
    under = _block([part for line in lines for part in wrap(line, LINE, width - 2 * MARGIN_PX)], LINE, width)
    below = _block([part for line in foot for part in wrap(line, SMALL, width - 2 * MARGIN_PX)], SMALL, width)
    # Pad the grid on the right to the width of the sheet, then stack all parts.
    row = np.full((grid.shape[0], width, 3), PAPER, np.uint8)
    row[:, MARGIN_PX : MARGIN_PX + grid.shape[1]] = grid
    gap, margin = (np.full((height, width, 3), PAPER, np.uint8) for height in (18, MARGIN_PX - 6))
    return np.concatenate([margin, head, under, gap, row, gap, below, margin])


def best_scale(size_px: int) -> int:
    """Integer factor that enlarges a picture to about the size of a cell."""
    return max(1, round(CELL_PX / size_px))


def enlarge(pictures_nhwc: np.ndarray, scale: int) -> np.ndarray:
    """Enlarges each picture by the factor `scale` with a Lanczos filter."""
    size_px = pictures_nhwc.shape[1] * scale
    large = [cv2.resize(one, (size_px, size_px), interpolation=cv2.INTER_LANCZOS4) for one in pictures_nhwc]
    return np.stack(large)


def _check_size(count: int, size_px: int) -> None:
    columns = columns_of(count)
    rows = math.ceil(count / columns)
    if max(rows, columns) * (size_px + GAP_PX) > MAX_PX:
        message = f"a sheet of {columns} by {rows} pictures of {size_px} px is larger than {MAX_PX} px: "
        raise MisuseError(message + "take a smaller --scale or --count")


def _grid(pictures_nhwc: np.ndarray) -> np.ndarray:
    """Grid of the pictures, uint8 H,W,3 BGR, at least as wide as high and with few empty places."""
    count, size_px = pictures_nhwc.shape[:2]
    columns = columns_of(count)
    rows, step = math.ceil(count / columns), size_px + GAP_PX
    grid = np.full((rows * step - GAP_PX, columns * step - GAP_PX, 3), PAPER, np.uint8)
    for number, picture_rgb in enumerate(pictures_nhwc):
        # Place the pictures row by row, converted from RGB to BGR.
        top, left = number // columns * step, number % columns * step
        grid[top : top + size_px, left : left + size_px] = picture_rgb[..., ::-1]
    return grid


def columns_of(count: int) -> int:
    """Number of pictures in a row: at least the square root of the count, with the fewest empty places."""
    least = math.ceil(math.sqrt(count))
    return min(range(least, 2 * least + 1), key=lambda columns: (-count % columns / count, columns))


def wrap(text: str, style: TextStyle, width_px: int) -> list[str]:
    """Wraps a text into lines of at most this width; breaks a word that is too long."""
    lines: list[str] = []
    for word in text.split():
        if lines and text_width(f"{lines[-1]} {word}", style) <= width_px:
            lines[-1] += f" {word}"
            continue
        lines.append("")
        for char in word:
            if lines[-1] and text_width(lines[-1] + char, style) > width_px:
                lines.append("")
            lines[-1] += char
    return lines


def _block(lines: Sequence[str], style: TextStyle, width_px: int) -> np.ndarray:
    step = round(1.42 * style.size_px)
    block = np.full((step * len(lines), width_px, 3), PAPER, np.uint8)
    for number, line in enumerate(lines):
        put_text(block, line, (MARGIN_PX, number * step + round(1.05 * style.size_px)), style)
    return block


def encode_picture(picture_bgr: np.ndarray, suffix: str) -> bytes:
    """Encodes a picture as the content of an image file."""
    options = [] if suffix == ".png" else [cv2.IMWRITE_JPEG_QUALITY, 92]
    return bytes(cv2.imencode(suffix, picture_bgr, options)[1])


def file_name(text: str, seed: int) -> str:
    """File name from text and seed, so that different requests have different files."""
    return f"{slug(text) or 'scene'}-{seed}.png"


def slug(text: str) -> str:
    """Words of a text in a form for file names; empty if no character is valid on every system."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:60].strip("-")
