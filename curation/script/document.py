"""Document model of scripts, independent of file format: title, scenes in canonical Fountain, removed lines.

A scene is a heading and everything below it up to the next; text before the first heading is a scene without one.
What an audience neither sees nor hears is removed: notes, synopses, sections, scene numbers, the title page. Every
word of the file is in a scene, or is counted by the reason for its removal.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

from curation.errors import RefusedError
from curation.script.word_account import WordAccount, account
from rushes.screenplay.breakdown import title_values
from rushes.screenplay.elements import speaker_of
from rushes.screenplay.fountain import write
from rushes.screenplay_files.read_file import RE_ENCODED, read_source
from rushes.screenplay_files.text_encoding import EXPORT
from rushes.screenplay_files.typed.page_artifacts import MARKS, tidy

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rushes.screenplay.elements import Element

UNSEEN = "notes and synopses"
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
        return [speaker_of(one.text) or one.text for one in self.elements if one.kind == "character"]


@dataclass(frozen=True)
class Document:
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


def read_document(data: bytes, suffix: str) -> Document:
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
    source = read_source(data, suffix)
    if suffix != ".fdx" and "\n" not in source.text.strip("\n \t"):
        reason = "is a single line, not a script"
        raise RefusedError(reason, EXPORT)
    elements, marks = tidy(source.elements, paged=suffix == ".txt")
    first, *others = _groups(elements)
    unseen = sum(one.kind in {"note", "boneyard", "synopsis"} for one in elements)
    scenes = [Scene(number, group) for number, group in enumerate(others, 1)]
    is_scene = bool(first) and (not others or _plays(first))
    scenes[:0] = [Scene(0, first)] * is_scene
    found = source.found + marks + Counter({UNSEEN: unseen, ABOVE: 0 if is_scene else len(first)})
    title = " ".join(title_values(elements).get("title", []))
    return Document(title, scenes, +found, account(source, elements, scenes))


def _plays(group: Sequence[Element]) -> bool:
    """True if the text before the first heading is part of the story: it has a speaker or a full sentence.

    A title page has names, dates and addresses.
    """
    sentences = (one.text for one in group if one.kind == "action" and len(one.text) >= MIN_SENTENCE_CHARS)
    return any(one.kind == "character" for one in group) or any(map(_is_sentence, sentences))


def _is_sentence(text: str) -> bool:
    return text.rstrip("\"')\u201d").endswith((".", "!", "?", "\u2026")) and any(letter.islower() for letter in text)


def _groups(elements: Iterable[Element]) -> list[list[Element]]:
    """Elements before the first heading, then those of each scene."""
    groups: list[list[Element]] = [[]]
    for element in (replace(one, number="") for one in elements if one.kind in SEEN):
        if element.kind == "heading":
            groups.append([])
        groups[-1].append(element)
    return groups
