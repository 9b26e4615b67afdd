"""Account of the words of a script's file after reading: in a scene, left out for a reason, or lost.

No reader may lose words silently: losses are counted by comparing the words of the file with those of the result, not
by what a reader reports of itself.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rushes.screenplay.elements import Element
    from rushes.screenplay_files.read_file import Source

PAGES, HIDDEN, TITLE, NUMBERS = "marks of pages", "notes, synopses and sections", "title page", "scene numbers"
LABELS = (
    "scene sc scène scen scena scéna szene séquence séq seq sec secuencia bild escena cena obraz sahne kohtaus jelenet"
    " сцена"
)
_UNSEEN = frozenset({"note", "boneyard", "synopsis", "section"})
_WORD = re.compile(r"[^\W_]+")
_KEYS = re.compile(r"^[^:\n]+:", re.MULTILINE)


class _Scene(Protocol):
    @property
    def elements(self) -> Sequence[Element]: ...


@dataclass(frozen=True)
class WordAccount:
    """Counts of words: of a file, those left out by reason, and those lost."""

    total: int
    left_out: dict[str, int]
    lost: int


def words_of(texts: Iterable[str]) -> Counter[str]:
    """Counts of the words in texts, case-insensitive."""
    spelt: Counter[str] = Counter()
    for text in texts:
        spelt.update(_WORD.findall(text))
    # Folded once each, which is several times as fast as at every place.
    folded: Counter[str] = Counter()
    for word, count in spelt.items():
        folded[word.casefold()] += count
    return folded


def account(source: Source, tidied: Sequence[Element], scenes: Sequence[_Scene]) -> WordAccount:
    """Accounts for the words of a file.

    Args:
        source: Result of reading it.
        tidied: Its elements without page marks.
        scenes: The scenes that are kept.
    """
    # Multiset differences: words that disappear between two steps are attributed to that step.
    text = words_of([source.text])
    pages = (text - words_of([source.bare])) + (_words_in(source.elements) - _words_in(tidied))
    kept = words_of(one.text for scene in scenes for one in scene.elements)
    title = words_of(_KEYS.sub("", one.text) for one in tidied if one.kind == "title")
    # A scene number may be on both sides of a heading, with a word such as "scene".
    numbers = words_of(f"{one.number} {one.number} {LABELS}" for one in tidied if one.number)
    hidden = _words_in(one for one in tidied if one.kind in _UNSEEN)
    above = _words_in(tidied) - kept - title - hidden
    reasons = {PAGES: pages, TITLE: title + above, NUMBERS: numbers, HIDDEN: hidden + words_of([source.notes])}
    # Words in no scene are assigned to reasons in turn; the remainder is lost.
    rest, left_out = text + words_of([source.notes]) - kept, {}
    for reason, words in reasons.items():
        found = rest & words
        left_out[reason] = found.total()
        rest -= found
    return WordAccount(text.total() + words_of([source.notes]).total(), dict(+Counter(left_out)), rest.total())


def _words_in(elements: Iterable[Element]) -> Counter[str]:
    return words_of(one.text for one in elements)
