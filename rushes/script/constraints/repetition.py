"""Repetition constraint: characters that would repeat earlier text are not allowed, since small networks tend to loop.

A line of three words or more may occur once, a shorter one three times; otherwise it has to continue. A run of six
words may occur once: after its first five, the letter that begins the sixth is excluded. If nothing else is left, the
grammar takes precedence.

Control text is excluded too: no colon may follow a line that is only one of its keys, such as `characters`.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING

import numpy as np

from rushes.script.markup import ACTION, ALL, ASKED, DIALOGUE

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rushes.screenplay.elements import Element

RUN = 6  # words
SHORT, OFTEN = 2, 3  # a line of at most so many words may occur so often
_PROSE = ACTION + DIALOGUE


class Guard:
    """Repetition constraint: the text so far, and the continuations that would repeat it."""

    def __init__(self, vocabulary: Sequence[str]) -> None:
        self._ends = np.array([sign == "\n" or (bool(sign) and sign in ALL) for sign in vocabulary])
        self._colons = np.array([sign == ":" for sign in vocabulary])
        self._letters: dict[str, list[int]] = defaultdict(list)
        for number, sign in enumerate(vocabulary):
            self._letters[sign.lower()].append(number)
        self._lines: Counter[tuple[str, ...]] = Counter()
        self._after: dict[tuple[str, ...], set[str]] = defaultdict(set)  # first letters of the words after a run
        self._words: list[str] = []
        self._word = ""
        self._listens = False

    def learn(self, elements: Iterable[Element]) -> None:
        """Adds the elements of an existing draft."""
        for element in elements:
            if element.kind in {"action", "dialogue"}:
                self._listens = True
                for sign in f"{element.text}\n":
                    self.push(sign)
        self._listens = False

    def push(self, sign: str) -> None:
        """Adds the next character."""
        if sign in ALL or sign == "\n":
            self._end_line()
            self._listens = sign in _PROSE if sign in ALL else self._listens
        elif not self._listens:
            return
        elif sign.isalnum() or (sign in "'\u2019" and self._word):
            self._word += sign.lower()
        else:
            self._end_word()

    def narrowed(self, mask: np.ndarray) -> np.ndarray:
        """A mask without characters that would repeat something; the mask itself if nothing would be left."""
        if not self._listens:
            return mask
        narrowed = mask
        # An old line may not end here.
        if mask[self._ends].any() and self._is_old():
            narrowed = mask & ~self._ends
        # At the start of a word: its first letter may not complete a run that occurred before.
        if not self._word and len(self._words) >= RUN - 1 and (letters := self._after.get(self._last_run())):
            narrowed = narrowed.copy()
            narrowed[[number for letter in letters for number in self._letters[letter]]] = False
        if not self._words and self._word in ASKED:
            narrowed = narrowed & ~self._colons
        return narrowed if narrowed.any() else mask

    def _is_old(self) -> bool:
        line = (*self._words, self._word) if self._word else tuple(self._words)
        return self._lines[line] >= (OFTEN if len(line) <= SHORT else 1)

    def _last_run(self) -> tuple[str, ...]:
        return tuple(self._words[1 - RUN :])

    def _end_word(self) -> None:
        if self._word:
            if len(self._words) >= RUN - 1:
                self._after[self._last_run()].add(self._word[0])
            self._words.append(self._word)
            self._word = ""

    def _end_line(self) -> None:
        self._end_word()
        if self._words:
            self._lines[tuple(self._words)] += 1
            self._words = []
