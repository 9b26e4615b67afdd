"""Mention constraint, by character: words in capitals in a direction are names of the cast, if there is one."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from rushes.script.vocabulary import STAND_IN

if TYPE_CHECKING:
    from collections.abc import Collection

_WORDS = re.compile(r"[^\W_]+")


class Called:
    """An automaton over the characters of a direction. A place in it is the word so far, as long as it is in capitals.

    A single capital may begin any word; from the second on it is a name: `Enter KENT` is a mention, `Enter Kent` is
    not.

    Args:
        cast: Names that may be mentioned, in capitals; anybody if empty.
    """

    def __init__(self, cast: Collection[str]) -> None:
        self._is_free = not cast
        own = (name for name in cast if not name.startswith(STAND_IN))  # stand-ins mean nothing to a reader
        self._words = frozenset(word for name in own for word in _WORDS.findall(name))
        self._nodes = {word[:end] for word in self._words for end in range(2, len(word) + 1)}

    def next(self, place: str, sign: str, last: str) -> str | None:
        """The place after one more character, or None if it is not allowed.

        Args:
            place: The current place; empty at first.
            sign: The character.
            last: The previous character; empty at the beginning of a line.
        """
        if self._is_free:
            return ""
        if not sign.isalnum():
            return "" if self.is_whole(place) else None
        if not place:
            return sign if sign.isupper() and not last.isalnum() else ""
        if len(place) == 1 and not sign.isupper():
            return ""
        return place + sign if place + sign in self._nodes else None

    def is_whole(self, place: str) -> bool:
        """True if the word may end here."""
        return len(place) <= 1 or place in self._words
