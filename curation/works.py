"""A work as its file tells it, whatever its format: its title, its scenes in canonical Fountain, what was taken out.

    .fountain .spmd   Fountain
    .fdx              Final Draft
    .md               a play in Markdown, else Fountain
    .txt              a screenplay in columns, a play in plain text, else Fountain

A scene is a heading and all that stands under it up to the next. What no audience hears or sees goes: notes, synopses,
sections, scene numbers, and what comes before the first heading.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

from curation.decoding import EXPORT, decode
from curation.page_marks import MARKS, tidy, without_page_marks
from curation.pictures import RefusedError
from curation.read_fdx import read_fdx
from curation.read_play import is_plain_play, is_play, read_play
from curation.read_screenplay import is_indented, read_screenplay
from rushes.elements import unstyled
from rushes.fountain import parse, write

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rushes.elements import Element

SUFFIXES = frozenset({".fountain", ".spmd", ".fdx", ".txt", ".md"})
FOUNTAIN = frozenset({".fountain", ".spmd"})
MENDED, UNSEEN = "lines in another encoding", "notes and synopses"
ABOVE = "speeches before the first heading"
TAKEN_OUT = (*MARKS, MENDED, UNSEEN, ABOVE)
SEEN = frozenset({"heading", "action", "character", "parenthetical", "dialogue", "transition", "lyrics", "centered"})


@dataclass(frozen=True)
class Scene:
    """One scene: its number in its work from 1, or 0 where the work has no heading at all; and what is in it."""

    number: int
    elements: Sequence[Element]

    @property
    def heading(self) -> str:
        """Where it plays; empty for what stands under no heading."""
        return self.elements[0].text if self.elements[0].kind == "heading" else ""

    @cached_property
    def text(self) -> str:
        """Itself in canonical Fountain."""
        return write(self.elements)

    @cached_property
    def words(self) -> str:
        """What is done and said in it, without who says it and where."""
        return "\n".join(one.text for one in self.elements if one.kind not in {"heading", "character", "transition"})

    @cached_property
    def cues(self) -> list[str]:
        """Who speaks, speech by speech, without what a cue says beside the name."""
        return [speaker_of(one.text) for one in self.elements if one.kind == "character"]


@dataclass(frozen=True)
class Work:
    """A script or a play: its title as it says it itself, its scenes, and what was taken out, counted by kind."""

    title: str
    scenes: list[Scene]
    taken_out: Counter[str]

    @property
    def headings(self) -> int:
        """Scenes that have one."""
        return sum(bool(scene.number) for scene in self.scenes)

    @property
    def cues(self) -> list[str]:
        """Who speaks, speech by speech."""
        return [name for scene in self.scenes for name in scene.cues]


def read_work(data: bytes, suffix: str) -> Work:
    """Reads a work.

    Args:
        data: Its file.
        suffix: That of the file's name, in small letters.

    Raises:
        RefusedError: It cannot be read, and why.
    """
    if not data.strip():
        reason = "is empty"
        raise RefusedError(reason, EXPORT)
    elements, found = (read_fdx(data), Counter[str]()) if suffix == ".fdx" else _from_text(data, suffix)
    elements, marks = tidy(elements)
    first, *others = _groups(elements)
    unseen = sum(one.kind in {"note", "boneyard", "synopsis"} for one in elements)
    above = sum(one.kind == "character" for one in first) if others else 0
    scenes = [Scene(number, group) for number, group in enumerate(others, 1)]
    found += marks + Counter({UNSEEN: unseen, ABOVE: above})
    return Work(_title(elements), scenes or [Scene(0, first)] * bool(first), +found)


def speaker_of(cue: str) -> str:
    """The name in a cue, without `(V.O.)` and the like."""
    return cue.partition("(")[0].strip() or cue


def _from_text(data: bytes, suffix: str) -> tuple[list[Element], Counter[str]]:
    decoded = decode(data)
    lines = re.sub(r"\r\n?", "\n", decoded.text.strip()).split("\n")
    if len(lines) == 1:
        reason = "is one line, and no script"
        raise RefusedError(reason, EXPORT)
    text, found = without_page_marks(lines)
    return _read(text, suffix), found + Counter({MENDED: decoded.mended})


def _read(text: str, suffix: str) -> list[Element]:
    if suffix in FOUNTAIN:
        return parse(text)
    if is_play(text) or (is_plain_play(text) and not is_indented(text)):
        return read_play(text)
    return read_screenplay(text) if is_indented(text) else parse(text)


def _title(elements: Iterable[Element]) -> str:
    lines = (line for one in elements if one.kind == "title" for line in one.text.split("\n"))
    values = (line.partition(":")[2] for line in lines if line.casefold().startswith("title:"))
    return " ".join(unstyled(value).strip() for value in values)


def _groups(elements: Iterable[Element]) -> list[list[Element]]:
    """What stands before the first heading, then scene by scene."""
    groups: list[list[Element]] = [[]]
    for element in (replace(one, number="") for one in elements if one.kind in SEEN):
        if element.kind == "heading":
            groups.append([])
        groups[-1].append(element)
    return groups
