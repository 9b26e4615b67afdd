"""Scene headings without INT. or EXT. that name a place, and a time of day or a scene number.

    12   MILL - NIGHT   12       a number, a place and a time of day: always a heading
    MILL - NIGHT                 a heading only if most headings of the text are like it
    SCENE 12: MILL               likewise, and so is 12   MILL   12

They are marked with a full stop, as in Fountain; `heading_of` knows the mark.
"""

from __future__ import annotations

import re

from rushes.screenplay.headings import TIME
from rushes.screenplay_files.typed.headings import AT_RIGHT, BEFORE, LABEL, MAX_HEADING, ORDINAL, PLACE, heading_of
from rushes.screenplay_files.typed.names import may_be_cue

MIN_PLACES = 3  # fewer places prove no form of headings
SURE, LIKELY = "sure", "likely"
_LINE = re.compile(rf"(?P<before>\s*(?P<numbered>(?!{ORDINAL}){BEFORE}|))(?P<text>{PLACE})")
_SET = re.compile(r"(?:[^\w\s]\s*|\s{2,})$")  # between a number and a place; 10 DOWNING STREET is not numbered
_PARTS = re.compile(r"\s+[-\u2013\u2014]{1,2}\s+|--|[.,/]\s*|:\s+|\s{2,}")
_TIME = re.compile(rf"{TIME}\b(?: [^\W_]+){{0,2}}|(?:[^\W_]+ ){{0,3}}{TIME}")  # DAY 2, LATER THAT NIGHT, NEXT MORNING


def with_marked_places(text: str) -> str:
    """Text with a full stop before the place in headings that have neither INT. nor EXT."""
    lines = text.split("\n")
    kinds = [_kind(line.strip(), lines[place - 1] if place else "") for place, line in enumerate(lines)]
    others = sum(heading_of(line.strip()) is not None for line in lines)
    found = len(lines) - kinds.count("")
    marked = {SURE, LIKELY} if found >= MIN_PLACES and found > others else {SURE}
    return "\n".join(_marked(line) if kind in marked else line for line, kind in zip(lines, kinds, strict=True))


def _kind(words: str, above: str) -> str:
    """Certainty that words below another line are such a heading; empty if they are not."""
    found = _LINE.fullmatch(words) if 0 < len(words) <= MAX_HEADING else None
    if found is None or heading_of(words):
        return ""
    number, text = found["number"] or "", found["text"]
    at_right = AT_RIGHT.search(text)
    has_number = any(map(str.isdigit, number))  # J. R. EWING has none
    is_framed = bool(has_number and at_right and at_right["number"] == number)
    place, *others = _PARTS.split((text[: at_right.start()] if at_right else text).rstrip(" ."))
    if not may_be_cue(f"{place}:"):  # a place is written like a name, and is not a camera direction
        return ""
    has_time = any(map(_TIME.fullmatch, others[-2:]))
    is_labelled = re.match(LABEL, found["numbered"])
    if has_time and has_number and (is_framed or is_labelled or _SET.search(found["before"])):
        return SURE
    return LIKELY if not above.strip() and (has_time or is_framed or is_labelled) else ""


def _marked(line: str) -> str:
    found = _LINE.fullmatch(line)
    return re.sub(r"(?<=\S)$", " ", found["before"]) + f".{found['text']}" if found else line
