"""A scene as a typed page, a picture; knows no collection, so any step may use it."""

from __future__ import annotations

import textwrap
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from matplotlib import get_data_path
from PIL import Image, ImageDraw, ImageFont

from rushes.screenplay.fountain import parse

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rushes.screenplay.elements import Element

PAGE_PX, COLUMNS = 426, 2  # two pages are as wide as the column of the report
MARGIN_PX, LINE_PX, LETTER_PX = 30, 14, 10
LINES = (PAGE_PX - 2 * MARGIN_PX) // LINE_PX
PAPER, INK, PENCIL = (248, 246, 240), (28, 28, 30), (150, 146, 138)
# (column, width) in letters of a page of 60. Dialogue has more room than on a set, so that verse is not broken.
ACTION, SPEECH, ASIDE, CUE, CUT = (0, 60), (10, 48), (16, 32), (22, 38), (40, 20)
PLACES = {"dialogue": SPEECH, "lyrics": SPEECH, "parenthetical": ASIDE, "character": CUE, "transition": CUT}
BELOW_CUE = frozenset({"dialogue", "parenthetical", "lyrics"})


class TypedLine(NamedTuple):
    """A line of a page: the column that it begins in, its words, and whether they are bold."""

    column: int
    words: str
    bold: bool = False


def page_of(text: str) -> np.ndarray:
    """The beginning of a scene as a typed page, uint8 RGB, square."""
    page = Image.new("RGB", (PAGE_PX, PAGE_PX), PAPER)
    draw = ImageDraw.Draw(page)
    lines = list(_lines(parse(text)))
    for number, line in enumerate(lines[:LINES]):
        cut = number == LINES - 1 and len(lines) > LINES
        place = (MARGIN_PX + line.column * _letter_px(), MARGIN_PX + number * LINE_PX)
        draw.text(place, "..." if cut else line.words, PENCIL if cut else INK, _font(bold=line.bold))
    return np.asarray(page)


def _lines(elements: list[Element]) -> Iterator[TypedLine]:
    for number, element in enumerate(elements):
        if number and element.kind not in BELOW_CUE:
            yield TypedLine(0, "")
        column, width = PLACES.get(element.kind, ACTION)
        text = f"({element.text})" if element.kind == "parenthetical" else element.text
        for part in text.split("\n"):
            yield from (
                TypedLine(column, words, element.kind == "heading") for words in textwrap.wrap(part, width) or [""]
            )


@cache
def _font(*, bold: bool) -> ImageFont.FreeTypeFont:
    """The font with letters of one width that travels with Matplotlib: it is the same on every machine."""
    name = "DejaVuSansMono-Bold.ttf" if bold else "DejaVuSansMono.ttf"
    return ImageFont.truetype(Path(get_data_path(), "fonts", "ttf", name), LETTER_PX)


@cache
def _letter_px() -> float:
    return _font(bold=False).getlength("0")
