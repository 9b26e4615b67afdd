"""Beginnings of scene headings (sluglines), in Fountain (fountain.io/syntax) and on typed pages."""

from __future__ import annotations

import re

# INT, EXT, EST, and their equivalents in Russian and Ukrainian scripts.
_PLACE = "(?:INT|EXT|EST|ИНТ|НАТ|ЭКСТ|ІНТ|ЕКСТ)"  # noqa: RUF001 - they are Cyrillic
_BOTH = rf"(?:{_PLACE}\.?\s?/\s?{_PLACE}|[IE]\.?/[IE])"
_OPENING = re.compile(rf"(?:{_BOTH}|{_PLACE})[. ]", re.IGNORECASE)
# Openings that screenplain, like every parser of Fountain, accepts without a full stop.
_PLAIN_OPENING = re.compile(r"(?:INT\.?/EXT\.?|I/E|INT|EXT|EST)[. ]", re.IGNORECASE)
LONGEST_OPENING_CHARS = 14

_WHOLE = "(?:INTERIOR|EXTERIOR)"
# French, German, Italian, Polish, Dutch, Brazilian, Norwegian and Danish, Swedish, Finnish, Czech, Hungarian, Turkish,
# Vietnamese, Russian.
_FOREIGN = (
    "(?:INT[ÉE]RIEUR|EXT[ÉE]RIEUR|INNEN|AU(?:SS|ß)EN|INTERNO|ESTERNO|WNĘTRZE|PLENER|BINNEN|BUITEN|INTERNA|EXTERNA"
    "|INTERIØR|EKSTERIØR|INTERIÖR|EXTERIÖR|SISÄ|ULKO|INTERIÉR|EXTERIÉR|BELSŐ|KÜLSŐ|İÇ|DIŞ|NỘI|NGOẠI"
    "|ИНТЕРЬЕР|НАТУРА)"  # noqa: RUF001 - they are Cyrillic
)

TYPED = (
    rf"(?:{_BOTH}|{_WHOLE}(?:\.?\s?[/&-]\s?{_WHOLE})?|{_FOREIGN}(?:\.?\s?[/&-]\s?{_FOREIGN})?|I/A"
    rf"|{_PLACE}\.?\s?[&-]\s?{_PLACE}\b|{_PLACE})"
)
"""Pattern of the opening of a heading on a typed page; a superset of Fountain's."""

FOREIGN = re.compile(rf"{_FOREIGN}|I/A", re.IGNORECASE)
"""Openings of headings in other languages that are ordinary words in lower case."""

TIME = (
    "(?:DAY(?:BREAK|LIGHT)?|NIGHT(?:FALL)?|MORNING|EVENING|(?:AFTER)?NOON|MIDNIGHT|DAWN|DUSK|SUN(?:SET|RISE)|LATER"
    "|TWILIGHT|CONTINUOUS|CONTINUING|SAME(?: TIME)?|TAG|NACHT|ABEND|MORGEN|JOUR|NUIT|SOIR|MATIN|DÍA|NOCHE|GIORNO|NOTTE"
    "|DIA|NOITE|DAG|NATT?|PÄIVÄ|YÖ|DZIEŃ|NAPPAL|ÉJSZAKA|GÜN|GECE|ДЕНЬ|НОЧЬ)"
)
"""Pattern of a time of day as headings name it."""

TRAILING = rf"(?:{_BOTH}|I/A|{_WHOLE}|{_FOREIGN}(?:/{_FOREIGN})?|{_PLACE})\.?\s?[\s./,\u2013-]\s?{TIME}"
"""Pattern of the end of a heading that gives the place first: KÜCHE - INNEN/TAG."""


def opens_heading(line: str) -> bool:
    """True if a line of Fountain is a heading by its opening."""
    return bool(_OPENING.match(line[:LONGEST_OPENING_CHARS]))


def is_plain_heading(text: str) -> bool:
    """True if every parser of Fountain accepts a heading without a full stop before it."""
    return bool(_PLAIN_OPENING.match(text[:LONGEST_OPENING_CHARS]))
