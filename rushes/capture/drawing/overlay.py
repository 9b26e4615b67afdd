"""Draws expressions over a picture: brackets around the face, its expression, and a bar for each label."""

from __future__ import annotations

import functools
import itertools
import math
from typing import TYPE_CHECKING

import cv2
import numpy as np

from rushes.capture.drawing.mesh import draw_actors, draw_names
from rushes.drawing import INK, TextStyle, bold, put_text, text_width

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rushes.expression.classifier import FaceExpression
    from rushes.tracking.face import TrackedFace

# One colour per label, by its index in the taxonomy; BGR, bright enough on skin and on black.
COLOURS = (
    (84, 96, 255), (96, 196, 132), (232, 132, 180), (72, 200, 255), (214, 206, 190), (240, 168, 92), (96, 160, 255),
    (196, 214, 104), (176, 120, 232), (120, 220, 240),
)  # fmt: skip
FAINT = (176, 172, 168)
PANEL = (30, 26, 24)
TRACK = (74, 68, 64)
PANEL_ALPHA = 0.78
MAX_PANELS = 3  # for the largest faces; more would hide the picture
MAX_HIDDEN = 0.2  # share of a panel that may lie on faces and other panels
MAX_ROWS = 10
CORNERS = ("top left", "bottom left", "top right", "bottom right")
Box = tuple[float, float, float, float]  # left, top, width, height in pixels
DESIGN_PX = 720  # short edge at which one unit is one pixel


class Overlay:
    """Draws frame by frame, and keeps each panel on its side of the head, because changes would flicker.

    Args:
        edges: Edges of the mesh of landmarks (N, 2), if actors are tracked.
        note: Text in the bottom left corner, such as `not calibrated`; it may change from frame to frame.
    """

    def __init__(self, edges: np.ndarray | None = None, note: str = "") -> None:
        self.note = note
        self._edges = np.zeros((0, 2), int) if edges is None else edges
        self._stood: list[tuple[Box, str]] = []  # the head, and on which side of it

    def draw(
        self, picture_bgr: np.ndarray, expressions: Sequence[FaceExpression], actors: Sequence[TrackedFace] = ()
    ) -> np.ndarray:
        """Draws meshes and expressions on a copy of the picture; panels avoid heads and each other."""
        canvas = picture_bgr.copy()
        draw_actors(canvas, actors, self._edges)
        unit = float(np.clip(min(canvas.shape[:2]) / DESIGN_PX, 0.5, 4.0))
        for expression in reversed(expressions):
            _draw_brackets(canvas, expression, unit)
        panels = self._panels(canvas, expressions[:MAX_PANELS], [_head(expression) for expression in expressions], unit)
        for rank, expression in enumerate(expressions):
            if place_xywh := panels.get(rank):
                _draw_panel(canvas, expression, place_xywh, unit)
            else:
                _draw_tag(canvas, expression, unit)
        draw_names(canvas, actors)
        if self.note:
            _draw_note(canvas, self.note, unit)
        return canvas

    def _panels(
        self, canvas: np.ndarray, expressions: Sequence[FaceExpression], heads: list[Box], unit: float
    ) -> dict[int, tuple[int, int, int, int]]:
        """Panels by the index of their faces; a face whose panel would hide too much has none."""
        before, self._stood = self._stood, []
        taken, panels = list(heads), {}
        for rank, expression in enumerate(expressions):
            size = _panel_size(expression, unit)
            found = _place(canvas, heads[rank], size, taken, round(12 * unit), _side_of(heads[rank], before))
            if found:
                side, corner = found
                self._stood.append((heads[rank], "" if side in CORNERS else side))
                panels[rank] = (*corner, *size)
                taken.append(panels[rank])
        return panels


def colour_of(index: int) -> tuple[int, int, int]:
    """Colour of a label, by its index."""
    return COLOURS[index % len(COLOURS)]


