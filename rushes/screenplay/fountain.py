"""Parser and writer of Fountain, the plain-text format of scripts; the writer has one canonical form.

Syntax: fountain.io/syntax. Any text can be parsed, in time linear in its length. Written text is parsed back to the
same elements, here and by screenplain; `canonical` approximates elements that Fountain cannot express, such as a cue
without dialogue.
"""

from __future__ import annotations

import re
from collections import deque
from dataclasses import replace
from itertools import groupby
from typing import TYPE_CHECKING

from rushes.screenplay.elements import (
    HIDDEN,
    SPOKEN,
    TITLE_KEY,
    TITLE_LINE,
    Element,
    Kind,
    canonical,
    numbered,
    printed,
    speech_of,
    title_page,
    unstyled,
)
from rushes.screenplay.headings import is_plain_heading, opens_heading

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

__all__ = ["Element", "Kind", "canonical", "parse", "unstyled", "write"]

_BONEYARD, _NOTE = "\0", "\1"  # placeholders of removed parts; parsed text never contains them otherwise

_EMPTY_LINE = re.compile(r"\n *(?:\n|\Z)")
_BOLD_LINE = re.compile(r"(\*{1,3}|_)(?=\S)([^*_]+)(?<=\S)\1")


def parse(text: str) -> list[Element]:
    """Elements of a text, in canonical form. Trailing blanks are lost.

    A note that is not closed ends with its paragraph; a boneyard that is not closed is plain text.
    """
    # Boneyards and notes may span blocks, so placeholders replace them first.
    text, boneyards = _without_boneyards(printed(text))
    text, notes = _without_notes(text)
    hidden = {_BONEYARD: iter(boneyards), _NOTE: iter(notes)}
    lines = text.split("\n")
    start, head = _title_lines(lines)
    elements = [*title_page([_bare(line) for line in lines[start:head]]), *_taken_out(lines[:head], hidden)]
    for block in _blocks(lines[head:]):
        shown = [_shown(line) for line in block]
        elements += _read([new for new, line in zip(shown, block, strict=True) if new or not line])
        elements += _taken_out(block, hidden)
    return canonical(elements)


def write(elements: Iterable[Element]) -> str:
    """Canonical text of elements: `parse` returns their `canonical` form.

    A character that forces a kind is written only if the plain form would be parsed as another kind, and an empty line
    at the beginning only if the first block would be parsed as a title page.
    """
    blocks: list[list[str]] = []
    opening: list[str] | None = None  # the first block that prints
    titled = False
    for element in canonical(elements):
        titled = titled or element.kind == "title"
        if element.kind not in SPOKEN:
            blocks.append([])
            opening = blocks[-1] if opening is None and element.kind not in HIDDEN else opening
        blocks[-1].append(_WRITERS[element.kind](element))
    if not blocks:
        return ""
    head = "" if titled or not _like_a_title("\n".join(opening or blocks[0])) else "\n"
    return head + "\n\n".join("\n".join(block) for block in blocks) + "\n"


# --- Reading ---


def _title_lines(lines: list[str]) -> tuple[int, int]:
    """The first line of the title page and the one after its last; (0, 0) if there is none.

    It is at the beginning, after nothing but notes. Its first line may have any key, if a key that only a title page
    has follows. It ends at an empty line, or at a heading directly below it.
    """
    if not lines[0].strip():
        return 0, 0  # an empty first line means that there is no title page
    start = next((index for index, line in enumerate(lines) if _bare(line).strip()), len(lines))
    end = start
    while end < len(lines) and _bare(lines[end]).strip() and not (end > start and _opens_script(lines[end])):
        end += 1
    is_one = end > start and TITLE_LINE.match(lines[start]) and any(map(TITLE_KEY.match, lines[start:end]))
    return (start, end) if is_one else (0, 0)


def _opens_script(line: str) -> bool:
    return line[:1] not in {" ", ""} and _heading(line.strip()) is not None


