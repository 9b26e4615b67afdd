"""Types a story in a style, and records it."""

from __future__ import annotations

import random
import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from benchmarks.typed_screenplays.pages import EMPTY, Row, Typewriter, cased
from benchmarks.typed_screenplays.story import SELDOM, Line, Place, Speech, speech_of, story

if TYPE_CHECKING:
    from benchmarks.typed_screenplays.story import Event
    from benchmarks.typed_screenplays.style import Style

LONG_PLACE = "{where}, BEHIND THE GREAT WHEEL OF THE MILL BY THE RIVER"
OFTEN_BESIDE = 0.4  # of the pairs of speeches are dual dialogue
ACTS = ("ONE", "TWO", "THREE", "FOUR")
SCENES_OF_AN_ACT = 4
NUMBER_COLUMNS = 6  # left of the margin, if there is room
BESIDE_COLUMNS, BESIDE_WIDTH, BESIDE_NAME = 30, 24, 8  # of dual dialogue
SHOTS = ("A) Anna runs up the stairs.", "B) Mark at the wheel.", "C) The tin, empty.")


class Truth(NamedTuple):
    """The contents of a typed screenplay, in order."""

    headings: list[str]
    cues: list[str]
    speeches: list[str]


@dataclass(frozen=True)
class Typed:
    """A file's bytes, and its contents."""

    data: bytes
    truth: Truth


def typed(style: Style, seed: int, scenes: int = 10) -> Typed:
    """A story in a style; the same seed gives the same bytes."""
    return _Typist(style, random.Random(seed)).typed(scenes)  # noqa: S311 - not a secret


