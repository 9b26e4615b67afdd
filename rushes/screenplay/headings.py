"""Beginnings of scene headings (sluglines), in Fountain (fountain.io/syntax) and on typed pages."""

from __future__ import annotations

import re

# INT, EXT, EST, and what Russian and Ukrainian scripts write for them.
_PLACE = "(?:INT|EXT|EST|ИНТ|НАТ|ЭКСТ|ІНТ|ЕКСТ)"  # noqa: RUF001 - they are Cyrillic
_BOTH = rf"(?:{_PLACE}\.?\s?/\s?{_PLACE}|[IE]\.?/[IE])"
_OPENING = re.compile(rf"(?:{_BOTH}|{_PLACE})[. ]", re.IGNORECASE)
# What screenplain, like every parser of Fountain, takes for a heading without a mark.
_PLAIN_OPENING = re.compile(r"(?:INT\.?/EXT\.?|I/E|INT|EXT|EST)[. ]", re.IGNORECASE)
LONGEST_OPENING_CHARS = 14

_WHOLE = "(?:INTERIOR|EXTERIOR)"
# French, German, Italian, Polish, Dutch, Russian.
_FOREIGN = (
    "(?:INT[ÉE]RIEUR|EXT[ÉE]RIEUR|INNEN|AU(?:SS|ß)EN|INTERNO|ESTERNO|WNĘTRZE|PLENER|BINNEN|BUITEN|ИНТЕРЬЕР|НАТУРА)"  # noqa: RUF001 - they are Cyrillic
)

TYPED = (
    rf"(?:{_BOTH}|{_WHOLE}(?:\.?\s?[/&-]\s?{_WHOLE})?|{_FOREIGN}(?:\.?\s?[/&-]\s?{_FOREIGN})?|I/A"
    rf"|{_PLACE}\.?\s?[&-]\s?{_PLACE}\b|{_PLACE})"
)
"""A pattern of the first words of a heading on a typed page, wider than what Fountain has."""

FOREIGN = re.compile(rf"{_FOREIGN}|I/A", re.IGNORECASE)
"""What is a heading's opening in other languages, and in small letters a common word."""

TRAILING = (
    rf"(?:{_BOTH}|I/A|{_WHOLE}|{_FOREIGN}(?:/{_FOREIGN})?|{_PLACE})\.?\s?[\s./,\u2013-]\s?"
    "(?:DAY|NIGHT|MORNING|EVENING|DAWN|DUSK|TAG|NACHT|ABEND|MORGEN|JOUR|NUIT|SOIR|MATIN|DÍA|NOCHE|GIORNO|NOTTE|ДЕНЬ|НОЧЬ)"
)
"""A pattern of what stands at the end of a heading that names the place first: KÜCHE - INNEN/TAG."""


def opens_heading(line: str) -> bool:
    """True if a line of Fountain is a heading by how it begins."""
    return bool(_OPENING.match(line[:LONGEST_OPENING_CHARS]))


def is_plain_heading(text: str) -> bool:
    """True if any parser of Fountain takes it for a heading without a full stop before it."""
    return bool(_PLAIN_OPENING.match(text[:LONGEST_OPENING_CHARS]))