def _without_boneyards(text: str) -> tuple[str, list[Element]]:
    kept, found, at = [], [], 0
    while (start := text.find("/*", at)) >= 0 and (end := text.find("*/", start + 2)) >= 0:
        kept += [text[at:start], _BONEYARD]
        found.append(Element("boneyard", text[start + 2 : end]))
        at = end + 2
    return "".join([*kept, text[at:]]), found


def _without_notes(text: str) -> tuple[str, list[Element]]:
    kept, found, at, close = [], [], 0, 0
    while (start := text.find("[[", at)) >= 0:
        if 0 <= close < start + 2:  # otherwise still valid: a text with many notes is searched once
            close = text.find("]]", start + 2)
        another = text.find("[[", start + 2)
        is_closed = close >= 0 and not 0 <= another < close
        paragraph = None if is_closed else _EMPTY_LINE.search(text, start)
        end = close if is_closed else paragraph.start() if paragraph else len(text)
        inside = text[start + 2 : end]
        kept += [text[at:start], _NOTE, _BONEYARD * inside.count(_BONEYARD)]
        found.append(Element("note", inside))
        at = end + 2 if is_closed else end
    return "".join([*kept, text[at:]]), found


def _taken_out(lines: list[str], hidden: dict[str, Iterator[Element]]) -> Iterator[Element]:
    return (next(hidden[sign]) for line in lines for sign in line if sign in hidden)


def _bare(line: str) -> str:
    """A line without placeholders."""
    return re.sub(" [\0\1]+(?= |$)", "", line).replace(_BONEYARD, "").replace(_NOTE, "")


def _shown(line: str) -> str:
    return _bare(line).strip()


def _blocks(lines: list[str]) -> Iterator[list[str]]:
    """Blocks of lines separated by empty ones.

    A line of two blanks continues a speech; a line that contains only a note does not end a block.
    """
    block: list[str] = []
    is_speech = False
    for line in lines:
        if line.replace(_BONEYARD, "").strip():
            is_speech = is_speech if block else _is_cue(_shown(line))
            block.append(line.strip())
        elif is_speech and len(block) > 1 and len(line) > 1 and _BONEYARD not in line:
            block.append("")
        else:
            yield from filter(None, (block, [line] if _BONEYARD in line else []))
            block, is_speech = [], False
    if block:
        yield block


def _read(lines: Iterable[str]) -> Iterator[Element]:
    """Elements of a block, in order."""
    rest = deque(lines)
    while rest:
        line = rest.popleft()
        opened = _heading(line) or _opened(line) or (None if rest else _transition(line))
        if opened is None and _is_cue(line) and any(speech_of(rest)):
            yield _cue(line)
            yield from speech_of(rest)
            return
        if opened is None:
            opened = Element("action", "\n".join(map(_unforced, [line, *_taken(rest, None)])))
        elif opened.kind in {"lyrics", "centered"}:
            run = [opened, *filter(None, map(_opened, _taken(rest, opened.kind)))]
            opened = replace(opened, text="\n".join(one.text for one in run))
        yield opened


def _taken(rest: deque[str], kind: Kind | None) -> Iterator[str]:
    """Removes and yields the following lines of the same kind; kind None is action."""
    while rest:
        opened = _opened(rest[0])
        if (opened and opened.kind) != kind:
            return
        yield rest.popleft()


def _heading(line: str) -> Element | None:
    # The specification forces a heading by a full stop before a letter or digit: `...` and `.(aside)` are not headings.
    if line[:1] == "." and line[1:2].isalnum():
        return numbered(line[1:].strip())
    emphasised = _BOLD_LINE.fullmatch(line)
    line = emphasised[2] if emphasised else line
    return numbered(line) if opens_heading(line) else None


def _transition(line: str) -> Element | None:
    is_one = line.endswith("TO:") and line[:-3].isupper() and line[0] != "!"
    return Element("transition", line) if is_one else None


