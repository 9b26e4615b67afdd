"""Drawing what was read over the picture: brackets round the face, its expression, and a bar for each label."""

from __future__ import annotations

import functools
import itertools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

# One colour a label, by its place in the taxonomy; BGR, bright enough on skin and on black.
COLOURS = (
    (84, 96, 255), (96, 196, 132), (232, 132, 180), (72, 200, 255), (214, 206, 190), (240, 168, 92), (96, 160, 255),
    (196, 214, 104), (176, 120, 232), (120, 220, 240),
)  # fmt: skip
INK = (250, 250, 250)
FAINT = (176, 172, 168)
PANEL = (30, 26, 24)
TRACK = (74, 68, 64)
PANEL_ALPHA = 0.78
MAX_PANELS = 3  # of the largest faces; more would hide the picture
MAX_HIDDEN = 0.2  # share of a panel that may lie on faces and other panels
MAX_ROWS = 10
CORNERS = ("top left", "bottom left", "top right", "bottom right")
Box = tuple[float, float, float, float]  # left, top, width, height in pixels
DESIGN_PX = 720  # short edge at which one unit is one pixel


@dataclass(frozen=True)
class Style:
    """How a text looks: its height in pixels, its weight, its colour in BGR."""

    size_px: float
    colour: tuple[int, int, int] = INK
    weight: int = 400


def _bold(size_px: float, colour: tuple[int, int, int] = INK) -> Style:
    return Style(size_px, colour, 650)


@dataclass(frozen=True)
class Reading:
    """What was read in one face."""

    box_xywh_px: Box
    score: float
    labels: tuple[str, ...]
    probabilities: tuple[float, ...]

    @property
    def best(self) -> int:
        """The place of the likeliest label."""
        return int(np.argmax(self.probabilities))

    @property
    def label(self) -> str:
        """The likeliest label."""
        return self.labels[self.best]


class Overlay:
    """Draws frame after frame, and remembers where each panel stood: one that takes the best place anew hops about."""

    def __init__(self) -> None:
        self._stood: list[tuple[Box, str]] = []  # the head, and on which side of it

    def draw(self, picture_bgr: np.ndarray, readings: Sequence[Reading]) -> np.ndarray:
        """A copy of the picture with every reading on it. Panels keep clear of heads and of each other."""
        canvas = picture_bgr.copy()
        unit = float(np.clip(min(canvas.shape[:2]) / DESIGN_PX, 0.5, 4.0))
        for reading in reversed(readings):
            _draw_brackets(canvas, reading, unit)
        panels = self._panels(canvas, readings[:MAX_PANELS], [_head(reading) for reading in readings], unit)
        for rank, reading in enumerate(readings):
            if place_xywh := panels.get(rank):
                _draw_panel(canvas, reading, place_xywh, unit)
            else:
                _draw_tag(canvas, reading, unit)
        return canvas

    def _panels(
        self, canvas: np.ndarray, readings: Sequence[Reading], heads: list[Box], unit: float
    ) -> dict[int, tuple[int, int, int, int]]:
        """The panels by the rank of their faces; a face whose panel would hide too much has none."""
        before, self._stood = self._stood, []
        taken, panels = list(heads), {}
        for rank, reading in enumerate(readings):
            size = _panel_size(reading, unit)
            found = _place(canvas, heads[rank], size, taken, round(12 * unit), _side_of(heads[rank], before))
            if found:
                side, corner = found
                self._stood.append((heads[rank], "" if side in CORNERS else side))
                panels[rank] = (*corner, *size)
                taken.append(panels[rank])
        return panels


def draw(picture_bgr: np.ndarray, readings: Sequence[Reading]) -> np.ndarray:
    """The same for a picture that stands alone."""
    return Overlay().draw(picture_bgr, readings)


def colour_of(index: int) -> tuple[int, int, int]:
    """The colour of a label, by its place."""
    return COLOURS[index % len(COLOURS)]


def _draw_brackets(canvas: np.ndarray, reading: Reading, unit: float) -> None:
    x, y, w, h = (round(value) for value in reading.box_xywh_px)
    arm = max(4, round(0.22 * min(w, h)))
    for width, colour in ((5 * unit, (0, 0, 0)), (3 * unit, colour_of(reading.best))):
        for corner_x, to_x in ((x, 1), (x + w, -1)):
            for corner_y, to_y in ((y, 1), (y + h, -1)):
                bracket = [(corner_x + to_x * arm, corner_y), (corner_x, corner_y), (corner_x, corner_y + to_y * arm)]
                cv2.polylines(canvas, [np.array(bracket, np.int32)], False, colour, max(1, round(width)), cv2.LINE_AA)


