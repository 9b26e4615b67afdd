"""Where the words of a script's file are after it was read: in a scene, left out for a reason, or lost.

No reader may lose a word without saying so: what was lost is counted as it is found, by comparing the words of the file
with those of what was read, not by what a reader believes to have done.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rushes.screenplay.elements import Element

PAGES, HIDDEN, TITLE, NUMBERS = "marks of pages", "notes, synopses and sections", "title page", "scene numbers"
LABELS = "scene sc scène szene séquence séq seq sec secuencia bild escena scena сцена"
_UNSEEN = frozenset({"note", "boneyard", "synopsis", "section"})
_WORD = re.compile(r"[^\W_]+")
_KEYS = re.compile(r"^[^:\n]+:", re.MULTILINE)


class _Scene(Protocol):
    @property
    def elements(self) -> Sequence[Element]: ...


@dataclass(frozen=True)
class Source:
    """What a reader made of a file.

    Attributes:
        elements: What it read.
        found: Lines that it took out, counted by kind.
        text: The words that the file has.
        bare: The same without what belongs to its pages.
        notes: Remarks on the script that stand apart from it.
    """

    elements: list[Element]
    found: Counter[str]
    text: str
    bare: str
    notes: str = ""


@dataclass(frozen=True)
class WordAccount:
    """Counts of words: of a file, those left out by reason, and those that are nowhere."""

    total: int
    left_out: dict[str, int]
    lost: int


def words_of(texts: Iterable[str]) -> Counter[str]:
    """The words in texts, without regard to case."""
    return Counter(word.casefold() for text in texts for word in _WORD.findall(text))


def account(source: Source, tidied: Sequence[Element], scenes: Sequence[_Scene]) -> WordAccount:
    """Where the words of a file are.

    Args:
        source: What was read.
        tidied: The same without marks of pages.
        scenes: What is kept of it.
    """
    text = words_of([source.text])
    pages = (text - words_of([source.bare])) + (_told(source.elements) - _told(tidied))
    kept = words_of(one.text for scene in scenes for one in scene.elements)
    title = words_of(_KEYS.sub("", one.text) for one in tidied if one.kind == "title")
    # A number may stand at both sides of a heading, with a word that says what it is.
    numbers = words_of(f"{one.number} {one.number} {LABELS}" for one in tidied if one.number)
    hidden = _told(one for one in tidied if one.kind in _UNSEEN)
    above = _told(tidied) - kept - title - hidden
    reasons = {PAGES: pages, TITLE: title + above, NUMBERS: numbers, HIDDEN: hidden + words_of([source.notes])}
    rest, left_out = text + words_of([source.notes]) - kept, {}
    for reason, words in reasons.items():
        found = rest & words
        left_out[reason] = found.total()
        rest -= found
    return WordAccount(text.total() + words_of([source.notes]).total(), dict(+Counter(left_out)), rest.total())


def _told(elements: Iterable[Element]) -> Counter[str]:
    return words_of(one.text for one in elements)
