"""Cue constraint, by character: the names of a cast along a trie, or any name in capitals if there is no cast."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

EXTENSIONS = (" (V.O.)", " (O.S.)", " (CONT'D)")
MAX_NAME = 30  # characters
MAX_NAMES = 6  # in a list
_ROOM_FOR_MORE = 0.75 * MAX_NAME  # characters after which a name gets no further word or extension
_COMMA = ","


class Names:
    """An automaton over the characters of a cue. A place in it is the text spelled since the last branching.

    In a cast that is the whole name so far, so that each place is a node of the trie; for any other name it is empty
    until its extension begins.

    Args:
        cast: Names of those who may speak; anybody if empty.
        signs: Characters that a name may contain.
        extensions: Possible extensions of a name, such as ` (V.O.)`.
        is_list: True to allow several names, separated by commas.
    """

    def __init__(
        self, cast: Iterable[str], signs: Iterable[str], extensions: Iterable[str], *, is_list: bool = False
    ) -> None:
        self._cast, self._signs, self._is_list = frozenset(cast), frozenset(signs), is_list
        ends = ("", *extensions)
        # By the previous speaker, who may not have the next cue; a cast of one or without names excludes nobody.
        barred = ["", *(self._cast if len(self._cast) > 1 else ())]
        self._whole = {
            who: {name + more for name in (self._cast - {who} if who else self._cast) or [""] for more in ends}
            for who in barred
        }
        self._nodes = {
            who: {one[:end] for one in whole for end in range(len(one) + 1)} for who, whole in self._whole.items()
        }

    def speaker(self, place: str) -> str:
        """The speaker who may not have the next cue, after the one that is spelled at a place."""
        return next(
            (name for name in self._whole if name and place in {name, *(name + more for more in EXTENSIONS)}), ""
        )

    def next(self, place: str, sign: str, last: str, size: int, number: int, barred: str = "") -> str | None:
        """The place after one more character, or None if it is not allowed.

        Args:
            place: The current place; empty at first.
            sign: The character.
            last: The previous character; empty at the beginning of a name.
            size: Number of characters of the name.
            number: Number of the name in the list, from 1.
            barred: The previous speaker.
        """
        if place == _COMMA:
            return "" if sign == " " else None
        if sign == _COMMA and self._is_list:
            return _COMMA if number < MAX_NAMES and self.is_whole(place, last) else None
        if self._cast or place:
            return place + sign if place + sign in self._nodes[barred] else None
        # A free name stays at the empty place until a bracket opens its extension.
        if sign == "(":
            return " (" if last == " " and " (" in self._nodes[""] and size < _ROOM_FOR_MORE else None
        return "" if self._may_be_in_name(sign, last, size) else None

    def is_whole(self, place: str, last: str, barred: str = "") -> bool:
        """True if the name may end here."""
        if self._cast or place:
            return place in self._whole[barred]
        return last.isalnum() or last == "."

    def _may_be_in_name(self, sign: str, last: str, size: int) -> bool:
        if sign not in self._signs:
            return False
        if not last:
            return sign.isalpha() and sign.isupper()
        if size >= MAX_NAME and self.is_whole("", last):
            return False
        if sign == "&":
            return last == " " and size < _ROOM_FOR_MORE
        return sign.isalnum() or (size < _ROOM_FOR_MORE and (last.isalnum() or (sign == " " and last in ".&")))
