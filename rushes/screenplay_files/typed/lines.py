"""Lines of a typed script with their columns: tags of web pages removed, tabs expanded, single-spaced."""

from __future__ import annotations

import html
import re
from collections import Counter
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING

from rushes.screenplay.headings import TYPED

if TYPE_CHECKING:
    from collections.abc import Sequence

TAB = 8
MIN_LINES = 8  # fewer lines do not determine the spacing
CLOSE_SHARE = 0.1  # maximum share of lines directly below another in a double-spaced text
WIDE_SHARE = 0.15  # minimum share of gaps wider than one line if these separate paragraphs
LONG = 45  # letters of a line that was probably broken at the margin
_TAG = re.compile(
    r"</?(?:b|i|u|em|strong|p|br|pre|center|font|span|div|html|head|body|title|a|h[1-6]|hr|script|table|tr|td|tbody|img"
    r"|link|meta|tt|small|big|blockquote)(?:\s[^<>\n]{0,300})?/?>",
    re.IGNORECASE,
)
_STRONG = re.compile(r"^([^\S\n]*)(\*{2,3})(\S.*?)\2[^\S\n]*$", re.MULTILINE)
_STRONG_HEADING = re.compile(rf"^[^\S\n]*\*{{2,3}}(?:\d+\w*\.?\s+)?{TYPED}\b[^*\n]*\*{{2,3}}[^\S\n]*$", re.MULTILINE)
_ENTITY = re.compile(r"&(?:amp|lt|gt|quot|apos|nbsp|#\d{1,5}|#x[\da-f]{1,4});", re.IGNORECASE)
_CUT_AND_HEADING = re.compile(
    rf"(?P<cut>(?:(?:SMASH |MATCH |JUMP |HARD )?CUT TO|DISSOLVE TO|FADE (?:IN|UP|TO))(?: ON)?[:.]?)"
    rf"\s+(?P<heading>{TYPED}[.:/ ].*)"
)
_ENDS_SENTENCE = re.compile(r"[.!?:]['\"\u201d\u2019)]*$")


@dataclass(frozen=True)
class Line:
    """A line that is not empty.

    Attributes:
        column: Start column, from 0.
        words: Text without surrounding blanks; inner ones are unchanged.
        gap: Number of empty lines above it.
    """

    column: int
    words: str
    gap: int


def without_markup(text: str) -> str:
    """A text without the tags and entities of a web page, and without asterisks around lines if headings have them.

    A line of only tags is removed entirely, without leaving an empty line.
    """
    if "<" in text:
        lines = [(line, _TAG.sub("", line)) for line in text.split("\n")]
        text = "\n".join(bare for line, bare in lines if bare.strip() or not line.strip())
    if _STRONG_HEADING.search(text):
        text = _STRONG.sub(r"\1\3", text)
    return _ENTITY.sub(lambda found: html.unescape(found[0]).replace("\xa0", " "), text)


def lines_of(text: str) -> list[Line]:
    """Lines of a text, single-spaced."""
    lines: list[Line] = []
    gap = 0
    for given in text.split("\n"):
        line = given.expandtabs(TAB).replace("\xa0", " ").rstrip()
        words = line.lstrip()
        if words:
            lines += _apart(Line(len(line) - len(words), words, gap))
        gap = 0 if words else gap + 1
    return _single_spaced(lines)


def _apart(line: Line) -> list[Line]:
    """A line, or two if a cut and the heading after it share one."""
    found = _CUT_AND_HEADING.fullmatch(line.words)
    if found is None:
        return [line]
    return [replace(line, words=found["cut"]), Line(line.column, found["heading"], 1)]


def as_text(lines: Sequence[Line]) -> str:
    """Text of lines."""
    return "\n".join("\n" * line.gap + " " * line.column + line.words for line in lines)


def _single_spaced(lines: list[Line]) -> list[Line]:
    """Lines whose gaps separate paragraphs, for a text in which every other line is empty."""
    gaps = Counter(min(line.gap, 2) for line in lines[1:])
    # A text is double-spaced only if hardly any line is directly below another.
    if len(lines) < MIN_LINES or gaps[0] > CLOSE_SHARE * (len(lines) - 1):
        return lines
    # Wider gaps separate paragraphs, so all gaps are halved; otherwise paragraphs are inferred from the lines.
    if gaps[2] >= WIDE_SHARE * (len(lines) - 1):
        return [replace(line, gap=line.gap // 2) for line in lines]
    return [lines[0], *(_closed_up(above, line) for above, line in pairwise(lines))]


def _closed_up(above: Line, line: Line) -> Line:
    """A line moved directly below the one that it continues, if all gaps are alike."""
    goes_on = above.column == line.column and len(above.words) >= LONG and not _ENDS_SENTENCE.search(above.words)
    return replace(line, gap=0) if goes_on and line.gap == 1 else line
