"""Puts typed rows on pages: columns, tabs, stars, tags, and page breaks."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import random
    from collections.abc import Sequence

    from benchmarks.typed_screenplays.style import Style

TAB = 8
STAR_COLUMN = 78
TAGGED = frozenset({"heading", "cue", "transition"})
SPOKEN = frozenset({"dialogue", "aside"})
WRAPPED = frozenset({"dialogue", "aside", "action"})
LOOSE = WRAPPED | {"cue"}


class Row(NamedTuple):
    """A typed line: its kind, its column right of the margin, and its text."""

    kind: str
    column: int
    text: str


EMPTY = Row("empty", 0, "")


def cased(text: str, case: str) -> str:
    """A text in a case: upper, lower, title, or as it is."""
    if case == "title":
        return text.title().replace("'S", "'s").replace("2Nd", "2nd")
    return text.upper() if case == "upper" else text.lower() if case == "lower" else text


class Typewriter:
    """Types rows page by page."""

    def __init__(self, style: Style, chance: random.Random) -> None:
        self.style, self.chance = style, chance
        self.shift = 0  # columns by which this page is moved

    def paged(self, rows: Sequence[Row]) -> list[str]:
        """The lines of all pages, with page furniture."""
        style = self.style
        moves = bool(style.pages or style.drift or style.alternate)
        lines: list[str] = []
        count, page, cue = 0, 1, ""
        for number, row in enumerate(rows):
            cue = row.text if row.kind == "cue" else cue
            if moves and count >= style.page_lines and not self._is_bound(rows, number):
                page, count = page + 1, 0
                lines += self._turned(page, rows, number, cue)
                if row is EMPTY:
                    continue
            if style.loose and row.kind in LOOSE and lines and lines[-1] and self.chance.random() < style.loose:
                lines.append(self._shown(EMPTY))
            lines.append(self._shown(row))
            count += 1
        return lines

    def _turned(self, page: int, rows: Sequence[Row], number: int, cue: str) -> list[str]:
        """The lines of a page break; moves the margin."""
        style = self.style
        is_parted = style.more and rows[number].kind in SPOKEN and rows[number - 1].kind in SPOKEN
        more = [self._shown(Row("mark", style.name, "(MORE)"))] if is_parted else []
        lines = [*more, *_turn(style, page)]
        self.shift = self.chance.randint(0, style.drift) if style.drift else style.alternate * (page % 2 == 0)
        if is_parted:
            name = cue.partition(" (")[0].rstrip(":")
            lines.append(self._shown(Row("mark", style.name, f"{name} (CONT'D)")))
        return lines

    def _is_bound(self, rows: Sequence[Row], number: int) -> bool:
        """True if a row must stay on the page of the one before it."""
        row, before = rows[number], rows[number - 1] if number else EMPTY
        is_under = before.kind in {"cue", "heading", "number"} or row.kind == "beside"
        if before.kind == "cue" and self.style.turn_below_name:
            return False
        in_speech = row.kind in SPOKEN and (not self.style.more or before.kind == "aside")
        return is_under or in_speech

    def _shown(self, row: Row) -> str:
        style = self.style
        if row is EMPTY:
            return style.blank or style.trailing
        moved = self.chance.randint(0, style.jitter) if style.jitter and row.kind != "heading" else 0
        blanks = max(0, style.margin + row.column + self.shift + moved)
        line = _indent(style.indent, blanks) + cased(row.text, "" if row.kind == "mark" else style.whole_case)
        if style.stars and self.chance.random() < style.stars:
            far = f"{line}{' ' * style.star_gap}*" if style.star_gap else f"{line:<{STAR_COLUMN}}*"
            line = f"{line}\t*" if style.indent == "tabs" else far
        if style.tags and row.kind in TAGGED:
            line = f"<b>{line}\n</b>"
        if style.rewrap and len(line) > style.rewrap and row.kind in WRAPPED:
            head, _, rest = line[: style.rewrap].rpartition(" ")
            line = f"{head}{style.trailing}\n{rest}{line[style.rewrap :]}"
        return line + style.trailing


def _indent(form: str, blanks: int) -> str:
    """The indentation of a line, in one of the forms of a style."""
    return {
        "blanks": " " * blanks,
        "tabs": "\t" * round(blanks / TAB),
        "mixed": "\t" * (blanks // TAB) + " " * (blanks % TAB),
        "nbsp": "\u00a0" * blanks,
        "entities": "&nbsp;" * blanks,
    }[form]


def _turn(style: Style, page: int) -> list[str]:
    """The lines between two pages."""
    wide, number = " " * 62, f"{page}."
    left = " " * max(0, style.margin - 6)
    return {
        "": [],
        "feed": [f"\f{wide}{number}", ""],
        "bare feed": ["", f"{page}", "\f"],
        "only feed": ["\f"],
        "number": ["", f"{wide}{number}", ""],
        "bare": ["", str(page), ""],
        "dashes": ["", f"{' ' * 34}- {page} -", ""],
        "of": ["", f"Page {page} of 112", ""],
        "revision": [f"\f     THE MILL     Blue Rev. 10/22/98{' ' * 24}{number}", ""],
        "title": ["", f"The Mill - Second Draft - 4/1/2003{' ' * 28}{page}", ""],
        "head": ["", f"        THE MILL - Rev. 3/12/99{number:>30}", ""],
        "continued": [
            "", f"{' ' * (style.margin + 48)}(CONTINUED)", f"\f{' ' * 40}WHITE - 2/13/04{' ' * 12}{number}",
            f"{left}{page}    CONTINUED:{' ' * 40}{page}", "",
        ],
        "continued flush": ["", "(CONTINUED)", f"\f{number}", "CONTINUED: (2)", ""],
        "continued head": ["", f"{' ' * 50}(CONTINUED)", "\f", f"CONTINUED:{' ' * 50}{number}", ""],
        "footer": [f"www.scripts.example{' ' * 20}The Mill{' ' * 20}{page}"],
        "stamp": ["", f"12/05/98  11:42 AM     THE MILL  -  PINK{' ' * 20}{number}", ""],
        "sheet": [
            "", f"{' ' * (style.margin + 40)}(CONTINUED)",
            f"\fTHE MILL - Final Shooting Script{' ' * 8}FULL BLUE 3/4/05{' ' * 8}{page}A.",
            "", f"{left}{page + 3}   CONTINUED: (2){' ' * 40}{page + 3}", "",
        ],
        "head apart": ["", "\fTHE MILL", "", "Blue Rev. 3/4/05", "", number, ""],
        "web": ["", f"THE MILL - Rev. 1/2/99{' ' * 20}{number}", "", ""],
    }[style.pages]  # fmt: skip