def _panel_size(reading: Reading, unit: float) -> tuple[int, int]:
    return round(236 * unit), round(40 * unit) + round(24 * unit) * len(_rows(reading)) + round(14 * unit)


def _draw_panel(canvas: np.ndarray, reading: Reading, place_xywh: tuple[int, int, int, int], unit: float) -> None:
    """The card with the expression and its bars."""
    left, top, width, _ = place_xywh
    margin, row, head = round(14 * unit), round(24 * unit), round(40 * unit)
    _card(canvas, place_xywh, round(10 * unit))
    ends = (left + margin, left + width - margin)
    title, base = _bold(23 * unit, colour_of(reading.best)), top + round(30 * unit)
    put_text(canvas, _fit(reading.label, ends[1] - ends[0] - 62 * unit, title), (ends[0], base), title)
    _text_right(canvas, _percent(reading, reading.best), (ends[1], base), _bold(23 * unit))
    for number, index in enumerate(_rows(reading)):
        middle = top + head + round((number + 0.5) * row)
        _draw_row(canvas, reading, index, (left + margin, middle, width - 2 * margin), unit)


def _draw_row(canvas: np.ndarray, reading: Reading, index: int, place_xyw: tuple[int, int, int], unit: float) -> None:
    left, middle, width = place_xyw
    style = Style(15 * unit, INK if index == reading.best else FAINT)
    names, numbers, base = round(84 * unit), round(54 * unit), middle + round(5 * unit)
    put_text(canvas, _fit(reading.labels[index], names - 6 * unit, style), (left, base), style)
    start, end, thick = left + names, left + width - numbers, max(2, round(6 * unit))
    filled = start + round((end - start) * float(np.clip(reading.probabilities[index], 0, 1)))
    cv2.line(canvas, (start, middle), (end, middle), TRACK, thick, cv2.LINE_AA)
    if filled > start:
        cv2.line(canvas, (start, middle), (filled, middle), colour_of(index), thick, cv2.LINE_AA)
    _text_right(canvas, _percent(reading, index), (left + width, base), style)


def _rows(reading: Reading) -> list[int]:
    """The labels with a bar, in the order of the taxonomy, so that rows keep their places from frame to frame."""
    likeliest = sorted(range(len(reading.labels)), key=lambda index: -reading.probabilities[index])
    return sorted(likeliest[:MAX_ROWS])


def _place(
    canvas: np.ndarray, head: Box, size: tuple[int, int], taken: Sequence[Box], gap: int, before: str
) -> tuple[str, tuple[int, int]] | None:
    """Where the panel hides least: the side and the corner; None where it would hide too much.

    Of places that hide as little the first is taken. Where it stood `before` a tenth of it may lie on something, and
    beside the head rather than in a corner of the frame, where nobody knows whose it is.
    """
    height, width = canvas.shape[:2]
    most_left, most_top = width - size[0] - gap, height - size[1] - gap
    if min(most_left, most_top) < gap:
        return None
    places = {
        side: (min(max(left, gap), most_left), min(max(top, gap), most_top))
        for side, (left, top) in _sides(head, size, gap, (most_left, most_top)).items()
    }

    def hidden(side: str) -> float:
        tenths = 10 * sum(_shared(places[side], size, other) for other in taken) / (size[0] * size[1])
        return (math.ceil(tenths) - (side == before) + (side in CORNERS)) / 10

    side = min(places, key=hidden)
    return (side, places[side]) if hidden(side) <= MAX_HIDDEN else None


def _sides(head: Box, size: tuple[int, int], gap: int, most: tuple[int, int]) -> dict[str, tuple[int, int]]:
    """Beside the head first, then below and above it, then the corners of the frame, the nearest first."""
    x, y, w, h = (round(value) for value in head)
    around = {
        "right": (x + w + gap, y),
        "left": (x - gap - size[0], y),
        "below": (x, y + h + gap),
        "above": (x, y - gap - size[1]),
    }
    corners = dict(zip(CORNERS, itertools.product((gap, most[0]), (gap, most[1])), strict=True))
    middle = (x + (w - size[0]) / 2, y + (h - size[1]) / 2)
    return around | dict(sorted(corners.items(), key=lambda item: math.dist(item[1], middle)))


def _head(reading: Reading) -> Box:
    """The whole head: BlazeFace's box ends at the brows and the cheeks."""
    x, y, w, h = reading.box_xywh_px
    return x - 0.1 * w, y - 0.35 * h, 1.2 * w, 1.4 * h