def _opened(line: str) -> Element | None:
    """Element of a line whose first character determines its kind in any position."""
    sign, text = line[:1], line[1:].strip()
    if sign == "#":
        text = line.lstrip("#")
        return Element("section", text.strip(), depth=len(line) - len(text))
    if sign == "=":
        is_break = len(line) > 2 and not line.strip("=")  # noqa: PLR2004  # === and longer
        return Element("page_break", "") if is_break else Element("synopsis", text)
    if sign == ">":
        return Element("centered", text[:-1].strip()) if text.endswith("<") else Element("transition", text)
    return Element("lyrics", text) if sign == "~" else None


def _is_cue(line: str) -> bool:
    """True if a line above others is a cue. `FADE IN:` is not."""
    if line[:1] == "@":
        return bool(line[1:].strip())
    return line.partition("(")[0].isupper() and line[0] != "!" and not line.rstrip("^ ").endswith(":")


def _cue(line: str) -> Element:
    name = line.removeprefix("@")
    return Element("character", name.strip().rstrip("^ "), dual=name.endswith("^"))


def _unforced(line: str) -> str:
    return line[1:].strip() if line.startswith("!") else line


# --- Writing ---


def _each_line(text: str, before: str, after: str = "") -> str:
    return "\n".join(f"{before}{line}{after}" for line in text.split("\n"))


def _written_note(element: Element) -> str:
    """A note without empty lines, which screenplain does not support in notes."""
    return "[[" + "\n".join(line or "  " for line in element.text.split("\n")) + "]]"


def _written_transition(element: Element) -> str:
    return element.text if next(_read([element.text])) == element else f"> {element.text}"


def _spoken(element: Element) -> str:
    if element.kind == "parenthetical":
        return f"({element.text})"
    return "\n".join(line or "  " for line in element.text.split("\n"))


def _written_title(element: Element) -> str:
    """Title page with a single value beside its key, or several values below it."""
    pairs = [line.partition(": ")[::2] for line in element.text.split("\n")]
    groups = [(key, [value for _, value in run]) for key, run in groupby(pairs, lambda pair: pair[0])]
    return "\n".join(
        f"{key}: {values[0]}" if len(values) == 1 else "\n    ".join([f"{key}:", *values]) for key, values in groups
    )


def _written_heading(element: Element) -> str:
    mark = "" if is_plain_heading(element.text) else "."
    return f"{mark}{element.text} #{element.number}#" if element.number else f"{mark}{element.text}"


def _written_cue(element: Element) -> str:
    plain = next(_read([element.text, "Words."])) == replace(element, dual=False)
    return f"{'' if plain else '@'}{element.text}{' ^' if element.dual else ''}"


def _written_action(element: Element) -> str:
    """Action, with ! before each line that would be parsed as another kind."""
    first, *others = element.text.split("\n")
    guarded = [first, *(f"!{line}" if line[0] == "!" or _opened(line) else line for line in others)]
    # screenplain takes it for a cue even if it ends in a colon.
    is_cue = bool(others) and first.partition("(")[0].isupper()
    is_heading = first[:1] == "." and first[1:2] != "."  # for screenplain, whatever follows the full stop
    plain = not is_cue and not is_heading and list(_read(guarded)) == [element]
    return ("" if plain else "!") + "\n".join(guarded)


def _like_a_title(block: str) -> bool:
    """True if a text that starts with this block would be parsed with a title page, here or by screenplain."""
    key, colon, value = block.partition(":")
    titled = bool(TITLE_LINE.match(block)) and any(map(TITLE_KEY.match, block.split("\n")))
    return titled or bool(colon and key and "\n" not in key and value)


_WRITERS: dict[Kind, Callable[[Element], str]] = {
    "title": _written_title,
    "heading": _written_heading,
    "action": _written_action,
    "character": _written_cue,
    "parenthetical": _spoken,
    "dialogue": _spoken,
    "transition": _written_transition,
    "section": lambda element: f"{'#' * element.depth} {element.text}",
    "synopsis": lambda element: f"= {element.text}",
    "note": _written_note,
    "centered": lambda element: _each_line(element.text, "> ", " <"),
    "lyrics": lambda element: _each_line(element.text, "~"),
    "page_break": lambda _: "===",
    "boneyard": lambda element: f"/* {element.text} */",
}
