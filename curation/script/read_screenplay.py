"""Screenplays in plain text, as they are typed: what a line is stands in the column that it begins in.

    INT. KITCHEN - NIGHT                   at the margin: headings, action, cuts
    A kettle boils.
                  ANNA                     farther in than the words below it, in capitals: a cue
             (quietly)                     under a cue, in brackets: a parenthetical
          Don't.                           under a cue: dialogue

Margins differ from program to program and from page to page, so nothing is measured over the whole file: a cue is
recognised by the words right below it, which begin farther left, dialogue by its cue, and all else by its form. Lines
that were broken to fit a column are one again.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from curation.script.typed.headings import heading_of, is_capital, joined, reads_on
from curation.script.typed.lines import Line, lines_of
from curation.script.typed.names import CUT, bare_name, cue_of, is_small_name, is_title_case, is_uncapped, may_be_cue
from rushes.screenplay.elements import Element, canonical

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rushes.screenplay.elements import Kind

FARTHER = 2  # columns, between what is said and who says it
TURNED = 4  # empty lines, fewer than which a page leaves between a name and its words
NEAR = 1  # columns that are still the same one
TITLE_LINES = 15  # of the first page, at most, before somebody is named
TITLE_PAGE = 60  # lines of a title page, at most
PROSE = 40  # letters of a line of narration, which no title page has
_PARTED = re.compile(r"[^\W\d_]-$")
_SPEECH = frozenset({"character", "parenthetical", "dialogue"})
_BY = re.compile(r"(?:(?:screenplay|story|teleplay|script|written|adapted)\s+)*by\b", re.IGNORECASE)
_TWO = re.compile(r"(\S.*?)\s{6,}(\S.*)")


def is_indented(text: str) -> bool:
    """True if the columns of a text mean something: more names stand farther in than their words than above them."""
    lines = lines_of(text)
    cues = _Cues(lines)
    names = [place for place, line in enumerate(lines[:-1]) if may_be_cue(line.words)]
    first = [place for place in names if lines[place].gap or not place]  # the others may be words in capitals
    flush = sum(lines[place + 1].gap == 0 and lines[place + 1].column == lines[place].column for place in first)
    return len(cues.places) > flush


def read_screenplay(text: str) -> list[Element]:
    """The elements of a screenplay whose columns mean something."""
    lines = lines_of(text)
    cues = _Cues(lines)
    head = _title_lines(lines, cues)
    reader = _Reader(lines, cues)
    place = head
    while place < len(lines):
        place = reader.read(place)
    reader.settle()
    return canonical([*_title(lines[:head]), *reader.elements])


class _Cues:
    """Which lines are cues, by the words below them; and where the words of the next speech begin."""

    def __init__(self, lines: Sequence[Line]) -> None:
        self._lines = lines
        named = [place for place, line in enumerate(lines[:-1]) if may_be_cue(line.words)]
        direct = [place for place in named if self._has_words(place, range(1))]
        below = [place for place in named if self._has_words(place, range(1, TURNED))]
        gapped = max([place for place in below if self._is_apart(place)], self._far_in(below, len(direct)), key=len)
        names = Counter(bare_name(lines[place].words) for place in direct)
        if len(gapped) > len(direct):
            names = Counter(bare_name(lines[place].words) for place in (*direct, *gapped))
        else:
            gapped = [place for place in gapped if names[bare_name(lines[place].words)]]
        usual = Counter(lines[place].column for place in direct).most_common(1)
        direct = [place for place in direct if not self._is_sign(place, names, usual[0][0])]
        self.places = {*direct, *gapped}
        self.places |= set(self._small(len(self.places)))
        self.said = {place: self._words_at(place) for place in self.places}
        self._next = self._following()

    def next_said(self, place: int) -> int | None:
        """The column of the words of the first speech from a line on; None behind the last."""
        return self._next[place]

    def _following(self) -> list[int | None]:
        columns: list[int | None] = [None] * (len(self._lines) + 1)
        for place in range(len(self._lines) - 1, -1, -1):
            columns[place] = self.said.get(place, columns[place + 1])
        return columns

    def _far_in(self, places: Sequence[int], known: int) -> list[int]:
        """Names over an empty line where hardly any stand otherwise, and what is said begins at the margin."""
        names = Counter(bare_name(self._lines[place].words) for place in places)
        often = [place for place in places if names[bare_name(self._lines[place].words)] > 1]
        return often if len(often) > known else []

    def _has_words(self, place: int, gaps: range) -> bool:
        """True if words stand below a line, so many empty lines away, and begin farther left."""
        below = self._lines[place + 1]
        if below.gap not in gaps or heading_of(below.words) or CUT.fullmatch(below.words):
            return False
        above = self._lines[place - 1] if place else None
        line = self._lines[place]
        is_first = above is None or line.gap > 0 or above.column <= line.column - FARTHER
        return is_first and self._words_at(place) <= line.column - FARTHER

    def _words_at(self, place: int) -> int:
        """The column of the first words below a line that are not in brackets; of the brackets where all are."""
        at = place + 1
        is_open = False
        for at in range(place + 1, min(place + 6, len(self._lines))):
            line = self._lines[at]
            if at > place + 1 and line.gap > 1:
                return self._lines[at - 1].column
            if not (line.words.startswith("(") or is_open) or (is_open and _closed(line.words)[1]):
                return line.column
            is_open = ")" not in line.words
        return self._lines[at].column

    def _is_apart(self, place: int) -> bool:
        """True where the lines below an empty line are indented further than the narration around them."""
        margin = next(
            (line.column for line in reversed(self._lines[: place + 1]) if heading_of(line.words)),
            min(line.column for line in self._lines),
        )
        return self._lines[place + 1].column > margin + FARTHER

    def _is_sign(self, place: int, names: Counter[str], usual: int) -> bool:
        """True if a name that comes but once, where no cues stand, over words in capitals is a sign to be read."""
        line, below = self._lines[place], self._lines[place + 1].words
        is_odd = names[bare_name(line.words)] == 1 and abs(line.column - usual) > FARTHER
        return is_odd and is_capital(below) and " " in below

    def _small(self, known: int) -> Iterator[int]:
        """Names that are not in capitals, set in as deep as a cue, more than once."""
        is_name = is_small_name if is_uncapped(line.words for line in self._lines) else is_title_case
        places = [
            place
            for place, line in enumerate(self._lines[:-1])
            if line.gap and is_name(line.words) and self._has_words(place, range(1)) and self._is_apart(place)
        ]
        names = Counter(bare_name(self._lines[place].words) for place in places)
        often = [place for place in places if names[bare_name(self._lines[place].words)] > 1]
        if len(often) > known or len(often) > FARTHER:
            yield from often


@dataclass
class _Reader:
    """Reads line by line, each by its form, its column, and what stands above it."""

    lines: Sequence[Line]
    cues: _Cues
    elements: list[Element] = field(default_factory=list)
    kind: Kind = "action"
    held: list[str] = field(default_factory=list)  # lines of the element that is being read
    margin: int = 0  # of what is told
    said: int = 0  # the column of the speech that is being read

    def read(self, place: int) -> int:
        """Reads the line at a place, and gives the place of the next."""
        line = self.lines[place]
        if place not in self.cues.places and self._is_heading(line):
            return self._heading(place)
        if place in self.cues.places:
            return self._cue(place)
        if CUT.fullmatch(line.words) and not (
            self.kind in _SPEECH and line.gap == 0 and line.column <= self.said + NEAR
        ):
            self._begin("transition", line.words)
        elif self._is_spoken(place):
            self._spoken(line)
        else:
            is_whole = self.kind == "action" and line.gap == 0
            self._go_on("action", line.words) if is_whole else self._begin("action", line.words)
            self.margin = line.column
        return place + 1

    def settle(self) -> None:
        """Ends the element that is being read."""
        if self.held:
            text = _one_line(self.held)
            if self.kind == "parenthetical":
                text = text.removeprefix("(").removesuffix(")")
            self.elements.append(Element(self.kind, text))
        self.held = []

    def _begin(self, kind: Kind, words: str) -> None:
        self.settle()
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
        in_words = self.kind in _SPEECH and line.gap == 0
        return is_capital(line.words) or not (in_words or self._is_in_speech(line, None))

    def _heading(self, place: int) -> int:
        self.settle()
        line, end = self.lines[place], place + 1
        while end < min(place + 3, len(self.lines)) and reads_on(
            line, self.lines[end], self.lines[end + 1] if end + 1 < len(self.lines) else None
        ):
            end += 1
        element = joined(line, self.lines[place + 1 : end])
        self.elements.append(element)
        self.margin = line.column + max(line.words.find(element.text[:4]), 0)
        self.kind = "heading"
        return end

    def _cue(self, place: int) -> int:
        line = self.lines[place]
        two = _TWO.fullmatch(line.words)
        if two and all(may_be_cue(name) for name in two.groups()):
            return self._two_cues(place, two)
        self._begin("character", cue_of(line.words))
        self.said = self.cues.said[place]
        return place + 1

    def _two_cues(self, place: int, two: re.Match[str]) -> int:
        """Two speeches side by side."""
        line, end = self.lines[place], place + 1
        right = line.column + two.start(2) - (line.column - self.cues.said[place])
        while end < len(self.lines) and self.lines[end].gap == 0:
            end += 1
        halves = [_halves(one, right) for one in self.lines[place + 1 : end]]
        for number, name in enumerate(two.groups()):
            self._begin("character", name.rstrip(": "))
            self.said = 0
            for half in halves:
                if half[number]:
                    self._spoken(Line(0, half[number], 0))
            self.settle()
            if number:
                start = max(at for at, one in enumerate(self.elements) if one.kind == "character")
                self.elements[start] = replace(self.elements[start], dual=True)
        self.kind = "action"
        return end

    def _is_spoken(self, place: int) -> bool:
        line = self.lines[place]
        if self.kind not in _SPEECH:
            return False
        if self.kind == "character" or self._is_open(line):
            return True
        if line.gap == 0:
            is_out = line.column <= self.said - FARTHER - NEAR and line.column <= self.margin + NEAR
            return not is_out
        return self._is_in_speech(line, self.cues.next_said(place))

    def _is_in_speech(self, line: Line, coming: int | None) -> bool:
        """True if a line below an empty one goes on in a speech: by its column, that nothing else has there."""
        if self.kind not in _SPEECH or self.said <= self.margin + FARTHER:
            return False
        is_here = abs(line.column - self.said) <= NEAR or (coming is not None and abs(line.column - coming) <= NEAR)
        is_aside = line.words.startswith("(") and line.column >= self.said - NEAR
        is_told = coming is not None and line.column < coming - FARTHER
        return (is_here or is_aside) and line.column > self.margin + FARTHER and not is_told

    def _is_open(self, line: Line) -> bool:
        """True if a line goes on with what was begun in brackets."""
        text = " ".join(self.held)
        is_below = line.gap == 0 or (line.gap < TURNED and line.column > self.margin + FARTHER)
        return self.kind == "parenthetical" and text.count("(") > text.count(")") and is_below

    def _spoken(self, line: Line) -> None:
        is_open = self._is_open(line)
        begins = line.words.startswith("(") and (line.words.endswith(")") or ")" not in line.words)
        aside, rest = _closed(line.words)
        if is_open and rest:
            self._go_on("parenthetical", aside)
            self._begin("dialogue", rest)
        elif is_open or (begins and self.kind == "parenthetical" and not self.held):
            self._go_on("parenthetical", line.words)
        elif begins:
            self._begin("parenthetical", line.words)
        else:
            self._go_on("dialogue", line.words)


def _closed(words: str) -> tuple[str, str]:
    """What stands up to the end of brackets, and what is said behind them."""
    aside, closes, rest = words.partition(")")
    return f"{aside}{closes}", rest.strip(" .") and rest.strip()


def _halves(line: Line, right: int) -> tuple[str, str]:
    """What stands left and right in a line of two columns."""
    raw = " " * line.column + line.words
    starts = [found.end() for found in re.finditer(r"(?:^|(?<=\S))\s{2,}(?=\S)", raw)] + [line.column]
    near = min(starts, key=lambda start: abs(start - right))
    if abs(near - right) > 8:  # noqa: PLR2004  # columns: an aside is set in
        return ("", line.words) if line.column >= right else (line.words, "")
    return raw[:near].strip(), raw[near:].strip()


def _one_line(lines: Sequence[str]) -> str:
    """Lines as one; a word that was parted at a hyphen keeps it."""
    return "".join(line if _PARTED.search(line) else f"{line} " for line in lines).rstrip()


def _title_lines(lines: Sequence[Line], cues: _Cues) -> int:
    """How many lines the title page has: none where nobody is named soon after the first one."""
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
    """The title page: its first line is the title."""
    if lines:
        first, *others = (" ".join(line.words.split()) for line in lines)
        notes = "".join(f"\nNotes: {line}" for line in others)
        yield Element("title", f"Title: {first.strip(chr(34))}{notes}")