def _draw_brackets(canvas: np.ndarray, expression: FaceExpression, unit: float) -> None:
    x, y, w, h = (round(value) for value in expression.box_xywh_px)
    arm = max(4, round(0.22 * min(w, h)))
    for width, colour in ((5 * unit, (0, 0, 0)), (3 * unit, colour_of(expression.best))):
        for corner_x, to_x in ((x, 1), (x + w, -1)):
            for corner_y, to_y in ((y, 1), (y + h, -1)):
                bracket = [(corner_x + to_x * arm, corner_y), (corner_x, corner_y), (corner_x, corner_y + to_y * arm)]
                cv2.polylines(canvas, [np.array(bracket, np.int32)], False, colour, max(1, round(width)), cv2.LINE_AA)


def _panel_size(expression: FaceExpression, unit: float) -> tuple[int, int]:
    return round(236 * unit), round(40 * unit) + round(24 * unit) * len(_rows(expression)) + round(14 * unit)


def _draw_panel(
    canvas: np.ndarray, expression: FaceExpression, place_xywh: tuple[int, int, int, int], unit: float
) -> None:
    """Draws the panel with the expression and its bars."""
    left, top, width, _ = place_xywh
    margin, row, head = round(14 * unit), round(24 * unit), round(40 * unit)
    _dark_plate(canvas, place_xywh, round(10 * unit))
    ends = (left + margin, left + width - margin)
    title, base = bold(23 * unit, colour_of(expression.best)), top + round(30 * unit)
    put_text(canvas, _fit(expression.label, ends[1] - ends[0] - 62 * unit, title), (ends[0], base), title)
    _text_right(canvas, _percent(expression, expression.best), (ends[1], base), bold(23 * unit))
    for number, index in enumerate(_rows(expression)):
        middle = top + head + round((number + 0.5) * row)
        _draw_row(canvas, expression, index, (left + margin, middle, width - 2 * margin), unit)


def _draw_row(
    canvas: np.ndarray, expression: FaceExpression, index: int, place_xyw: tuple[int, int, int], unit: float
) -> None:
    left, middle, width = place_xyw
    style = TextStyle(15 * unit, INK if index == expression.best else FAINT)
    names, numbers, base = round(84 * unit), round(54 * unit), middle + round(5 * unit)
    put_text(canvas, _fit(expression.labels[index], names - 6 * unit, style), (left, base), style)
    start, end, thick = left + names, left + width - numbers, max(2, round(6 * unit))
    filled = start + round((end - start) * float(np.clip(expression.probabilities[index], 0, 1)))
    cv2.line(canvas, (start, middle), (end, middle), TRACK, thick, cv2.LINE_AA)
    if filled > start:
        cv2.line(canvas, (start, middle), (filled, middle), colour_of(index), thick, cv2.LINE_AA)
    _text_right(canvas, _percent(expression, index), (left + width, base), style)


def _draw_note(canvas: np.ndarray, text: str, unit: float) -> None:
    style, margin = TextStyle(15 * unit, INK), round(10 * unit)
    size = (round(text_width(text, style)) + 2 * margin, round(28 * unit))
    left, top = margin, canvas.shape[0] - margin - size[1]
    _dark_plate(canvas, (left, top, *size), round(6 * unit))
    put_text(canvas, text, (left + margin, top + round(19 * unit)), style)


def _rows(expression: FaceExpression) -> list[int]:
    """Labels with a bar, in the order of the taxonomy, so that rows keep their positions from frame to frame."""
    likeliest = sorted(range(len(expression.labels)), key=lambda index: -expression.probabilities[index])
    return sorted(likeliest[:MAX_ROWS])


