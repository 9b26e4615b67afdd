"""Length of a draft, in pages or words: the target, and the amount written so far."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rushes.errors import MisuseError
from rushes.screenplay import breakdown
from rushes.script.markup import ACTION, ALL, CHARACTER, DIALOGUE, HEADING, PARENTHETICAL, TRANSITION

if TYPE_CHECKING:
    from rushes.script.constraints.grammar import Ending

MAX_PAGES, MAX_WORDS = 30, 10_000
_LENGTH = re.compile(r"(\d+(?:\.\d+)?) ?(p|pages?|w|words?)", re.IGNORECASE)
_SHORTEST = 0.5  # share of the requested length before which a scene does not end
# Empty lines above an element, and its width; a cue is a line of its own.
_ABOVE = {HEADING: 2, ACTION: 1, CHARACTER: 1, TRANSITION: 1}
_WIDTH = {DIALOGUE: breakdown.DIALOGUE, PARENTHETICAL: breakdown.PARENTHETICAL}


@dataclass(frozen=True)
class Length:
    """A length: a number of lines of a formatted page, or of words."""

    amount: float
    unit: str  # "lines" or "words"


def parse_length(text: str) -> Length:
    """Parses `2p`, `1.5 pages` or `300w`.

    Raises:
        MisuseError: It is not a length, or is too large.
    """
    match = _LENGTH.fullmatch(text.strip())
    amount = float(match[1]) if match else 0.0
    is_pages = match is not None and match[2][0] in "pP"
    if not 0 < amount <= (MAX_PAGES if is_pages else MAX_WORDS):
        message = f"--length {text}: write pages as 2p (up to {MAX_PAGES}p) or words as 300w (up to {MAX_WORDS}w)"
        raise MisuseError(message)
    return Length(amount * breakdown.PAGE_LINES, "lines") if is_pages else Length(amount, "words")


class Tally:
    """Measures a draft, character by character, in the same way as a storyboard measures pages."""

    def __init__(self, length: Length) -> None:
        self._length = length
        self._done = 0.0  # of complete elements
        self._kind, self._text, self._words = "", "", 0

    def push(self, sign: str) -> None:
        """Adds the next character."""
        if sign in ALL:
            self._done += self._exact()
            self._kind, self._text, self._words = sign, "", 0
        else:
            self._words += not sign.isspace() and not self._text[-1:].strip()
            self._text += sign

    @property
    def amount(self) -> float:
        """Amount written so far, in the unit of the length; the current element is estimated."""
        if self._length.unit == "words":
            return self._done + self._words
        width = _WIDTH.get(self._kind, breakdown.ACTION)
        return self._done + _ABOVE.get(self._kind, 0) + len(self._text) / width

    def ending(self) -> Ending:
        """State of the ending: the draft may not end yet, may end, or must end."""
        share = self.amount / self._length.amount
        return "must" if share >= 1 else "may" if share >= _SHORTEST else "not yet"

    def _exact(self) -> int:
        if self._length.unit == "words":
            return self._words
        text = f"({self._text})" if self._kind == PARENTHETICAL else self._text
        width = _WIDTH.get(self._kind, breakdown.ACTION)
        heights = (breakdown.height(line, width) for line in text.split("\n"))
        return _ABOVE.get(self._kind, 0) + sum(heights) if self._kind else 0
