"""Document model of scripts, independent of file format: title, scenes in canonical Fountain, removed lines.

    .fountain .spmd   Fountain
    .fdx              Final Draft
    .md               a play in Markdown, else Fountain
    .txt              a screenplay in columns, a play in plain text, else one without columns, or Fountain

A scene is a heading and everything below it up to the next; text before the first heading is a scene without one.
What an audience neither sees nor hears is removed: notes, synopses, sections, scene numbers, the title page. Every
word of the file is in a scene, or is counted by the reason for its removal.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

from curation.errors import RefusedError
from curation.script.word_account import Source, WordAccount, account
from rushes.screenplay.elements import unstyled
from rushes.screenplay.fountain import parse, write
from rushes.screenplay.read_columns import is_indented, read_screenplay
from rushes.screenplay.read_fdx import fdx_text, read_fdx
from rushes.screenplay.read_play import is_plain_play, is_play, read_play
from rushes.screenplay.text_encoding import EXPORT, decode
from rushes.screenplay.typed.flush_text import as_fountain
from rushes.screenplay.typed.lines import without_markup
from rushes.screenplay.typed.page_artifacts import MARKS, tidy, without_page_marks

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rushes.screenplay.elements import Element

SUFFIXES = frozenset({".fountain", ".spmd", ".fdx", ".txt", ".md"})
FOUNTAIN = frozenset({".fountain", ".spmd"})
RE_ENCODED, UNSEEN = "lines in another encoding", "notes and synopses"
ABOVE = "paragraphs of a title page"
TAKEN_OUT = (*MARKS, RE_ENCODED, UNSEEN, ABOVE)
MIN_SENTENCE_CHARS = 40
SEEN = frozenset({"heading", "action", "character", "parenthetical", "dialogue", "transition", "lyrics", "centered"})


@dataclass(frozen=True)
class Scene:
    """One scene: its number in the document from 1, or 0 for text without a heading; and its elements."""

    number: int
    elements: Sequence[Element]

    @property
    def heading(self) -> str:
        """The slugline; empty for text without a heading."""
        return self.elements[0].text if self.elements[0].kind == "heading" else ""

    @cached_property
    def text(self) -> str:
        """The scene in canonical Fountain."""
        return write(self.elements)

    @cached_property
    def words(self) -> str:
        """Action and dialogue, without speakers and sluglines."""
        return "\n".join(one.text for one in self.elements if one.kind not in {"heading", "character", "transition"})

    @cached_property
    def cues(self) -> list[str]:
        """Speakers, one a speech, without extensions such as (V.O.)."""
        return [speaker_of(one.text) for one in self.elements if one.kind == "character"]


@dataclass(frozen=True)
class Work:
    """A script or a play.

    Attributes:
        title: From its own title page.
        scenes: In order.
        taken_out: Lines and elements that are in no scene, counted by kind.
        words: Account of the words of the file.
    """

    title: str
    scenes: list[Scene]
    taken_out: Counter[str]
    words: WordAccount

    @property
    def headings(self) -> int:
        """Number of scenes that have a heading."""
        return sum(bool(scene.number) for scene in self.scenes)

    @property
    def cues(self) -> list[str]:
        """Speakers, one a speech."""
        return [name for scene in self.scenes for name in scene.cues]


def read_work(data: bytes, suffix: str) -> Work:
    """Reads a document.

    Args:
        data: Content of its file.
        suffix: Suffix of the file's name, in lower case.

    Raises:
        RefusedError: It cannot be read; gives the reason.
    """
    if not data.strip():
        reason = "is empty"
        raise RefusedError(reason, EXPORT)
    source = _from_fdx(data) if suffix == ".fdx" else _from_text(data, suffix)
    elements, marks = tidy(source.elements, paged=suffix == ".txt")
    first, *others = _groups(elements)
    unseen = sum(one.kind in {"note", "boneyard", "synopsis"} for one in elements)
    scenes = [Scene(number, group) for number, group in enumerate(others, 1)]
    is_scene = bool(first) and (not others or _plays(first))
    scenes[:0] = [Scene(0, first)] * is_scene
    found = source.found + marks + Counter({UNSEEN: unseen, ABOVE: 0 if is_scene else len(first)})
    return Work(_title(elements), scenes, +found, account(source, elements, scenes))


def _plays(group: Sequence[Element]) -> bool:
    """True if the text before the first heading is part of the story: it has a speaker or a full sentence.

    A title page has names, dates and addresses.
    """
    sentences = (one.text for one in group if one.kind == "action" and len(one.text) >= MIN_SENTENCE_CHARS)
    return any(one.kind == "character" for one in group) or any(map(_is_sentence, sentences))


def _is_sentence(text: str) -> bool:
    return text.rstrip("\"')\u201d").endswith((".", "!", "?", "\u2026")) and any(letter.islower() for letter in text)


def speaker_of(cue: str) -> str:
    """Name in a cue, without extensions such as `(V.O.)` and without emphasis."""
    return unstyled(cue.partition("(")[0]).strip(" *_") or cue


def _from_fdx(data: bytes) -> Source:
    elements, fixed = read_fdx(data)
    text, notes = fdx_text(data)
    return Source(elements, Counter({RE_ENCODED: fixed}), text, text, notes)


def _from_text(data: bytes, suffix: str) -> Source:
    decoded = decode(data)
    text = re.sub(r"\r\n?", "\n", decoded.text).strip("\n \t")
    text = text if suffix in FOUNTAIN else without_markup(_from_first_line(decoded.text))
    if "\n" not in text:
        reason = "is a single line, not a script"
        raise RefusedError(reason, EXPORT)
    # Fountain has no pages, so none of its lines is a page mark.
    bare, found = (text, Counter[str]()) if suffix in FOUNTAIN else without_page_marks(text.split("\n"))
    return Source(_read(bare, suffix), found + Counter({RE_ENCODED: decoded.repaired}), text, bare)


def _from_first_line(text: str) -> str:
    """Text from its first non-empty line, whose indentation is kept."""
    return re.sub(r"\A(?:[^\S\n]*\n)+", "", re.sub(r"\r\n?", "\n", text)).rstrip()


def _read(text: str, suffix: str) -> list[Element]:
    if suffix in FOUNTAIN:
        return parse(text)
    indented = is_indented(text)
    if is_play(text) or (is_plain_play(text) and not indented):
        return read_play(text)
    return read_screenplay(text) if indented else parse(as_fountain(text))


def _title(elements: Iterable[Element]) -> str:
    lines = (line for one in elements if one.kind == "title" for line in one.text.split("\n"))
    values = (line.partition(":")[2] for line in lines if line.casefold().startswith("title:"))
    return " ".join(unstyled(value).strip() for value in values)


def _groups(elements: Iterable[Element]) -> list[list[Element]]:
    """Elements before the first heading, then those of each scene."""
    groups: list[list[Element]] = [[]]
    for element in (replace(one, number="") for one in elements if one.kind in SEEN):
        if element.kind == "heading":
            groups.append([])
        groups[-1].append(element)
    return groups
