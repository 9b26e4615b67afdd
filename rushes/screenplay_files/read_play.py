"""Reads plays in Markdown, and in plain text as Project Gutenberg types them.

    # Hamlet                                       the title
    ## ACT I                                       a section; so is such a line without the marks
    ### SCENE I. Elsinore. A platform.             a heading: ELSINORE. A PLATFORM
    _Enter HAMLET_                                 action; also *...*
    **HAMLET**                                     a cue, with lines of verse below it that end in two blanks
    _[Aside]_                                      inside a speech: a parenthetical

In plain text a cue is a line `HAMLET.` above others, and acts and scenes have lines of their own. A speech that
continues after an entrance or exit repeats its cue: Fountain has no other way to attribute it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from itertools import groupby
from typing import TYPE_CHECKING

from rushes.screenplay.elements import Element, canonical

if TYPE_CHECKING:
    from collections.abc import Sequence

_PARAGRAPHS = re.compile(r"\n[ \t]*\n")
_ESCAPED = re.compile(r"\\([\\`*_{}\[\]()#+.!>~-])")
_CUE = re.compile(r"\*\*(?P<name>[^*]+?)[.:]?\*\*[.:]?")
_PLAIN_CUE = re.compile(r"(?P<name>[^\W\d_a-zß-ÿ][^\Wa-zß-ÿ]*(?:[ .,'\u2019&-]+[^\Wa-zß-ÿ]+)*)[.:]")
_PLAIN_HEADER = re.compile(r"(?:ACT|SCENE|PROLOGUE|EPILOGUE|INDUCTION)\b(?P<rest>.*)")
_ACT = re.compile(r"act\b(?!.*\bscene\b)", re.IGNORECASE)
_SCENE = re.compile(r"(?:act\s+\w+[.,:]?\s+)?scene\s+\w+\b[.,:\s-]*(?=\S)", re.IGNORECASE)
_DIRECTION = re.compile(r"_+(?:[^_]|_(?=\[))+_+|\*[^*]+\*")
_BRACKETED = re.compile(r"\[(?P<text>[^\]]*)\]")
_ENTERS = re.compile(r"(?:Enter|Re-?enter|Exit|Exeunt|Flourish|Alarum|Sennet|Trumpets?)\b")
_SPOKEN_ALONE = frozenset({"PROLOGUE", "EPILOGUE", "CHORUS"})


def is_play(text: str) -> bool:
    """True if a Markdown text is a play: it has a bold name alone on a line above text."""
    return bool(re.search(r"^\*\*[^*\n]+\*\*[ \t]*\n[ \t]*\S", text, re.MULTILINE))


def is_plain_play(text: str) -> bool:
    """True if a plain text is a play: it has scenes, and lines with a name in capitals and a full stop above text."""
    cue = rf"^{_PLAIN_CUE.pattern.replace('?P<name>', '?:')}[ \t]*\n[ \t]*\S"
    return bool(re.search(r"^(?:ACT|SCENE) [IVX\d]+\b", text, re.MULTILINE) and re.search(cue, text, re.MULTILINE))


def read_play(text: str) -> list[Element]:
    """Elements of a play."""
    reader = _Reader(is_markdown=is_play(text))
    for paragraph in _PARAGRAPHS.split(text):
        lines = [line.strip() for line in paragraph.split("\n") if line.strip()]
        if lines:
            reader.read(lines)
    return canonical(reader.elements)


@dataclass
class _Reader:
    """Reader by paragraphs, with the current title, speaker and act as state."""

    is_markdown: bool
    elements: list[Element] = field(default_factory=list)
    title: str = ""
    speaker: str = ""
    act: str = ""  # set until its first scene begins

    def read(self, lines: Sequence[str]) -> None:
        first, *rest = lines
        header = self._header(lines)
        cue = (_CUE if self.is_markdown else _PLAIN_CUE).fullmatch(first)
        if header is not None:
            self._open(header)
            if rest:
                self.read(rest)
        elif cue and (rest or self.is_markdown):
            self._begin()
            self.speaker = _name(cue["name"])
            self._speak(rest)
        elif (direction := self._direction(lines)) is not None:
            self._begin()
            self.elements.append(Element("action", direction))
        else:
            self._loose(lines)

    def _header(self, lines: Sequence[str]) -> str | None:
        if self.is_markdown and lines[0].startswith("#"):
            return lines[0].lstrip("#").strip()
        return lines[0] if len(lines) == 1 and _PLAIN_HEADER.match(lines[0]) else None

    def _open(self, header: str) -> None:
        """Opens a title, an act or a scene."""
        header = _plain(header).rstrip(" .")
        self.speaker = ""
        if self.elements and self.elements[-1].kind == "heading":  # an empty heading groups the scenes after it
            self.elements[-1] = Element("section", self.elements[-1].text, depth=1)
        if self.is_markdown and not self.elements:
            self.title = header
            self.elements.append(Element("title", f"Title: {header}"))
        elif _ACT.match(header):
            self.act = header
            self.elements.append(Element("section", header, depth=1))
        else:
            self.act = ""
            self.elements.append(Element("heading", _SCENE.sub("", header, count=1).upper()))

    def _begin(self) -> None:
        """Turns an act without scenes into a scene of its own."""
        if self.act:
            self.elements.append(Element("heading", self.act.upper()))
            self.act = ""

    def _direction(self, lines: Sequence[str]) -> str | None:
        """Text of a paragraph of stage directions; None if it is not one."""
        text = _ESCAPED.sub(r"\1", " ".join(lines))
        if _DIRECTION.fullmatch(text.strip("[] ")) or _BRACKETED.fullmatch(text):
            return _unmarked(text)
        return _unmarked(text) if not self.is_markdown and _ENTERS.match(text) else None

    def _loose(self, lines: Sequence[str]) -> None:
        """Handles other text: the continuation of a speech or a heading, or plain action."""
        last = self.elements[-1] if self.elements else None
        if " ".join(lines).casefold() == self.title.casefold():
            return  # a running head
        if last is not None and last.kind == "heading" and lines[0][:1].islower():
            self.elements[-1] = Element("heading", f"{last.text} {_plain(' '.join(lines)).rstrip('.').upper()}")
            return
        self._begin()
        if last is not None and last.kind == "heading" and last.text.partition(".")[0] in _SPOKEN_ALONE:
            self.speaker = last.text.partition(".")[0]
        if self.speaker:
            self._speak(lines)
        else:
            self.elements.append(Element("action", _plain(" ".join(lines))))

    def _speak(self, lines: Sequence[str]) -> None:
        if not lines:
            return  # the speech is in the next paragraph
        self.elements.append(Element("character", self.speaker))
        for aside, run in groupby(lines, _is_aside):
            texts = [_plain(line) for line in run]
            if aside:
                self.elements += [Element("parenthetical", text.rstrip(".")) for text in texts]
            else:
                self.elements.append(Element("dialogue", "\n".join(texts)))


def _is_aside(line: str) -> bool:
    return bool(_BRACKETED.fullmatch(_ESCAPED.sub(r"\1", line).strip("_* ")))


def _name(text: str) -> str:
    return " ".join(_plain(text).upper().split()).rstrip(".:")


def _plain(text: str) -> str:
    return _unmarked(_ESCAPED.sub(r"\1", text))


def _unmarked(text: str) -> str:
    """Text without emphasis, and without editorial brackets."""
    return re.sub(r" (?=[,.;:?!])", "", " ".join(re.sub(r"[_*\[\]]+", "", text).split()))
