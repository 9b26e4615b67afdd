"""Screenplays in plain text, as they are typed: what a line is stands in the column that it begins in.

    INT. KITCHEN - NIGHT                   at the margin: headings, action, cuts
    A kettle boils.
                  ANNA                     farthest in, in capitals, over words: a cue
             (quietly)                     between, in brackets: a parenthetical
          Don't.                           between: dialogue

Margins differ from program to program, so the columns are found in the script itself: the margin is where its headings
begin, that of dialogue where lines under a cue do. Lines that were broken to fit a column are one again.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING

from rushes.elements import Element, canonical

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rushes.elements import Kind

MIN_SHARE = 0.15  # of the lines are dialogue, at least, where columns mean something
MIN_FURTHER = 2  # columns, between what is said and who says it
MAX_HEADING = 200  # signs; what is longer is none, however it begins
TITLE_LINES = 15  # of the first page, at most, before somebody is named
_NUMBER = r"(?P<number>\d+[A-Z]{0,2}|[A-Z]\d+)"
_HEADING = re.compile(
    rf"(?:{_NUMBER}[.)]?\s+)?(?P<text>(?:(?:INT|EXT)\.?\s*/\s*(?:INT|EXT)|I/E|INT|EXT|EST)[. ].*?)"
    r"(?:\s{2,}[\dA-Z]+[.)]?)?",
    re.IGNORECASE,
)
_CUT = re.compile(r"(?:[A-Z' ]+ TO|FADE (?:IN|OUT)|DISSOLVE|CUT)[:.]|[A-Z' ]+ TO BLACK\.?")
_PARTED = re.compile(r"[^\W\d_]-$")
_WRAPPED = frozenset({"action", "parenthetical"})  # may be broken to fit their column
_SPEECH = frozenset({"character", "parenthetical", "dialogue"})
_BY = re.compile(r"(?:(?:screenplay|story|teleplay|script|written|adapted)\s+)*by\b", re.IGNORECASE)


def is_indented(text: str) -> bool:
    """Whether the columns of a text mean something."""
    lines = [line.expandtabs() for line in text.split("\n") if line.strip()]
    columns = _columns(lines) if lines else None
    return columns is not None and sum(_indent(line) > columns.middle for line in lines) >= MIN_SHARE * len(lines)


def read_screenplay(text: str) -> list[Element]:
    """The elements of a screenplay whose columns mean something."""
    lines = [line.expandtabs().rstrip() for line in text.split("\n")]
    columns = _columns([line for line in lines if line])
    if columns is None:
        return []
    reader = _Reader(columns)
    for line, below in zip(lines, [*lines[1:], ""], strict=True):
        reader.read(line, below)
    reader.settle()
    return canonical([*_title(lines), *reader.elements])


@dataclass(frozen=True)
class _Columns:
    """Where action and dialogue begin."""

    margin: int
    dialogue: int

    @property
    def middle(self) -> float:
        """Left of it a line is at the margin."""
        return (self.margin + self.dialogue) / 2


@dataclass
class _Reader:
    """Reads line by line, each by its column and by what stands above and below it."""

    columns: _Columns
    elements: list[Element] = field(default_factory=list)
    kind: Kind = "action"
    lines: list[str] = field(default_factory=list)  # of the element that is being read
    above: Kind | None = None  # what the line above is; None where it is empty

    def read(self, line: str, below: str) -> None:
        words = line.strip()
        if not words:
            self.above = None
            return
        indented = _indent(line) >= self.columns.middle
        kind = self._indented(line, below) if indented else self._at_margin(words)
        # A speech has no paragraphs: within it an empty line is the end of a page.
        goes_on = kind == self.kind and (kind == "dialogue" or (kind == self.above and kind in _WRAPPED))
        if not goes_on:
            self.settle()
        self.kind = self.above = kind
        self.lines.append(words)

    def settle(self) -> None:
        """Ends the element that is being read."""
        if self.lines:
            self.elements.append(_element(self.kind, _one_line(self.lines)))
        self.lines = []

    def _at_margin(self, words: str) -> Kind:
        if _is_heading(words):
            return "heading"
        return "transition" if _CUT.fullmatch(words) else "action"

    def _indented(self, line: str, below: str) -> Kind:
        words = line.strip()
        if self._is_cue(line, below):
            return "character"
        if _CUT.fullmatch(words):
            return "transition"
        if self.kind not in _SPEECH:
            return "action"  # in the middle of a page: a title, a letter that is shown
        goes_on = self.above == "parenthetical" and not self.lines[-1].endswith(")")
        return "parenthetical" if goes_on or words.startswith("(") else "dialogue"

    def _is_cue(self, line: str, below: str) -> bool:
        if not _may_be_cue(line) or not below.strip() or _indent(below) < self.columns.middle:
            return False
        return _indent(line) >= self.columns.dialogue + MIN_FURTHER and self.above != "character"


def _columns(lines: Sequence[str]) -> _Columns | None:
    """Found by headings, and by the lines under what may be cues and asides; None where nothing is under any."""
    headings = Counter(_indent(line) for line in lines if _is_heading(line.strip()))
    margin = headings.most_common(1)[0][0] if headings else min(map(_indent, lines), default=0)
    under = Counter(
        _indent(below)
        for line, below in pairwise(lines)
        if (_may_be_cue(line) or line.endswith(")"))
        and margin + MIN_FURTHER < _indent(below) <= _indent(line) - MIN_FURTHER
        if not below.strip().startswith("(")
    )
    return _Columns(margin, under.most_common(1)[0][0]) if under else None


def _may_be_cue(line: str) -> bool:
    name = line.partition("(")[0].strip()
    return name.isupper() and not name.endswith((":", "!", "?")) and not _is_heading(name)


def _is_heading(words: str) -> bool:
    return len(words) <= MAX_HEADING and words.isupper() and bool(_HEADING.fullmatch(words))


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def _element(kind: Kind, text: str) -> Element:
    if kind == "parenthetical":
        return Element(kind, text.removeprefix("(").removesuffix(")"))
    found = _HEADING.fullmatch(text) if kind == "heading" else None
    return Element(kind, found["text"].strip(), number=found["number"] or "") if found else Element(kind, text)


def _one_line(lines: Sequence[str]) -> str:
    """Lines as one; a word that was parted at a hyphen keeps it."""
    return "".join(line if _PARTED.search(line) else f"{line} " for line in lines).rstrip()


def _title(lines: Sequence[str]) -> Iterator[Element]:
    """The first line of all, where somebody is named soon after it."""
    page = [line.strip() for line in lines if line.strip()][:TITLE_LINES]
    named = next((place for place, line in enumerate(page) if _BY.match(line)), 0)
    if named and not any(_is_heading(line) for line in page[:named]):
        yield Element("title", f"Title: {page[0].strip(chr(34))}")
