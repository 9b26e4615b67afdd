"""Reads screenplays in plain text with columns; the column of a line determines its element.

    INT. KITCHEN - NIGHT                   at the margin: headings, action, cuts
    A kettle boils.
                  ANNA                     indented further than the words below it, in capitals: a cue
             (quietly)                     below a cue, in brackets: a parenthetical
          Don't.                           below a cue: dialogue

Margins differ between programs and between pages, so no column is measured over the whole file. A cue is recognised by
the words directly below it, which are indented less; dialogue by its cue; everything else by its form. Lines that were
broken to fit a column are joined.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

from rushes.screenplay.elements import Element, canonical
from rushes.screenplay_files.typed.headings import heading_of, is_capital, joined, reads_on
from rushes.screenplay_files.typed.lines import Line, lines_of
from rushes.screenplay_files.typed.names import (
    CUT,
    bare_name,
    cue_of,
    is_small_name,
    is_title_case,
    is_uncapped,
    may_be_cue,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rushes.screenplay.elements import Kind

FARTHER = 2  # minimum difference in columns between dialogue and its cue
TURNED = 4  # empty lines between a name and its words: a page break leaves fewer
NEAR = 1  # tolerance in columns within which two lines share a column
TITLE_LINES = 15  # maximum number of lines before an author is named
TITLE_PAGE = 60  # maximum number of lines of a title page
PROSE = 40  # letters of a line of narration; a title page has none so long
_PARTED = re.compile(r"[^\W\d_]-$")
_SPEECH = frozenset({"character", "parenthetical", "dialogue"})
_BY = re.compile(r"(?:(?:screenplay|story|teleplay|script|written|adapted)\s+)*by\b", re.IGNORECASE)
_TWO = re.compile(r"(\S.*?)\s{6,}(\S.*)")


def is_indented(text: str) -> bool:
    """True if columns carry information: more names are indented further than their words than are level with them."""
    lines = lines_of(text)
    cues = _Cues(lines)
    names = [place for place, line in enumerate(lines[:-1]) if may_be_cue(line.words)]
    first = [place for place in names if lines[place].gap or not place]  # the others may be words in capitals
    flush = sum(lines[place + 1].gap == 0 and lines[place + 1].column == lines[place].column for place in first)
    return len(cues.places) > flush


def read_screenplay(text: str) -> list[Element]:
    """Elements of a screenplay whose columns carry information."""
    lines = lines_of(text)
    cues = _Cues(lines)
    head = _title_lines(lines, cues)
    reader = _Reader(lines, cues)
    place = head
    while place < len(lines):
        place = reader.read(place)
    reader.end_element()
    return canonical([*_title(lines[:head]), *reader.elements])


class _Cues:
    """Lines that are cues, judged by the words below them, and the column of the next dialogue from each line on."""

    def __init__(self, lines: Sequence[Line]) -> None:
        self._lines = lines
        self._margins = _margins(lines)
        # Candidates: names with words directly below, and names separated from their words by empty lines.
        named = [place for place, line in enumerate(lines[:-1]) if may_be_cue(line.words)]
        direct = [place for place in named if self._has_words(place, range(1))]
        below = [place for place in named if self._has_words(place, range(1, TURNED))]
        gapped = max([place for place in below if self._is_apart(place)], self._far_in(below, len(direct)), key=len)
        # Gapped candidates count if they outnumber direct ones; otherwise only those whose names are direct cues
        # elsewhere.
        names = Counter(bare_name(lines[place].words) for place in direct)
        if len(gapped) > len(direct):
            names = Counter(bare_name(lines[place].words) for place in (*direct, *gapped))
        else:
            gapped = [place for place in gapped if names[bare_name(lines[place].words)]]
        # Words in capitals far from the usual column of cues are text on a sign, for example.
        usual = Counter(lines[place].column for place in direct).most_common(1)
        # In a text in capitals, capitals below a name prove nothing.
        if sum(is_capital(lines[place + 1].words) for place in direct) <= len(direct) / 2:
            direct = [place for place in direct if not self._is_sign(place, names, usual[0][0])]
        # A name known from elsewhere may stand over words that are not farther left, such as centred ones.
        known = {bare_name(lines[place].words) for place in direct}
        over = [place for place in named if lines[place].gap and not lines[place + 1].gap and self._is_apart(place)]
        self.places = {*direct, *gapped, *(place for place in over if bare_name(lines[place].words) in known)}
        self.places |= set(self._small(len(self.places)))
        self.columns = {place: self._words_at(place) for place in self.places}
        self._next = self._following()

    def next_column(self, place: int) -> int | None:
        """The column of the words of the first speech from a line on; None after the last."""
        return self._next[place]

    def _following(self) -> list[int | None]:
        # A backward pass: each line takes the column of its own words if it is a cue, else that of the line below.
        columns: list[int | None] = [None] * (len(self._lines) + 1)
        for place in range(len(self._lines) - 1, -1, -1):
            columns[place] = self.columns.get(place, columns[place + 1])
        return columns

    def _far_in(self, places: Sequence[int], known: int) -> list[int]:
        """Names above an empty line, if few others occur and dialogue begins at the margin."""
        names = Counter(bare_name(self._lines[place].words) for place in places)
        often = [place for place in places if names[bare_name(self._lines[place].words)] > 1]
        return often if len(often) > known else []

    def _has_words(self, place: int, gaps: range) -> bool:
        """True if words follow a line after that many empty lines, and are indented less."""
        below = self._lines[place + 1]
        if below.gap not in gaps or heading_of(below.words) or CUT.fullmatch(below.words):
            return False
        above = self._lines[place - 1] if place else None
        line = self._lines[place]
        is_first = above is None or line.gap > 0 or above.column <= line.column - FARTHER
        return is_first and self._words_at(place) <= line.column - FARTHER

    def _words_at(self, place: int) -> int:
        """The column of the first words below a line that are not in brackets; of the brackets if all are."""
        is_open = False
        for at in range(place + 1, min(place + 6, len(self._lines))):
            line = self._lines[at]
            if at > place + 1 and line.gap > 1:
                return self._lines[at - 1].column
            if not (line.words.startswith("(") or is_open) or (is_open and _closed(line.words)[1]):
                return line.column
            is_open = ")" not in line.words
        return self._lines[place + 1].column

    def _is_apart(self, place: int) -> bool:
        """True if the lines below an empty line are indented further than the narration around them."""
        return self._lines[place + 1].column > self._margins[place] + FARTHER

    def _is_sign(self, place: int, names: Counter[str], usual: int) -> bool:
        """True if a name is a legible sign: it occurs once, away from the column of cues, above words in capitals."""
        line, below = self._lines[place], self._lines[place + 1].words
        is_odd = names[bare_name(line.words)] == 1 and abs(line.column - usual) > FARTHER
        return is_odd and is_capital(below) and " " in below

    def _small(self, known: int) -> Iterator[int]:
        """Names not in capitals, indented as far as a cue, that occur more than once."""
        is_name = is_small_name if is_uncapped(line.words for line in self._lines) else is_title_case
        named = [
            place
            for place, line in enumerate(self._lines[:-1])
            if is_name(line.words) and heading_of(line.words) is None and self._is_apart(place)
        ]
        direct = [place for place in named if self._has_words(place, range(1))]
        gapped = [place for place in named if self._has_words(place, range(1, TURNED))]
        places = sorted({*direct, *gapped}) if len(gapped) > len(direct) else direct
        names = Counter(bare_name(self._lines[place].words) for place in places)
        often = [place for place in places if names[bare_name(self._lines[place].words)] > 1]
        if len(often) > known or len(often) > FARTHER:
            yield from often


@dataclass
class _Reader:
    """Reader of single lines, by form, column and the lines above."""

    lines: Sequence[Line]
    cues: _Cues
    elements: list[Element] = field(default_factory=list)
    kind: Kind = "action"
    held: list[str] = field(default_factory=list)  # lines of the current element
    margin: int = 0  # column of the narration
    column: int = 0  # column of the current speech

    def read(self, place: int) -> int:
        """Reads the line at a place; returns the place of the next."""
        line = self.lines[place]
        # In order of certainty: headings and cues by form and neighbours, cuts by their wording, dialogue by its
        # column.
        if place not in self.cues.places and self._is_heading(line):
            return self._heading(place)
        if place in self.cues.places:
            return self._cue(place)
        if CUT.fullmatch(line.words) and not (
            self.kind in _SPEECH and line.gap == 0 and line.column <= self.column + NEAR
        ):
            self._begin("transition", line.words)
        elif self._is_spoken(place):
            self._spoken(line)
        else:
            is_whole = self.kind == "action" and line.gap == 0
            self._go_on("action", line.words) if is_whole else self._begin("action", line.words)
            if not (is_whole and line.column == 0 and self._is_rewrapped):
                self.margin = line.column
        return place + 1

    @cached_property
    def _is_rewrapped(self) -> bool:
        """True if lines at the left edge are rests of lines that mail has broken again: few begin a paragraph."""
        at_edge = [line.gap == 0 for line in self.lines[1:] if line.column == 0]
        return sum(at_edge) > len(at_edge) / 2

    def end_element(self) -> None:
        """Ends the current element."""
        if self.held:
            text = _one_line(self.held)
            if self.kind == "parenthetical":
                text = text.removeprefix("(").removesuffix(")")
            self.elements.append(Element(self.kind, text))
        self.held = []

    def _begin(self, kind: Kind, words: str) -> None:
        self.end_element()
        self.kind = kind
        self.held.append(words)

    def _go_on(self, kind: Kind, words: str) -> None:
        if self.kind == kind and self.held:
            self.held.append(words)
        else:
            self._begin(kind, words)

    def _is_heading(self, line: Line) -> bool:
        if heading_of(line.words) is None:
            return False
        in_dialogue = self.kind in _SPEECH and line.gap == 0
        # A line in lower case inside a speech is dialogue that only resembles a heading.
        return is_capital(line.words) or not (in_dialogue or self._is_in_speech(line, None))

    def _heading(self, place: int) -> int:
        self.end_element()
        # Joins a heading that was broken over up to three lines.
        line, end = self.lines[place], place + 1
        while end < min(place + 3, len(self.lines)) and reads_on(
            line, self.lines[end], self.lines[end + 1] if end + 1 < len(self.lines) else None
        ):
            end += 1
        element = joined(line, self.lines[place + 1 : end])
        self.elements.append(element)
        # A scene number before the heading does not belong to the margin.
        self.margin = line.column + max(line.words.find(element.text[:4]), 0)
        self.kind = "heading"
        return end

    def _cue(self, place: int) -> int:
        line = self.lines[place]
        two = _TWO.fullmatch(line.words)
        if two and all(may_be_cue(name) for name in two.groups()):
            return self._two_cues(place, two)
        self._begin("character", cue_of(line.words))
        self.column = self.cues.columns[place]
        return place + 1

    def _two_cues(self, place: int, two: re.Match[str]) -> int:
        """Reads two speeches side by side."""
        line, end = self.lines[place], place + 1
        # The right column starts as far from its cue as the left one does.
        right = line.column + two.start(2) - (line.column - self.cues.columns[place])
        while end < len(self.lines) and self.lines[end].gap == 0:
            end += 1
        halves = [_halves(one, right) for one in self.lines[place + 1 : end]]
        for number, name in enumerate(two.groups()):
            self._begin("character", name.rstrip(": "))
            self.column = 0
            for half in halves:
                if half[number]:
                    self._spoken(Line(0, half[number], 0))
            self.end_element()
            # Only the second speech is marked as simultaneous, as in Fountain.
            if number:
                start = max(at for at, one in enumerate(self.elements) if one.kind == "character")
                self.elements[start] = replace(self.elements[start], dual=True)
        self.kind = "action"
        return end

    def _is_spoken(self, place: int) -> bool:
        line = self.lines[place]
        if self.kind not in _SPEECH:
            return False
        # The line after a cue is spoken, whatever its column, and so is one inside an open bracket.
        if self.kind == "character" or self._is_open(line) or self._is_awaited(line):
            return True
        if line.gap == 0:
            # Without an empty line above, only a clear return to the margin ends the speech.
            is_out = line.column <= self.column - FARTHER - NEAR and line.column <= self.margin + NEAR
            return not is_out or (line.column == 0 < self.margin and self._is_rewrapped)
        return self._is_in_speech(line, self.cues.next_column(place))

    def _is_awaited(self, line: Line) -> bool:
        """True if a line in the column of the speech follows a cue with only a parenthetical, as at a page break."""
        is_bare = self.kind == "parenthetical" and bool(self.elements) and self.elements[-1].kind == "character"
        return is_bare and line.gap < TURNED and abs(line.column - self.column) <= NEAR

    def _is_in_speech(self, line: Line, coming: int | None) -> bool:
        """True if a line after an empty one continues a speech, judged by a column that nothing else uses there."""
        if self.kind not in _SPEECH or self.column <= self.margin + FARTHER:
            return False
        is_here = abs(line.column - self.column) <= NEAR or (coming is not None and abs(line.column - coming) <= NEAR)
        is_aside = line.words.startswith("(") and line.column >= self.column - NEAR
        is_narration = coming is not None and line.column < coming - FARTHER
        return (is_here or is_aside) and line.column > self.margin + FARTHER and not is_narration

    def _is_open(self, line: Line) -> bool:
        """True if a line continues text in an open bracket."""
        text = " ".join(self.held)
        is_below = line.gap == 0 or (line.gap < TURNED and line.column > self.margin + FARTHER)
        return self.kind == "parenthetical" and text.count("(") > text.count(")") and is_below

    def _spoken(self, line: Line) -> None:
        is_open = self._is_open(line)
        aside, rest = _closed(line.words)
        ends = line.words.endswith(")") or ")" not in line.words
        begins = line.words.startswith("(") and ends and "(" not in rest
        # A bracket that closes within the line is followed by dialogue.
        if is_open and rest:
            self._go_on("parenthetical", aside)
            self._begin("dialogue", rest)
        elif is_open or (begins and self.kind == "parenthetical" and not self.held):
            self._go_on("parenthetical", line.words)
        elif begins:
            self._begin("parenthetical", line.words)
        else:
            self._go_on("dialogue", line.words)


def _margins(lines: Sequence[Line]) -> list[int]:
    """For each line the least column since the heading above it; above the first heading the least column of all."""
    least = min((line.column for line in lines), default=0)
    margins: list[int] = []
    for line in lines:
        least = line.column if heading_of(line.words) else min(least, line.column)
        margins.append(least)
    return margins


def _closed(words: str) -> tuple[str, str]:
    """Splits words at the end of a bracket: the text up to it, and the words after it."""
    aside, closes, rest = words.partition(")")
    return f"{aside}{closes}", rest.strip(" .") and rest.strip()


def _halves(line: Line, right: int) -> tuple[str, str]:
    """Splits a line of two columns into its left and right half."""
    raw = " " * line.column + line.words
    # The half starts at the run of blanks nearest to the expected column.
    starts = [found.end() for found in re.finditer(r"(?:^|(?<=\S))\s{2,}(?=\S)", raw)] + [line.column]
    near = min(starts, key=lambda start: abs(start - right))
    if abs(near - right) > 8:  # noqa: PLR2004  # columns: a parenthetical is indented
        return ("", line.words) if line.column >= right else (line.words, "")
    return raw[:near].strip(), raw[near:].strip()


def _one_line(lines: Sequence[str]) -> str:
    """Joins lines; a word that was divided at a hyphen keeps it."""
    return "".join(line if _PARTED.search(line) else f"{line} " for line in lines).rstrip()


def _title_lines(lines: Sequence[Line], cues: _Cues) -> int:
    """Number of lines of the title page; 0 if no author is named soon after the first line."""
    end = next(
        (
            place
            for place, line in enumerate(lines[:TITLE_PAGE])
            if heading_of(line.words) or CUT.fullmatch(line.words) or place in cues.places or _is_prose(lines, place)
        ),
        min(len(lines), TITLE_PAGE),
    )
    is_one = any(_BY.match(line.words) for line in lines[1 : min(end, TITLE_LINES)])
    return end if is_one else 0


def _is_prose(lines: Sequence[Line], place: int) -> bool:
    below = lines[place + 1] if place + 1 < len(lines) else None
    return below is not None and below.gap == 0 and min(len(lines[place].words), len(below.words) + 10) > PROSE


def _title(lines: Sequence[Line]) -> Iterator[Element]:
    """The title page as an element; its first line is the title."""
    if lines:
        first, *others = (" ".join(line.words.split()) for line in lines)
        notes = "".join(f"\nNotes: {line}" for line in others)
        yield Element("title", f"Title: {first.strip(chr(34))}{notes}")
