"""Elements of a script, and their canonical form, which Fountain can express."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from itertools import dropwhile, groupby
from typing import TYPE_CHECKING, Literal

from rushes.screenplay.headings import opens_heading

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

Kind = Literal[
    "title", "heading", "action", "character", "parenthetical", "dialogue", "transition", "section", "synopsis", "note",
    "centered", "lyrics", "page_break", "boneyard",
]  # fmt: skip

MAX_DEPTH = 6  # maximum level of sections that every parser supports
HIDDEN = frozenset({"note", "boneyard"})  # do not print, and may occur within a line; here they follow their block
SPOKEN = frozenset({"parenthetical", "dialogue"})

_BREAKS = re.compile("\r\n?|[\x0b\x0c\x1c-\x1e\x85\u2028\u2029]")
# Includes the characters that screenplain uses for styles, and surrogates, which no file can contain.
_UNPRINTED = re.compile("[\0-\x08\x0e-\x1f\x7f-\x9f\ud800-\udfff\ue700-\ue706\ufeff]")
_BLANKS = re.compile(r"[^\S\n]")
TITLE_KEY = re.compile(
    r"(?:title|credit|authors?|written by|source|based on|notes?|(?:draft )?date|contact(?: info)?|copyright|revision"
    r"|version|draft|format|episode|series|language|font|header|footer|watermark) *:",
    re.IGNORECASE,
)
_KEY = re.compile(r"([^\s:][^:]*):(.*)")
TITLE_LINE = re.compile(r"[^\W\d_][^:\n]{0,40}:")  # with any key, known or not
_NUMBER = re.compile(r"[\w.-]+")
_EMPHASIS = re.compile(r"(\*{1,3}|_)(?=\S)([^*_\n]+)(?<=\S)\1")
_ESCAPED = {"\\*": "\ue000", "\\_": "\ue001"}  # private-use characters that replace escapes while emphasis is parsed
_EXTENSION = re.compile(r"\([^)]*\)?")
_ASIDE = re.compile(r"(?P<style>\*{1,3}|_|)\((?P<words>.*\S.*)\)(?P=style)")


@dataclass(frozen=True)
class Element:
    """One element of a script. Its text has no markup for its kind; emphasis within a line is kept as written.

    Lines of an action, dialogue, lyrics or note are separated by line feeds. The text of a cue is the name with its
    extension: `ANNA (V.O.)`. The text of a title page has `Key: value` in each line, with a key repeated for each of
    its values.

    Attributes:
        kind: Its kind.
        text: Its text; empty for a page break.
        dual: For a cue: spoken simultaneously with the speech before it.
        number: For a heading: the scene number, if the script gives one.
        depth: For a section: its level, 1 for the outermost.
    """

    kind: Kind
    text: str
    dual: bool = False
    number: str = ""
    depth: int = 0


def unstyled(text: str) -> str:
    """A text without emphasis; an escaped asterisk or underscore is a plain character."""
    for written, kept in _ESCAPED.items():
        text = text.replace(written, kept)
    for _ in range(3):  # bold, italic and underlined may be nested
        text = _EMPHASIS.sub(r"\2", text)
    for written, kept in _ESCAPED.items():
        text = text.replace(kept, written[1])
    return text


def speaker_of(cue: str) -> str:
    """Name in the text of a cue, without extensions such as `(V.O.)` and without emphasis; empty if there is none."""
    return " ".join(_EXTENSION.sub(" ", unstyled(cue)).split()).strip("*_ ")


def literal(text: str) -> str:
    """A text whose asterisks and underscores are plain characters, escaped if Fountain would read emphasis."""
    if unstyled(text) == text:
        return text
    return text.replace("*", "\\*").replace("_", "\\_")


def canonical(elements: Iterable[Element]) -> list[Element]:
    """Elements in the form that Fountain can express.

    Elements without text are left out; a cue without dialogue and dialogue without a cue become action; a title page is
    kept only at the beginning; a note moves behind the speech that it is in.
    """
    done: list[Element] = []
    speech: list[Element] = []
    hidden: list[Element] = []
    # A speech is collected until an element of another kind arrives, since notes inside it move behind it.
    for element in (clean for given in elements for clean in _CLEANERS[given.kind](given) if _is_whole(clean)):
        if speech and element.kind in SPOKEN:
            _add_to_speech(speech, element)
        elif speech and element.kind in HIDDEN:
            hidden.append(element)
        else:
            _end_speech(done, speech, hidden)
            if element.kind == "character":
                speech.append(element)
            elif element.kind != "title" or not done:
                done.append(_as_action(element) if element.kind in SPOKEN else element)
    _end_speech(done, speech, hidden)
    return done


def _add_to_speech(speech: list[Element], element: Element) -> None:
    if speech[-1].kind == element.kind == "dialogue":
        speech[-1] = replace(element, text=f"{speech[-1].text}\n{element.text}")
    else:
        speech.append(element)


def _end_speech(done: list[Element], speech: list[Element], hidden: list[Element]) -> None:
    """Appends a complete speech, then the notes that were in it."""
    # A cue without dialogue is action.
    if len(speech) == 1:
        done.append(_as_action(speech[0]))
    elif speech:
        done += [replace(speech[0], dual=speech[0].dual and _may_be_beside(done)), *speech[1:]]
    done += hidden
    speech.clear()
    hidden.clear()


def _may_be_beside(done: list[Element]) -> bool:
    """True if the previous element ends a speech that is not already dual."""
    before = dropwhile(lambda element: element.kind in HIDDEN, reversed(done))
    last = next(before, None)
    if last is None or last.kind not in SPOKEN:
        return False
    return not next(element for element in before if element.kind == "character").dual


def _as_action(element: Element) -> Element:
    lines = [line for line in element.text.split("\n") if line]
    return Element("action", f"({element.text})" if element.kind == "parenthetical" else "\n".join(lines))


# --- Text of each kind ---


def printed(text: str) -> str:
    """A text without unprintable characters, with line feeds and blanks as its only white space."""
    return _BLANKS.sub(" ", _UNPRINTED.sub("", _BREAKS.sub("\n", text).replace("\t", "    ")))


def _is_whole(element: Element) -> bool:
    return bool(element.text) or element.kind == "page_break"


def _lines(element: Element) -> list[str]:
    """Lines of a text, with the openings of notes and boneyards broken up."""
    text = re.sub(r"\[(?=\[)", "[ ", printed(element.text)).replace("/*", "/ *")
    return [line.strip() for line in text.split("\n")]


def _line(element: Element) -> str:
    return " ".join(filter(None, _lines(element)))


def _actions(element: Element) -> Iterator[Element]:
    """Splits an action at empty lines."""
    return (Element("action", "\n".join(run)) for filled, run in groupby(_lines(element), bool) if filled)


def _note(element: Element) -> Element:
    text = re.sub(r"\](?=\])", "] ", "\n".join(_lines(element)))
    return Element("note", text.lstrip("[ \n").rstrip("] \n"))


def _boneyard(element: Element) -> Element:
    """A boneyard keeps indentation, since its lines are not parsed."""
    text = printed(element.text).replace("*/", "* /")
    return Element("boneyard", "\n".join(line.rstrip() for line in text.split("\n")).strip())


def numbered(line: str, number: str = "") -> Element:
    """A heading; a number that is not given is parsed from the end of the line."""
    number = number if _NUMBER.fullmatch(number) else ""
    while not number and line.endswith("#"):
        start = line.rfind("#", 0, -1)
        inside = line[start + 1 : -1]
        is_number = bool(_NUMBER.fullmatch(inside)) or (inside.isspace())  # `# #` forces a heading without a number
        if start <= 0 or not line[:start].strip() or not is_number:
            break
        line, number = line[:start].rstrip(), inside.strip()
    return Element("heading", line, number=number)


def speech_of(lines: Iterable[str]) -> Iterator[Element]:
    """Dialogue and parentheticals in the lines below a cue. An empty line is kept between two lines of dialogue."""
    lines = (line.lstrip("~ ") if line else line for line in lines)
    for aside, run in groupby(lines, lambda line: bool(_ASIDE.fullmatch(line))):
        if aside:
            yield from map(_aside, run)
        elif text := "\n".join(run).strip("\n"):
            yield Element("dialogue", text)


def _aside(line: str) -> Element:
    """A parenthetical; emphasis around the brackets is moved inside them."""
    found = _ASIDE.fullmatch(line)
    assert found is not None  # noqa: S101 - checked by the callers
    return Element("parenthetical", f"{found['style']}{found['words'].strip()}{found['style']}")


def _heading(element: Element) -> Element:
    """A heading from its first letter or digit on, since Fountain cannot force one that begins otherwise."""
    found = numbered(_line(element), element.number)
    first = next((place for place, sign in enumerate(found.text) if sign.isalnum()), None)
    return Element("action", _line(element)) if first is None else replace(found, text=found.text[first:])


def title_page(lines: list[str]) -> list[Element]:
    """Title page in these lines, from the first key that only a title page has, without those that open a scene."""
    pairs: list[tuple[str, str]] = []
    for line in lines:
        match = None if line[:1] == " " else _KEY.match(line)
        if match:
            pairs.append((match[1].strip(), match[2].strip()))
        elif pairs:
            pairs.append((pairs[-1][0], line.strip()))
    known = (pair for pair in pairs if pair[1] and not opens_heading(f"{pair[0]}: {pair[1]}"))
    kept = dropwhile(lambda pair: not TITLE_KEY.match(f"{pair[0]}:"), known)
    text = "\n".join(f"{key}: {value}" for key, value in kept)
    return [Element("title", text)] if text else []


_CLEANERS: dict[Kind, Callable[[Element], Iterable[Element]]] = {
    "title": lambda element: title_page(_lines(element)),
    "heading": lambda element: [_heading(element)],
    "action": _actions,
    "character": lambda element: [Element("character", _line(element).rstrip("^ "), dual=element.dual)],
    "parenthetical": lambda element: [Element("parenthetical", _line(element))],
    "dialogue": lambda element: speech_of(_lines(element)),
    "transition": lambda element: [Element("transition", _line(element).rstrip("< "))],
    "section": lambda element: [Element("section", _line(element), depth=min(max(element.depth, 1), MAX_DEPTH))],
    "synopsis": lambda element: [Element("synopsis", _line(element))],
    "note": lambda element: [_note(element)],
    "centered": lambda element: [Element("centered", "\n".join(filter(None, _lines(element))))],
    "lyrics": lambda element: [Element("lyrics", "\n".join(filter(None, _lines(element))))],
    "page_break": lambda _: [Element("page_break", "")],
    "boneyard": lambda element: [_boneyard(element)],
}
