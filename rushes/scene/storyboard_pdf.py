"""Exports a storyboard as PDF, on A4. Text is set word by word, never as markup: a script may contain anything."""

from __future__ import annotations

import io
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from rushes.errors import UserError
from rushes.scene.contact_sheet import best_scale, encode_picture, enlarge
from rushes.screenplay.breakdown import pages
from rushes.screenplay.pdf_fonts import Fonts, fonts_for

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from reportlab.pdfgen.canvas import Canvas  # type: ignore[import-untyped]  # reportlab has no types

    from rushes.scene.storyboard import Board, Panel
    from rushes.screenplay.breakdown import Chapter

MM = 72 / 25.4  # points
PAGE = (210 * MM, 297 * MM)
SIDE, TOP, BOTTOM = 15 * MM, 15 * MM, 19 * MM
NUMBER, GAP, PICTURE = 12 * MM, 5 * MM, 40 * MM
BETWEEN = 3 * MM  # between pictures
PAD = 4 * MM  # above and below a panel
SIZES = (15, 12.5, 11, 10)  # of chapter titles, by level; the last also applies to deeper levels
INK, FAINT = 0.11, 0.4  # grey
IN_A_ROW = 4
LEADING = 1.4


@dataclass(frozen=True)
class _Line:
    text: str
    font: str
    size: float
    grey: float = INK
    short: float = 0.0  # width that stays free on the right
    above: float = 0.0


@dataclass(frozen=True)
class _Laid:
    """Panel with its lines broken: its height, the width of each picture, and the chapters that begin above it."""

    panel: Panel
    chapters: list[tuple[Chapter, list[_Line]]]
    lines: list[_Line]
    side: float
    height: float

    @property
    def whole_height(self) -> float:
        """Height with the titles of its chapters, which stay on the same page."""
        return self.height + sum(_height(lines) + BETWEEN for _, lines in self.chapters)


def pdf_of(board: Board, font: Path | None = None) -> bytes:
    """Renders a storyboard as PDF.

    Args:
        board: The storyboard.
        font: A TrueType font to try first.

    Raises:
        MisuseError: The font is not a TrueType font.
        RushesError: reportlab is not installed, or no font has every character of the script.
    """
    try:
        from reportlab.pdfgen.canvas import Canvas as Writer  # noqa: PLC0415  # an extra
    except ImportError as error:
        message = "a PDF needs the package reportlab: pip install reportlab, or write HTML: --out board.html"
        raise UserError(message) from error
    fonts = fonts_for(_all_text(board), font)
    content = io.BytesIO()
    canvas = Writer(content, pagesize=PAGE, invariant=1)  # the same board gives the same file
    canvas.setTitle(f"{' '.join(board.title)}: storyboard")
    canvas.setAuthor(board.byline)
    head = _head(board, fonts)
    sheets = _sheets([_laid(panel, board, fonts) for panel in board.panels], _height(head) + 6 * MM)
    marks = _Bookmarks(canvas)
    for number, sheet in enumerate(sheets, 1):
        _draw_sheet(canvas, sheet, head if number == 1 else [], marks)
        _draw_foot(canvas, board, fonts, f"{number} / {len(sheets)}")
        canvas.showPage()
    canvas.save()
    return content.getvalue()


def _all_text(board: Board) -> str:
    scenes = [panel.scene for panel in board.panels]
    parts = [*board.title, board.byline, board.about, board.credit_line, "0123456789/,"]
    for scene in scenes:
        parts += [scene.number, scene.heading, scene.action, *scene.speakers]
        parts += [chapter.title for chapter in scene.chapters]
    return " ".join(parts)


def _head(board: Board, fonts: Fonts) -> list[_Line]:
    lines = [_Line(line, fonts.bold, 20) for line in board.title]
    lines += [_Line(board.byline, fonts.regular, 11)] if board.byline else []
    return _wrapped([*lines, _Line(board.about, fonts.regular, 8.5, FAINT, above=MM)], PAGE[0] - 2 * SIDE)