def _side_of(head: Box, stood: Sequence[tuple[Box, str]]) -> str:
    """On which side the panel of this head stood in the frame before; "" if it is new."""
    for other, side in stood:
        if _shared(head[:2], (other[2], other[3]), other) > 0.5 * other[2] * other[3]:
            return side
    return ""


def _shared(corner: tuple[float, float], size: tuple[float, float], other: Box) -> float:
    """The area that a panel at a corner shares with a rectangle."""
    width = min(corner[0] + size[0], other[0] + other[2]) - max(corner[0], other[0])
    height = min(corner[1] + size[1], other[1] + other[3]) - max(corner[1], other[1])
    return max(0.0, width) * max(0.0, height)


def _draw_tag(canvas: np.ndarray, reading: Reading, unit: float) -> None:
    """The expression alone, above the face, or in it where there is no room above."""
    style, pad = _bold(max(11.0, 19 * unit), colour_of(reading.best)), max(3, round(7 * unit))
    text = _fit(f"{reading.label}  {_percent(reading, reading.best)}", canvas.shape[1] - 4 * pad, style)
    width, height = text_width(text, style) + 2 * pad, round(style.size_px) + 2 * pad
    x, y = round(reading.box_xywh_px[0]), round(reading.box_xywh_px[1]) - height - pad
    left = int(np.clip(x, 0, max(0, canvas.shape[1] - width)))
    top = y if y >= 0 else max(0, round(reading.box_xywh_px[1]) + pad)
    _card(canvas, (left, top, width, height), pad)
    put_text(canvas, text, (left + pad, top + pad + round(0.82 * style.size_px)), style)


def _card(canvas: np.ndarray, place_xywh: tuple[int, int, int, int], radius: int) -> None:
    """A dark, see-through plate with round corners."""
    left, top, width, height = place_xywh
    under = canvas[max(0, top) : top + height, max(0, left) : left + width]
    height, width = under.shape[:2]
    if not (height and width):
        return
    mask = _plate(width, height, min(radius, (width - 1) // 2, (height - 1) // 2))
    plate = np.full_like(under, PANEL)
    under[:] = cv2.blendLinear(plate, under, mask, 1 - mask)


@functools.lru_cache(64)
def _plate(width: int, height: int, radius: int) -> np.ndarray:
    """How much of a plate with round corners covers each pixel, float32 H,W."""
    mask = np.zeros((height, width), np.uint8)
    inner = (radius, radius), (width - 1 - radius, height - 1 - radius)
    cv2.rectangle(mask, (inner[0][0], 0), (inner[1][0], height - 1), 255, -1)
    cv2.rectangle(mask, (0, inner[0][1]), (width - 1, inner[1][1]), 255, -1)
    for centre_x in (inner[0][0], inner[1][0]):
        for centre_y in (inner[0][1], inner[1][1]):
            cv2.circle(mask, (centre_x, centre_y), radius, 255, -1, cv2.LINE_AA)
    return (mask * (PANEL_ALPHA / 255)).astype(np.float32)


def _percent(reading: Reading, index: int) -> str:
    return f"{round(100 * reading.probabilities[index])} %"


@functools.cache
def _font() -> cv2.FontFace:
    """OpenCV 5 carries fonts for most scripts, so a label need not be English."""
    return cv2.FontFace("sans")


def put_text(canvas: np.ndarray, text: str, origin: tuple[int, int], style: Style) -> None:
    """Writes a line, its base line starting at a point."""
    cv2.putText(canvas, _printable(text), origin, style.colour, _font(), round(style.size_px), style.weight)


def _text_right(canvas: np.ndarray, text: str, end: tuple[int, int], style: Style) -> None:
    put_text(canvas, text, (end[0] - text_width(text, style), end[1]), style)


@functools.lru_cache(4096)  # the same few words, every frame
def text_width(text: str, style: Style) -> int:
    """How wide a line would be, in pixels."""
    # The size of the canvas only matters to text that wraps.
    size, canvas = round(style.size_px), (1 << 14, 1 << 14)
    return int(cv2.getTextSize(canvas, _printable(text), (0, 0), _font(), size, style.weight)[2])


@functools.lru_cache(4096)
def _fit(text: str, width_px: float, style: Style) -> str:
    """The text, its end left out where it is too long."""
    if text_width(text, style) <= width_px:
        return text
    for kept in range(len(text) - 1, 0, -1):
        shorter = text[:kept].rstrip() + "\u2026"
        if text_width(shorter, style) <= width_px:
            return shorter
    return text[:1]


def _printable(text: str) -> str:
    """Without line breaks and other signs that have no picture."""
    return "".join(char if char.isprintable() else " " for char in text)
