"""Breakdown of a script, for storyboards: its title page, and the speakers and length of each scene.

Lengths follow the convention of the film industry: eighths of a page of fifty-five lines, rounded up.
"""

from __future__ import annotations

import math
import re
import textwrap
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from rushes.errors import NothingFitsError
from rushes.screenplay.elements import SPOKEN, speaker_of, unstyled

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from rushes.screenplay.elements import Element

PAGE_LINES = 55
MAX_ACTION = 240  # characters; a paragraph of action is one line of Fountain
MAX_TITLE = 100  # characters of a chapter title
EIGHTHS = 8
# Columns of a formatted screenplay in 12-point Courier, ten characters to the inch.
ACTION, DIALOGUE, PARENTHETICAL, DUAL, DUAL_PARENTHETICAL = 60, 35, 25, 28, 22

_NUMBER = re.compile(r"\d+")
_BY = re.compile(r"(?:(?:screenplay|story|teleplay|script|written|adapted|and)\s+)*by\b", re.IGNORECASE)
_ON_PAGE = frozenset({"character", "action", "transition", "centered", "lyrics"})


@dataclass(frozen=True)
class Chapter:
    """A section of the script that has scenes: `Act One`. Outermost sections have level 1, those inside them 2."""

    level: int
    title: str


@dataclass(frozen=True)
class SceneBreakdown:
    """A scene as a storyboard needs it: number as printed, heading, first line of action, speakers and length.

    `chapters` are those that begin with it, the outermost first.
    """

    number: str
    heading: str
    action: str
    speakers: tuple[str, ...]
    eighths: int
    chapters: tuple[Chapter, ...] = ()


@dataclass(frozen=True)
class Breakdown:
    """Breakdown of a script: its title, byline and scenes. A title may have several lines."""

    title: tuple[str, ...]
    byline: str
    scenes: tuple[SceneBreakdown, ...]


def break_down(elements: Sequence[Element], path: Path) -> Breakdown:
    """Breaks down a script that was read from a file.

    Raises:
        NothingFitsError: No scene has a heading.
    """
    sections, scenes = _by_scene(elements)
    if not scenes:
        message = f"{path} has no scene heading: one starts with INT. or EXT. after an empty line, or with a full stop "
        raise NothingFitsError(message + "where it is another (.THE CAVE)")
    numbers = _numbers([scene[0].number for scene in scenes])
    chapters = _chapters(sections)
    breakdowns = [_scene(*one) for one in zip(numbers, scenes, chapters, strict=True)]
    page = title_values(elements)
    return Breakdown(tuple(page.get("title", [])) or (path.stem,), byline(page), tuple(breakdowns))


def title_values(elements: Sequence[Element]) -> dict[str, list[str]]:
    """Values of the title page by key in lower case, without emphasis."""
    values: dict[str, list[str]] = {}
    for line in (line for one in elements if one.kind == "title" for line in one.text.split("\n")):
        key, _, value = line.partition(": ")
        if text := _text(value):
            values.setdefault(key.casefold(), []).append(text)
    return values


def byline(page: dict[str, list[str]]) -> str:
    """`written by Ana and Bo`; empty if the title page names no author."""
    authors = [name for key in ("author", "authors", "written by") for name in page.get(key, [])]
    credit = " ".join(page.get("credit", [])) or "by"
    return f"{credit} {', '.join(authors)}" if authors else _credit(page.get("notes", []))


def _credit(lines: Sequence[str]) -> str:
    """The byline in a title page without keys: `by Ana` in one line, or `written by` above a name."""
    for line, below in pairwise([*lines, ""]):
        if (found := _BY.match(line)) and (below or found.end() < len(line)):
            return line if found.end() < len(line) else f"{line} {below}"
    return ""


def _by_scene(elements: Sequence[Element]) -> tuple[list[list[Element]], list[list[Element]]]:
    """Groups elements by scene.

    Returns:
        The sections that begin with each scene, and each scene from its heading on. Elements before the first heading,
        such as FADE IN:, belong to no scene.
    """
    sections: list[list[Element]] = []
    scenes: list[list[Element]] = []
    above: list[Element] = []
    for element in elements:
        if element.kind == "section" and _text(element.text):
            # A section that ends here before it had a scene is not a chapter.
            above = [section for section in above if section.depth < element.depth] + [element]
        elif element.kind == "heading" and _text(element.text):
            sections.append(above)
            scenes.append([element])
            above = []
        elif scenes:
            scenes[-1].append(element)
    return sections, scenes


