"""Recognition of speakers' names above dialogue in typed scripts: ANNA, McCLANE, ANNA:, OLD MAN (V.O.)."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

from rushes.screenplay_files.typed.headings import KEPT_LINES, heading_of, is_capital

if TYPE_CHECKING:
    from collections.abc import Iterable

MAX_NAME, MAX_NAME_WORDS = 45, 8  # letters and words
UNCAPPED_SHARE = 0.005  # maximum ratio of upper-case to lower-case letters in a text without capitals
CUT = re.compile(
    r"(?:[A-Z' -]+ TO|FADE(?:S)? (?:IN|OUT|UP|TO BLACK|TO WHITE)|(?:SMASH |MATCH |JUMP |HARD )?CUT|DISSOLVE)[:.]"
    r"|FADE (?:IN|OUT)|[A-Z' ]+ TO (?:BLACK|WHITE)\.?"
)
_NO_NAME = re.compile(
    r"(?:.* )?(?:TO|IN|OUT|CUT|SUPER(?:IMPOSE)?|TITLES?|CARD|INSERT|CAPTION|SUBTITLE|NOTE|CONTINUED|MONTAGE|DISSOLVE"
    r"|FADE|SCENE|ACT|OMITTED|INTERCUT|ANGLE|CHYRON|LEGEND|CREDITS?|CAST|CHARACTERS|DATE|DRAFT|TIME|DAY|NIGHT)"
)
# Camera directions; above an empty line only their wording distinguishes them from names.
_SHOT = re.compile(
    r"(?:(?:A FEW |SOME |MOMENTS |MINUTES |HOURS |DAYS |YEARS |MUCH |SAME )?LATER|BACK TO\b.*|CLOSE-?\s?UP\b.*"
    r"|(?:ANGLE|CLOSE|WIDER?|TIGHT)(?: SHOT)?(?: ON\b.*| -.*| ANGLE)?|.*\bP\.?O\.?V\b.*|(?:SERIES|SEQUENCE) OF\b.*"
    r"|(?:END (?:OF )?)?(?:MONTAGE|FLASHBACK|INTERCUT|TITLES?|CREDITS|INSERT)\b.*|SUPER(?:IMPOSE)?\b.*|THE END|OMITTED"
    r"|.*\bDRAFT|REVERSE (?:ANGLE|SHOT)\b.*"
    r"|(?:END OF )?(?:ACT|TEASER|COLD OPEN(?:ING)?)(?: (?:[IVX\d]+|ONE|TWO|THREE|FOUR))?)"
)
_BRACKETS = re.compile(r"\s*\[([^\]\n]*)\]$")
_STOP = re.compile(r"(?<=[^\W\d_]{3})\.$")  # ANNA. on its own line; MR. T. and JR. keep their full stop
_BARE = re.compile(r"(?<!\s)(?:\s*,\s*|\s+(?:[-\u2013\u2014]+\s*)?)((?:V\.\s?O|O\.\s?S|O\.\s?C)\.?)$", re.IGNORECASE)
_BIG = r"[^\W\d_a-z][\w'\u2019.-]*"
_BETWEEN = r"(?: |/| & | and )(?:(?:van|von|der|de|du|la|le|of|the|in) ){0,2}"
_TITLE_CASE = re.compile(rf"(?:\d+(?:st|nd|rd|th) )?{_BIG}(?:{_BETWEEN}{_BIG}| #?\d+){{0,3}}")
_SMALL_NAME = re.compile(r"(?:\d+(?:st|nd|rd|th) )?[^\W\d_][\w'\u2019.-]*(?:[ /&]+[\w'\u2019#.-]+){0,3}(?<![.!?])")
# Words before a colon that are not names.
_LABELS = frozenset({
    "note", "notes", "nb", "ps", "listen", "look", "wait", "remember", "warning", "caution", "sign", "caption",
    "super", "subtitle", "title", "card", "time", "date", "place", "setting", "scene", "act", "cast", "characters",
    "music", "song", "sound", "sfx", "fx", "int", "ext", "location", "insert", "from", "to", "subject", "chapter",
    "part", "page", "draft", "question", "answer",
})  # fmt: skip
_LITTLE = re.compile(r"\b(?:and|of|the|to|with|in|de|da|von|van|von|le|la|y|und|et)\b|\b(?:Mr|Mrs|Ms|Dr|St|Jr|Sr)\b")


def cue_of(words: str) -> str:
    """A cue in standard form: without a colon at its end, `ANNA [V.O.]` and `ANNA, V.O.` as `ANNA (V.O.)`."""
    words = words.strip().rstrip(":").rstrip()
    if not 0 < len(words) <= 2 * MAX_NAME:
        return words
    words = _STOP.sub("", words[1:-1] if words[0] == "[" and words[-1] == "]" else words)
    bracketed = _BRACKETS.sub(r" (\1)", words)
    return _BARE.sub(r" (\1)", bracketed) if bracketed[:1].isalnum() else bracketed


@lru_cache(KEPT_LINES)
def bare_name(words: str) -> str:
    """The name in a cue, without brackets and the colon at its end."""
    words = cue_of(words)
    return re.sub(r"(?<!\s)\s*\([^)]*\)?", "", words).strip().rstrip(":").rstrip().lstrip("@")


@lru_cache(KEPT_LINES)
def may_be_cue(words: str) -> bool:
    """True if words may name a speaker: short, in capitals, not a cut, a heading or a sentence."""
    name = bare_name(words)
    if not name or len(name) > MAX_NAME or len(name.split()) > MAX_NAME_WORDS or words[0] == "(":
        return False
    is_name = is_capital(_LITTLE.sub("", name)) and not name.endswith(("!", "?", ";", ",", "...", "--", '"'))
    ends = words.rstrip().endswith(":")
    is_name = is_name and not CUT.fullmatch(words) and not _SHOT.fullmatch(name)
    return is_name and not (ends and _NO_NAME.fullmatch(name)) and not heading_of(name)


def is_title_case(words: str) -> bool:
    """True if words may name a speaker not in capitals: Anna, Old Man, Dr. van der Berg, Anna/Ben."""
    name = bare_name(words)
    is_whole = not (name.isupper() or name.endswith(".") or heading_of(words))
    return is_whole and bool(_TITLE_CASE.fullmatch(name)) and name.casefold() not in _LABELS


def is_small_name(words: str) -> bool:
    """True if words may name a speaker in a text without capitals: anna, old man (v.o.)."""
    name = bare_name(words)
    return name.islower() and bool(_SMALL_NAME.fullmatch(name)) and not _SHOT.fullmatch(name.upper())


def is_uncapped(texts: Iterable[str]) -> bool:
    """True if texts have hardly any capitals."""
    capitals = small = 0
    for text in texts:
        capitals += sum(map(str.isupper, text))
        small += sum(map(str.islower, text))
    return capitals <= UNCAPPED_SHARE * small