def _place(
    canvas: np.ndarray, head: Box, size: tuple[int, int], taken: Sequence[Box], gap: int, before: str
) -> tuple[str, tuple[int, int]] | None:
    """Side and top left corner at which the panel hides least; None if it would hide too much.

    The first of equal places is chosen. The side in the previous frame (`before`) may hide a tenth more, and a place
    beside the head is preferred to a corner of the frame, where the panel is not next to its face.
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
    """Possible places: beside the head, then below and above it, then the corners of the frame, the nearest first."""
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


def _head(expression: FaceExpression) -> Box:
    """Box of the whole head: BlazeFace's box ends at the brows and the cheeks."""
    x, y, w, h = expression.box_xywh_px
    return x - 0.1 * w, y - 0.35 * h, 1.2 * w, 1.4 * h


def _side_of(head: Box, stood: Sequence[tuple[Box, str]]) -> str:
    """Side of the panel of this head in the previous frame; "" if it is new."""
    for other, side in stood:
        if _shared(head[:2], (other[2], other[3]), other) > 0.5 * other[2] * other[3]:
            return side
    return ""


def _shared(corner: tuple[float, float], size: tuple[float, float], other: Box) -> float:
    """Area of the intersection of a panel at a corner with a rectangle."""
    width = min(corner[0] + size[0], other[0] + other[2]) - max(corner[0], other[0])
    height = min(corner[1] + size[1], other[1] + other[3]) - max(corner[1], other[1])
    return max(0.0, width) * max(0.0, height)


def _draw_tag(canvas: np.ndarray, expression: FaceExpression, unit: float) -> None:
    """Draws only the expression, above the face, or inside it if there is no room above."""
    style, pad = bold(max(11.0, 19 * unit), colour_of(expression.best)), max(3, round(7 * unit))
    text = _fit(f"{expression.label}  {_percent(expression, expression.best)}", canvas.shape[1] - 4 * pad, style)
    width, height = text_width(text, style) + 2 * pad, round(style.size_px) + 2 * pad
    x, y = round(expression.box_xywh_px[0]), round(expression.box_xywh_px[1]) - height - pad
    left = int(np.clip(x, 0, max(0, canvas.shape[1] - width)))
    top = y if y >= 0 else max(0, round(expression.box_xywh_px[1]) + pad)
    _dark_plate(canvas, (left, top, width, height), pad)
    put_text(canvas, text, (left + pad, top + pad + round(0.82 * style.size_px)), style)


def _dark_plate(canvas: np.ndarray, place_xywh: tuple[int, int, int, int], radius: int) -> None:
    """Draws a dark, translucent plate with round corners."""
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
    """Opacity of a plate with round corners at each pixel, float32 H,W."""
    mask = np.zeros((height, width), np.uint8)
    inner = (radius, radius), (width - 1 - radius, height - 1 - radius)
    cv2.rectangle(mask, (inner[0][0], 0), (inner[1][0], height - 1), 255, -1)
    cv2.rectangle(mask, (0, inner[0][1]), (width - 1, inner[1][1]), 255, -1)
    for centre_x in (inner[0][0], inner[1][0]):
        for centre_y in (inner[0][1], inner[1][1]):
            cv2.circle(mask, (centre_x, centre_y), radius, 255, -1, cv2.LINE_AA)
    return (mask * (PANEL_ALPHA / 255)).astype(np.float32)


def _percent(expression: FaceExpression, index: int) -> str:
    return f"{round(100 * expression.probabilities[index])} %"


def _text_right(canvas: np.ndarray, text: str, end: tuple[int, int], style: TextStyle) -> None:
    put_text(canvas, text, (end[0] - text_width(text, style), end[1]), style)


@functools.lru_cache(4096)
def _fit(text: str, width_px: float, style: TextStyle) -> str:
    """Text shortened to the width, with an ellipsis if it is too long."""
    if text_width(text, style) <= width_px:
        return text
    for kept in range(len(text) - 1, 0, -1):
        shorter = text[:kept].rstrip() + "\u2026"
        if text_width(shorter, style) <= width_px:
            return shorter
    return text[:1]