def _chapters(sections: list[list[Element]]) -> list[tuple[Chapter, ...]]:
    """Chapters of each scene. Levels that no section of the script has are not counted."""
    levels = sorted({section.depth for above in sections for section in above})
    return [
        tuple(Chapter(levels.index(section.depth) + 1, _shortened(_text(section.text))) for section in above)
        for above in sections
    ]


def _shortened(title: str) -> str:
    return title if len(title) <= MAX_TITLE else f"{title[: MAX_TITLE - 1].rstrip()}\u2026"


def _scene(number: str, elements: Sequence[Element], chapters: tuple[Chapter, ...]) -> SceneBreakdown:
    heading, *inside = elements
    text = _text(heading.text)
    names = (speaker_of(_text(element.text)) for element in inside if element.kind == "character")
    speakers = tuple(dict.fromkeys(filter(None, names)))
    return SceneBreakdown(number, text, _first_action(inside), speakers, eighths_of(elements), chapters)


def eighths_of(elements: Sequence[Element]) -> int:
    """Length of a scene, from its heading on, in eighths of a page, rounded up."""
    # The heading has two empty lines above it.
    lines = 2 + height(_text(elements[0].text), ACTION) + _lines(elements[1:])
    return max(1, math.ceil(EIGHTHS * lines / PAGE_LINES))


def _first_action(inside: Sequence[Element]) -> str:
    lines = (_text(line) for one in inside if one.kind in {"action", "lyrics"} for line in one.text.split("\n"))
    first = next((line for line in lines if line and not (line.isupper() and line.endswith(":"))), "")
    return textwrap.shorten(first, MAX_ACTION, placeholder=" \u2026")


def _lines(inside: Sequence[Element]) -> int:
    """Number of lines that elements occupy on a page, with the empty one above each; a page break has none."""
    total = 0
    speeches = _speeches(inside)
    for place, speech in enumerate(speeches):
        below = speeches[place + 1] if place + 1 < len(speeches) else []
        # Two simultaneous speeches share lines, so the longer one counts.
        if _is_beside(below):
            total += 1 + max(_spoken(one, DUAL, DUAL_PARENTHETICAL) for one in (speech, below))
        elif not _is_beside(speech):
            is_spoken = speech[0].kind == "character"
            total += 1 + _spoken(speech, DIALOGUE, PARENTHETICAL) if is_spoken else _prose_lines(speech[0])
    return total


def _speeches(inside: Sequence[Element]) -> list[list[Element]]:
    """Groups of elements: each speech from its cue on, and every other element that prints."""
    groups: list[list[Element]] = []
    for element in inside:
        if element.kind in SPOKEN and groups:
            groups[-1].append(element)
        elif element.kind in _ON_PAGE:
            groups.append([element])
    return groups


def _is_beside(speech: Sequence[Element]) -> bool:
    return bool(speech) and speech[0].dual


def _prose_lines(element: Element) -> int:
    return 1 + sum(height(_text(line), ACTION) for line in element.text.split("\n"))


def _spoken(speech: Sequence[Element], width: int, parenthetical: int) -> int:
    """Number of lines of a speech: the cue, and its text in columns of these widths."""
    asides = sum(height(f"({_text(one.text)})", parenthetical) for one in speech if one.kind == "parenthetical")
    lines = (line for one in speech if one.kind == "dialogue" for line in one.text.split("\n"))
    return 1 + asides + sum(height(_text(line), width) for line in lines)


def height(text: str, width: int) -> int:
    """Number of lines of a text in a column of that many characters."""
    return max(1, len(textwrap.wrap(text, width)))


def _numbers(forced: list[str]) -> list[str]:
    """Scene numbers: those that the script gives, and the next free one for the other scenes."""
    numbers: list[str] = []
    taken, last = {number.upper() for number in forced}, 0
    for given in forced:
        if given:
            # Automatic numbers continue after a given one, such as 12A.
            found = _NUMBER.search(given)
            last = int(found[0][:9]) if found else last
        else:
            last = next(number for number in range(last + 1, last + len(forced) + 2) if str(number) not in taken)
        taken.add(given.upper() or str(last))
        numbers.append(given or str(last))
    return numbers


def _text(text: str) -> str:
    """A text without emphasis and unprintable characters, on one line."""
    return " ".join("".join(char if char.isprintable() else " " for char in unstyled(text)).split())


def pages(eighths: int) -> str:
    """A length in the notation of the film industry: `1 3/8`."""
    whole, rest = divmod(eighths, EIGHTHS)
    return " ".join(([str(whole)] if whole else []) + ([f"{rest}/8"] if rest or not whole else []))
