"""Scene headings as typed: with scene numbers at either side, over one line or two, in any case.

    19:  INT. MILL - DAY            2b   INT. MILL - DAY        A-12  EXTERIOR - MILL - DAY
    1 INT. MILL - DAY 1             12-13 INT./EXT. VAN         **INT. MILL - DAY**

At the right end only a scene number is removed: it contains a digit and is set apart, or equals the one at the left.
All other text is place and time. A place without INT. is one with the mark of `place_headings`: `12 .MILL 12`.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

from rushes.screenplay.elements import Element
from rushes.screenplay.headings import FOREIGN, TIME, TRAILING, TYPED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rushes.screenplay_files.typed.lines import Line

# Different lines of a document, more or less: each is asked about in several passes. With the answers kept, a play of
# 4,000 lines is read in half the time.
KEPT_LINES = 2**14
MAX_HEADING = 200  # letters; a longer line is not a heading, however it begins
MIN_BROKEN = 30  # letters of a first line that may have been too long for its column
_ONE = r"[A-Z]{0,3}-?\d{1,4}(?:\.\d{1,2})?[A-Za-z]{0,4}"
_NUMBER = rf"{_ONE}(?:\s?[-\u2013,&/]\s?{_ONE}){{0,3}}"
LABEL = (
    r"(?:SC(?:[EÈÉ]N[EA]?)?|S[EÉ]Q(?:UENCE)?|SEC(?:UENCIA)?|SZENE|BILD|ESCENA|CENA|OBRAZ|SAHNE|KOHTAUS|JELENET|СЦЕНА)"
)
BEFORE = rf"(?:(?:{LABEL}\.?\s*|#\s?|[(\[])?(?P<number>{_NUMBER}|[A-Z](?=[.):]))[.):,#\]]*\s*(?:[-\u2013]\s*)?)?"
_LEAD = (
    r"(?:(?:FLASH ?(?:BACK|FORWARD)|INTERCUT|ESTABLISHING(?: SHOT)?|MONTAGE|DREAM(?: SEQUENCE)?|BACK TO)"
    r"\s*[:\u2013\u2014-]+\s*)?"
)
_PLACE_FIRST = re.compile(rf"{BEFORE}(?P<text>[^\W\d_].*?[\s./,\u2013-]\s?{TRAILING}\b.*)")
_HEADING = re.compile(
    rf"{BEFORE}"
    rf"(?P<text>{_LEAD}(?P<opening>(?i:{TYPED}))(?P<point>\.|\s*[:\u2013\u2014-]|/|(?=\s)).*)"
)
AT_RIGHT = re.compile(rf"(?P<gap>\s+)(?:[-\u2013]\s|[#(\[])?(?P<number>{_NUMBER})[.):*#\]]*$")
_YEAR = re.compile(r"(?:1[5-9]|20)\d\d")
_WRAPPED = re.compile(r"([*_]{1,4})(?=\S)(.+?)(?<=\S)\1")
_TIME = re.compile(rf"{TIME}\W*$")
ORDINAL = r"\d{1,3}(?:ST|ND|RD|TH)\s"  # 2ND FLOOR is not numbered
PLACE = rf"(?:{ORDINAL})?[^\W\d_].*"
_MARKED = re.compile(rf"{BEFORE}(?<!\S)\.(?P<text>{PLACE})")
_CAPITALS = re.compile(
    r"(?:(?:[^\W_a-z]|[\W_])\S*|of|the|in|on|at|by|to|and|a)(?:\s+(?:(?:[^\W_a-z]|[\W_])\S*|of|the|in|on|at|by|to|and|a))*"
)
_SMALL = re.compile(r"(?<=[A-Z])[a-z]{1,3}(?=[A-Z])|(?<=\d)(?:st|nd|rd|th|s)\b|(?<=['\u2019])s\b")
_CLEAR = 2  # minimum number of blanks before a number that is set apart


@lru_cache(KEPT_LINES)
def is_capital(words: str) -> bool:
    """True if words are in capitals; McCLANE and 2nd count as capitals."""
    return _SMALL.sub("", words).isupper()


@lru_cache(KEPT_LINES)
def heading_of(words: str) -> Element | None:
    """The heading in these words, without its number; None if they are not one."""
    if len(words) > MAX_HEADING:
        return None
    wrapped = _WRAPPED.fullmatch(words)
    found = _HEADING.fullmatch(wrapped[2] if wrapped else words)
    if found is None or not _is_certain(found):
        found = _PLACE_FIRST.fullmatch(words) if words.isupper() else None
        found = found or (_MARKED.fullmatch(words) if is_capital(words) else None)
    if found is None:
        return None
    text, number = _without_right(found["text"], found["number"] or "")
    number = re.sub(r"[^\w.-]+", "-", number)
    return Element("heading", " ".join(text.split()), number=number)


def reads_on(heading: Line, line: Line, below: Line | None) -> bool:
    """True if a line is the rest of a heading that was too long for one line."""
    first = heading_of(heading.words)
    text = first.text if first else heading.words
    is_alike = is_capital(line.words) if is_capital(text) else _CAPITALS.fullmatch(line.words)
    if line.gap or not is_alike or heading_of(line.words):
        return False
    # Either the heading is clearly incomplete, or the line completes it with a time of day.
    is_alone = below is None or below.gap > 0
    last = line.words.upper()
    if is_alone and (text.endswith(("-", "\u2013", "/", ",")) or re.fullmatch(rf"\W*{_TIME.pattern}", last)):
        # Otherwise only a full line without a time of day continues, in a line that is not a sentence.
        return True
    is_full = len(text) >= MIN_BROKEN and not _TIME.search(text.upper())
    return is_full and is_alone and not line.words.endswith((".", "!", "?", ":"))


def joined(heading: Line, others: Sequence[Line]) -> Element:
    """Joins a heading of several lines."""
    first = heading_of(heading.words)
    if first is None:
        message = f"{heading.words!r} is not a heading"
        raise AssertionError(message)
    text, number = _without_right(" ".join([first.text, *(line.words for line in others)]), first.number)
    return Element("heading", " ".join(text.split()), number=number)


def _is_certain(found: re.Match[str]) -> bool:
    """True if an opening in lower case, or without a full stop, is not an ordinary word."""
    opening, point, text = found["opening"], found["point"].strip(), found["text"]
    # An opening in capitals needs a separator or more capitals, one in lower case a full stop and a dash, a capitalised
    # one either.
    if opening.isupper():
        return bool(point or "/" in opening) or is_capital(text)
    if FOREIGN.fullmatch(opening):
        return False
    if opening.islower():
        return point == "." and bool(re.search(r"\s[-\u2013\u2014]{1,2}\s", text))
    is_set = bool(_CAPITALS.fullmatch(text) and re.search(r"\s[-\u2013]\s", text))  # Int Mill - Day
    is_marked = point == "." or "/" in opening or (point != "" and len(opening) > len("ext"))
    return opening[0].isupper() and (is_marked or is_set)


def _without_right(text: str, left: str) -> tuple[str, str]:
    """A heading without the number at its right end, and its number."""
    found = AT_RIGHT.search(text)
    if found is None or not text[: found.start()].strip():
        return text, left
    number, gap = found["number"], len(found["gap"])
    # A number that repeats the left one is a scene number; any other has to be set apart, and is not a year.
    if number.casefold() == left.casefold():
        return text[: found.start()], left
    inside = max((len(run) for run in re.findall(r"\s+", text[: found.start()])), default=0)
    is_apart = gap >= _CLEAR and (bool(left) or (gap > inside and not _YEAR.fullmatch(number)))
    return (text[: found.start()], left or number) if is_apart else (text, left)