class _Typist:
    """Types event by event."""

    def __init__(self, style: Style, chance: random.Random) -> None:
        self.style, self.chance = style, chance
        self.rows: list[Row] = []
        self.truth = Truth([], [], [])
        self.scene = 0

    def typed(self, scenes: int) -> Typed:
        style = self.style
        if style.acts:
            self._block(1, [Row("act", 26, "TEASER")])
        if style.opening:
            self._line(Line("action", "Darkness. The sound of water, and of a wheel that turns."))
            self._speech(speech_of(self.chance, style.words, ""))
        self._events(story(self.chance, style.words, scenes))
        self._block(2, [Row("action", 26, "THE END")])
        lines = [*style.front, *Typewriter(style, self.chance).paged(self.rows)]
        text = style.newline.join(lines) + style.newline
        return Typed(text.encode(style.encoding, "replace"), self.truth)

    def _events(self, events: list[Event]) -> None:
        waiting = list(events)
        while waiting:
            event = waiting.pop(0)
            if isinstance(event, Place):
                self._place(event)
            elif isinstance(event, Line):
                self._line(event)
            elif self.style.dual and waiting and isinstance(waiting[0], Speech) and self.chance.random() < OFTEN_BESIDE:
                self._beside(event, waiting.pop(0))  # type: ignore[arg-type]  # checked to be a speech above
            else:
                self._speech(event)

    def _block(self, gap: int, rows: list[Row], between: int = 0) -> None:
        self.rows += [EMPTY] * gap
        for number, row in enumerate(rows):
            self.rows += [EMPTY] * (max(between, self.style.between) if number else 0)
            self.rows.append(row)

    def _wrapped(self, kind: str, column: int, text: str, width: int) -> list[Row]:
        lines = textwrap.wrap(text, width, break_on_hyphens=True) if self.style.wrap else [text]
        first = self.style.first if kind != "aside" else 0
        return [Row(kind, column if number else column + first, line) for number, line in enumerate(lines)]

    def _place(self, event: Place) -> None:
        style = self.style
        self.scene += 1
        self._between_scenes()
        where = LONG_PLACE.format(where=event.where) if style.broken else event.where
        text = cased(style.heading.format(inside=event.inside, where=where, time=event.time), style.heading_case)
        self.truth.headings.append(" ".join(cased(text, style.whole_case).split()))
        number = f"{self.scene}{self.chance.choice(('', '', '', 'A', 'B'))}"
        left, far = (form.format(n=number, m=self.scene + 1) for form in (style.left, style.far))
        if style.apart_number:
            self._block(style.over, [Row("number", 0, left)])
            self._block(1, [Row("heading", 0, text)])
            self._block(1, [Row("number", 0, far)] if far else [])
            return
        rows = self._heading(textwrap.wrap(text, 55) if style.broken else [text], left, far)
        self.rows += [EMPTY] * style.over + rows
        if style.underline:
            self.rows.append(Row("action", rows[-1].column, style.underline * len(rows[-1].text)))
        if style.under_heading:
            self._block(0, [Row("action", 0, style.under_heading)])

    def _between_scenes(self) -> None:
        style = self.style
        act, rest = divmod(self.scene, SCENES_OF_AN_ACT)
        if style.acts and not rest:
            self._block(2, [Row("act", 22, f"END OF ACT {ACTS[(act - 2) % 4]}" if act > 1 else "END OF TEASER")])
            self._block(2, [Row("act", 24, f"ACT {ACTS[(act - 1) % 4]}")])
        if style.omitted and rest == SCENES_OF_AN_ACT // 2:
            label = f"{self.scene}A-{self.scene}C"
            column = -NUMBER_COLUMNS if style.margin > NUMBER_COLUMNS else 0
            self._block(2, [Row("omitted", column, f"{label}   OMITTED{' ' * 40}{label}")])

    def _heading(self, lines: list[str], left: str, far: str) -> list[Row]:
        """The rows of a heading with its numbers."""
        style = self.style
        has_room = style.margin > NUMBER_COLUMNS and not style.number_gap
        gap = " " * (style.number_gap or 2)
        column = 0
        if left and has_room:
            column = -NUMBER_COLUMNS
            left = f"{left:<{NUMBER_COLUMNS}}" if len(left) < NUMBER_COLUMNS else f"{left} "
        elif left:
            left = f"{left}{gap}"
        first = f"{left}{lines[0]}"
        rows = [Row("heading", column, first), *(Row("heading", column + len(left), line) for line in lines[1:])]
        if far:
            last = rows[-1].text
            last = f"{last}{gap}{far}" if style.number_gap else f"{last:<{style.width + 6}}  {far}"
            rows[-1] = rows[-1]._replace(text=last)
        if style.strong and len(rows) == 1:
            rows = [rows[0]._replace(text=f"**{rows[0].text}**")]
        return rows

    def _line(self, event: Line) -> None:
        style = self.style
        if event.kind == "transition":
            column = style.right - len(event.text) if style.centred else style.right
            self._block(style.paragraph, [Row("transition", max(0, column), event.text)])
            return
        text = style.brackets.format(text=event.text.upper() if style.shout else event.text)
        self._block(style.paragraph, self._wrapped("action", 0, text, style.width))
        if style.montage and self.chance.random() < SELDOM:
            for shot in ("SERIES OF SHOTS:", *SHOTS):
                self._block(style.paragraph, [Row("action", 0, shot)])

    def _cue(self, speech: Speech) -> str:
        name = cased(speech.name, self.style.cue_case)
        text = self.style.cue.format(name=name, extension=speech.extension, n=len(self.truth.cues))
        return text.replace(" :", ":").replace(" .", ".").replace(" ,", ",").strip()

    def _words_of(self, speech: Speech) -> str:
        with_asides = self.style.inline or self.style.aside_inline
        return " ".join(part for part in speech.parts if with_asides or not part.startswith("("))

    def _speech(self, speech: Speech) -> None:
        style = self.style
        self.truth.cues.append(speech.name)
        self.truth.speeches.append(cased(self._words_of(speech), style.whole_case))
        cue = self._cue(speech)
        if style.hang:
            lines = textwrap.wrap(" ".join(speech.parts), style.width - style.hang)
            head = f"{cue:<{style.hang - 1}} {lines[0]}"
            self._block(
                style.above, [Row("dialogue", 0, head), *(Row("dialogue", style.hang, line) for line in lines[1:])]
            )
            return
        if style.inline:
            self._block(style.above, self._wrapped("dialogue", 0, f"{cue} {' '.join(speech.parts)}", style.width))
            return
        body: list[Row] = []
        for part in [" ".join(speech.parts)] if style.aside_inline else speech.parts:
            is_aside = part.startswith("(") and not style.aside_inline
            where, width = (style.aside, style.aside_width) if is_aside else (style.dialogue, style.dialogue_width)
            body += self._wrapped("aside" if is_aside else "dialogue", where, part, width)
        column = style.name - len(cue) // 2 if style.centred else style.name
        self._block(style.above, [Row("cue", column, cue)])
        if style.centred_words:
            body = [row._replace(column=max(0, style.name - len(row.text) // 2)) for row in body]
        self._block(style.gap or style.between, body, style.spread)

    def _beside(self, left: Speech, right: Speech) -> None:
        """Rows of dual dialogue."""
        columns = []
        for speech in (left, right):
            self.truth.cues.append(speech.name)
            self.truth.speeches.append(self._words_of(speech))
            lines = [" " * BESIDE_NAME + speech.name]
            for part in speech.parts:
                indent = "    " if part.startswith("(") else ""
                lines += textwrap.wrap(part, BESIDE_WIDTH, initial_indent=indent, subsequent_indent=indent)
            columns.append(lines)
        height = max(map(len, columns))
        one, two = ([*lines, *[""] * (height - len(lines))] for lines in columns)
        rows = [Row("beside", 2, f"{a:<{BESIDE_COLUMNS}}{b}".rstrip()) for a, b in zip(one, two, strict=True)]
        self._block(self.style.above, rows)