def _laid(panel: Panel, board: Board, fonts: Fonts) -> _Laid:
    count = len(panel.pictures_nhwc)
    is_beside = count == 1
    width = PAGE[0] - 2 * SIDE - NUMBER - GAP
    columns = IN_A_ROW if count >= IN_A_ROW else 3
    side = PICTURE if is_beside else (width - (columns - 1) * BETWEEN) / columns
    lines = _wrapped(_lines(panel, board, fonts), width - (side + GAP if is_beside else 0))
    rows = -(-count // columns)
    below = 0 if is_beside else rows * (side + BETWEEN) + 2 * MM
    height = 2 * PAD + max(_height(lines), side if is_beside else 0) + below
    return _Laid(panel, _laid_chapters(panel, fonts), lines, side, height)


def _laid_chapters(panel: Panel, fonts: Fonts) -> list[tuple[Chapter, list[_Line]]]:
    width = PAGE[0] - 2 * SIDE
    laid = []
    for number, chapter in enumerate(panel.scene.chapters):
        size = SIZES[min(chapter.level, len(SIZES)) - 1]
        title = _Line(chapter.title, fonts.bold, size, above=0 if number else PAD)
        laid.append((chapter, _wrapped([title], width)))
    return laid


def _lines(panel: Panel, board: Board, fonts: Fonts) -> list[_Line]:
    scene = panel.scene
    lines = [_Line(scene.heading, fonts.bold, 11, short=18 * MM)]  # the length of the scene is beside the heading
    lines += [_Line(scene.action, fonts.regular, 9.5, above=MM)] if scene.action else []
    lines += [_Line(", ".join(scene.speakers), fonts.regular, 8.5, above=MM)] if scene.speakers else []
    seed = [_Line(f"seed {panel.seed}", fonts.regular, 8, FAINT, above=MM)]
    return lines + (seed if panel.seed != board.seed else [])


def _wrapped(lines: list[_Line], width: float) -> list[_Line]:
    from reportlab.pdfbase.pdfmetrics import stringWidth  # type: ignore[import-untyped]  # noqa: PLC0415  # an extra, without types

    broken: list[_Line] = []
    for line in lines:
        above, current = line.above, ""
        for word in [*_words(line, width - line.short, stringWidth), None]:
            joined = f"{current} {word}".strip()
            if word is not None and (not current or stringWidth(joined, line.font, line.size) <= width - line.short):
                current = joined
                continue
            broken.append(replace(line, text=current, above=above))
            above, current = 0.0, word or ""
    return broken


def _words(line: _Line, width: float, measure: Callable[[str, str, float], float]) -> list[str]:
    """Splits a line into words; breaks a word that is wider than the column."""
    words: list[str] = []
    for word in line.text.split():
        words.append("")
        for char in word:
            if words[-1] and measure(words[-1] + char, line.font, line.size) > width:
                words.append("")
            words[-1] += char
    return words


def _height(lines: list[_Line]) -> float:
    return sum(line.above + LEADING * line.size for line in lines)


def _sheets(panels: list[_Laid], head: float) -> list[list[_Laid]]:
    """Distributes the panels over pages without splitting any."""
    sheets: list[list[_Laid]] = [[]]
    left = PAGE[1] - TOP - BOTTOM - head
    for panel in panels:
        if panel.whole_height > left and sheets[-1]:
            sheets.append([])
            left = PAGE[1] - TOP - BOTTOM
        sheets[-1].append(panel)
        left -= panel.whole_height
    return sheets


class _Bookmarks:
    """Outline for a viewer's sidebar: one line per chapter, with nested chapters below."""

    def __init__(self, canvas: Canvas) -> None:
        self._canvas, self._count, self._depth = canvas, 0, -1

    def add(self, chapter: Chapter, y: float) -> None:
        """Adds a bookmark on the current page."""
        self._count += 1
        self._depth = min(chapter.level - 1, self._depth + 1)  # reportlab refuses to skip a level
        key = f"chapter-{self._count}"
        self._canvas.bookmarkHorizontal(key, 0, y)
        self._canvas.addOutlineEntry(chapter.title, key, self._depth)


def _draw_sheet(canvas: Canvas, sheet: list[_Laid], head: list[_Line], marks: _Bookmarks) -> None:
    y = PAGE[1] - TOP
    if head:
        y = _draw_lines(canvas, head, SIDE, y) - 6 * MM
    for laid in sheet:
        for chapter, lines in laid.chapters:
            marks.add(chapter, y)
            y = _draw_lines(canvas, lines, SIDE, y) - BETWEEN
        canvas.setStrokeGray(INK)
        canvas.setLineWidth(0.8)
        canvas.line(SIDE, y, PAGE[0] - SIDE, y)
        _draw_card(canvas, laid, y - PAD)
        y -= laid.height


def _draw_card(canvas: Canvas, laid: _Laid, top: float) -> None:
    scene, is_beside = laid.panel.scene, len(laid.panel.pictures_nhwc) == 1
    left = SIDE + NUMBER + GAP
    heading = laid.lines[0]
    size = 15 if len(scene.number) <= 3 else 9  # noqa: PLR2004  # 12A is large, 22-B is small
    for number, line in enumerate(_wrapped([_Line(scene.number, heading.font, size)], NUMBER + 2 * MM)):
        _draw_lines(canvas, [line], SIDE, top + 0.3 * size - 3 - number * LEADING * size)
    text_left = left + (laid.side + GAP if is_beside else 0)
    below = _draw_lines(canvas, laid.lines, text_left, top)
    canvas.setFillGray(FAINT)
    canvas.setFont(laid.lines[-1].font if len(laid.lines) > 1 else heading.font, 10)
    canvas.drawRightString(PAGE[0] - SIDE, top - 11, pages(scene.eighths))
    _draw_pictures(canvas, laid, left, top if is_beside else below - 2 * MM)


def _draw_pictures(canvas: Canvas, laid: _Laid, left: float, top: float) -> None:
    from reportlab.lib.utils import ImageReader  # type: ignore[import-untyped]  # noqa: PLC0415  # an extra, without types

    pictures_nhwc = laid.panel.pictures_nhwc
    columns = IN_A_ROW if len(pictures_nhwc) >= IN_A_ROW else 3
    for number, large_rgb in enumerate(enlarge(pictures_nhwc, best_scale(pictures_nhwc.shape[1]))):
        row, column = divmod(number, columns)
        x, y = left + column * (laid.side + BETWEEN), top - row * (laid.side + BETWEEN) - laid.side
        file = ImageReader(io.BytesIO(encode_picture(large_rgb[..., ::-1], ".jpg")))
        canvas.drawImage(file, x, y, laid.side, laid.side)


def _draw_lines(canvas: Canvas, lines: list[_Line], left: float, top: float) -> float:
    for line in lines:
        canvas.setFillGray(line.grey)
        canvas.setFont(line.font, line.size)
        top -= line.above
        canvas.drawString(left, top - line.size, line.text)
        top -= LEADING * line.size
    return top


def _draw_foot(canvas: Canvas, board: Board, fonts: Fonts, page: str) -> None:
    lines = [_Line(text, fonts.regular, 7.5, FAINT) for text in (board.made_by, board.credit_line) if text]
    _draw_lines(canvas, _wrapped(lines, 150 * MM), SIDE, BOTTOM - 4 * MM)
    canvas.setFont(fonts.regular, 8)
    canvas.drawRightString(PAGE[0] - SIDE, BOTTOM - 4 * MM - 8, page)
