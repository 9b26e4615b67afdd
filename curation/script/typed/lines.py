"""Lines of a typed script with the column each begins in: tags of web pages gone, tabs expanded, spacing single."""

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
MIN_LINES = 8  # on fewer nobody can tell how they are spaced
CLOSE_SHARE = 0.1  # of the lines stand right below another, at most, where a text is double-spaced
WIDE_SHARE = 0.15  # of the gaps are wider than one line where paragraphs are still told apart
LONG = 45  # letters of a line that was probably broken at the margin
_TAG = re.compile(
    r"</?(?:b|i|u|em|strong|p|br|pre|center|font|span|div|html|head|body|title|a|h[1-6]|hr|script|table|tr|td|tbody|img"
    r"|link|meta|tt|small|big|blockquote)(?:\s[^<>\n]{0,300})?/?>",
    re.IGNORECASE,
)
_STRONG = re.compile(r"^(\s*)(\*{2,3})(\S.*?)\2[^\S\n]*$", re.MULTILINE)
_STRONG_HEADING = re.compile(rf"^\s*\*{{2,3}}(?:\d+\w*\.?\s+)?{TYPED}\b[^*\n]*\*{{2,3}}[^\S\n]*$", re.MULTILINE)
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
        column: Where it begins, 0 at the left.
        words: What it says, without blanks around; those inside stay as they were typed.
        gap: Empty lines above it.
    """

    column: int
    words: str
    gap: int


def without_markup(text: str) -> str:
    """A text without the tags and entities of a web page, and the stars around lines where headings stand in such.

    A line of tags alone goes whole, and is not an empty one.
    """
    if "<" in text:
        lines = [(line, _TAG.sub("", line)) for line in text.split("\n")]
        text = "\n".join(bare for line, bare in lines if bare.strip() or not line.strip())
    if _STRONG_HEADING.search(text):
        text = _STRONG.sub(r"\1\3", text)
    return _ENTITY.sub(lambda found: html.unescape(found[0]).replace("\xa0", " "), text)


def lines_of(text: str) -> list[Line]:
    """The lines of a text, single-spaced."""
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
    """A line; where a cut and the heading that follows it share one, two."""
    found = _CUT_AND_HEADING.fullmatch(line.words)
    if found is None:
        return [line]
    return [replace(line, words=found["cut"]), Line(line.column, found["heading"], 1)]


def as_text(lines: Sequence[Line]) -> str:
    """The text of lines."""
    return "\n".join("\n" * line.gap + " " * line.column + line.words for line in lines)


def _single_spaced(lines: list[Line]) -> list[Line]:
    """Lines whose gaps mean paragraphs, where every other line was left empty."""
    gaps = Counter(min(line.gap, 2) for line in lines[1:])
    if len(lines) < MIN_LINES or gaps[0] > CLOSE_SHARE * (len(lines) - 1):
        return lines
    if gaps[2] >= WIDE_SHARE * (len(lines) - 1):
        return [replace(line, gap=line.gap // 2) for line in lines]
    return [lines[0], *(_closed_up(above, line) for above, line in pairwise(lines))]


def _closed_up(above: Line, line: Line) -> Line:
    """A line right below the one that it goes on from, where all gaps are alike."""
    goes_on = above.column == line.column and len(above.words) >= LONG and not _ENDS_SENTENCE.search(above.words)
    return replace(line, gap=0) if goes_on and line.gap == 1 else line
