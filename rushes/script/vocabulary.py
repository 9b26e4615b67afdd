"""Spelling of a text in the vocabulary of a network: its characters, and the nearest ones for others."""

from __future__ import annotations

import string
import unicodedata
from typing import TYPE_CHECKING

from rushes.errors import MisuseError

if TYPE_CHECKING:
    from collections.abc import Sequence

_NEAR = {
    "\u2018": "'", "\u2019": "'", "\u201c": '"', "\u201d": '"', "\u00ab": '"', "\u00bb": '"', "\u2013": "-",
    "\u2014": "-", "\u2026": "...", "\u00df": "ss", "\u1e9e": "SS", "\u00c6": "AE", "\u00e6": "ae", "\u0152": "OE",
    "\u0153": "oe", "\u00d8": "O", "\u00f8": "o", "\u0141": "L", "\u0142": "l", "\u0110": "D", "\u0111": "d",
}  # fmt: skip


STAND_IN = "PERSON "  # followed by a letter


class Spelling:
    """A vocabulary: one character for each token; the first token stands for none."""

    def __init__(self, vocabulary: Sequence[str]) -> None:
        self.vocabulary = tuple(vocabulary)
        self._ids = {sign: number for number, sign in enumerate(vocabulary) if number}

    def spelled(self, text: str) -> str:
        """The text in characters of the vocabulary, without accents if necessary; other characters are dropped."""
        return "".join(map(self._sign, unicodedata.normalize("NFC", text)))

    def tokens(self, text: str) -> list[int]:
        """Tokens of a text."""
        return [self._ids[sign] for sign in self.spelled(text)]

    def _sign(self, sign: str) -> str:
        if sign in self._ids:
            return sign
        near = _NEAR.get(sign) or unicodedata.normalize("NFKD", sign)
        return "".join(one for one in near if one in self._ids)


def cast_of(names: Sequence[str], spelling: Spelling) -> dict[str, str]:
    """The cast: each name as the network spells it -> as printed.

    A name that cannot be spelled, or whose spelling equals another's, is replaced by a stand-in for the network only.

    Raises:
        MisuseError: Not even a stand-in can be spelled.
    """
    cast: dict[str, str] = {}
    stand_ins = (STAND_IN + letter for letter in string.ascii_uppercase)
    for name in names:
        spelled = " ".join(spelling.spelled(name.upper()).split())
        while not any(sign.isalnum() for sign in spelled) or spelled in cast:
            stand_in = next(stand_ins, "")
            if spelling.spelled(stand_in) != stand_in or not stand_in:
                message = f"this model cannot spell {name}: give the character another name"
                raise MisuseError(message)
            spelled = stand_in
        cast[spelled] = name
    return cast
