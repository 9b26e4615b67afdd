"""Text on images: style, width and drawing."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2

if TYPE_CHECKING:
    import numpy as np

INK = (250, 250, 250)


@dataclass(frozen=True)
class TextStyle:
    """Style of a text: height in pixels, colour in BGR, weight."""

    size_px: float
    colour: tuple[int, int, int] = INK
    weight: int = 400


def bold(size_px: float, colour: tuple[int, int, int] = INK) -> TextStyle:
    """Creates a bold style."""
    return TextStyle(size_px, colour, 650)


@functools.cache
def _font() -> cv2.FontFace:
    """Built-in font of OpenCV 5, which covers most scripts, so labels need not be English."""
    return cv2.FontFace("sans")


def put_text(canvas: np.ndarray, text: str, origin: tuple[int, int], style: TextStyle) -> None:
    """Draws a line of text whose baseline starts at the given point."""
    cv2.putText(canvas, _printable(text), origin, style.colour, _font(), round(style.size_px), style.weight)


@functools.lru_cache(4096)  # the same few words in every frame
def text_width(text: str, style: TextStyle) -> int:
    """Width of a line in pixels."""
    # The size of the canvas matters only for text that wraps.
    size, canvas = round(style.size_px), (1 << 14, 1 << 14)
    return int(cv2.getTextSize(canvas, _printable(text), (0, 0), _font(), size, style.weight)[2])


def _printable(text: str) -> str:
    """Text without line breaks and other characters that cannot be drawn."""
    return "".join(char if char.isprintable() else " " for char in text)
