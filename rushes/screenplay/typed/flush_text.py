"""Rewrites scripts without columns, every line at the margin, as Fountain.

    12 INT. MILL - DAY 12        a heading with its numbers
    ANNA: You are late.          a name with a colon, its words beside it or below
    ANNA                         a name whose words follow after an empty line

Text that is valid Fountain already is unchanged.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING

from rushes.screenplay.headings import opens_heading
from rushes.screenplay.typed.headings import heading_of, is_capital, joined, reads_on
from rushes.screenplay.typed.lines import Line, as_text, lines_of
from rushes.screenplay.typed.names import (
    MAX_NAME,
    bare_name,
    cue_of,
    is_small_name,
    is_title_case,
    is_uncapped,
    may_be_cue,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

OFTEN, MANY = 2, 6  # minimum occurrences of a name in capitals; minimum lines with names in lower case
SPOKEN_SHARE = 0.2  # minimum share of paragraphs that are speeches, for names in lower case
NARROW_SHARE, WIDER = 0.95, 4  # quantile of the lengths of dialogue lines; columns by which action is wider
KEEPING = "  "  # a line of two blanks continues a speech in Fountain
KEEPING_SHARE = 0.1  # maximum share among empty lines if it is deliberate
_BESIDE = re.compile(r"(?P<name>[^:\n]{1,45}):(?:\s+(?P<words>\S.*))?")
# Other separators between a name in capitals and its words.
_PARTED = (
    re.compile(r"(?P<name>[^:\n]{1,45}?)\s+[-\u2013\u2014]{1,2}\s+(?P<words>\S.*)"),
    re.compile(
        r"(?P<name>[^:\n]{1,45}?)(?<!\bMRS)(?<!\bM[RS])(?<!\b[DJS]R)(?<!\bST)\.[-\u2013\u2014]?\s+(?P<words>\S.*)"
    ),
)
_ENDS = re.compile(r"[.!?:)\u2026-]['\"\u201d\u2019)]*$")
_SPEAKER = re.compile(r"[^\W_][\w.'\u2019&# -]*(?:\s*\([^)]*\))?")


def as_fountain(text: str) -> str:
    """Rewrites a text without columns in Fountain's forms."""
    if _keeps_speeches(text):
        return text
    lines = _with_room(_with_small_names(_with_cues(lines_of(text))))
    return as_text(list(_with_headings(_forced(_with_close_words(lines)))))


def _keeps_speeches(text: str) -> bool:
    """True if lines of two blanks are deliberate: there are a few, and no other line consists of blanks."""
    blank = Counter(line for line in text.split("\n") if not line.strip())
    return 0 < blank[KEEPING] <= KEEPING_SHARE * blank[""] and len(blank) == len({KEEPING, ""})


def _with_cues(lines: Sequence[Line]) -> list[Line]:
    """Turns names beside their words or with a colon into cues, if they outnumber plain cues."""
    plain = sum(may_be_cue(one.words) and ":" not in one.words and below.gap == 0 for one, below in pairwise(lines))
    is_small = is_small_name if is_uncapped(line.words for line in lines) else is_title_case
    for form in (_BESIDE, *_PARTED):
        found = [form.fullmatch(line.words) for line in lines]
        names = _speakers(lines, found, is_small if form is _BESIDE else None)
        if names.total() >= OFTEN and names.total() > plain and max(names.values()) >= OFTEN:
            return [new for line, one in zip(lines, found, strict=True) for new in _parted(line, one, names)]
    return list(lines)


def _speakers(
    lines: Sequence[Line], found: Sequence[re.Match[str] | None], is_small: Callable[[str], bool] | None
) -> Counter[str]:
    """Number of speeches of each name.

    Names in lower case, and names without a colon, count only if they are frequent.
    """
    spoken = [one for line, one in zip(lines, found, strict=True) if one and _speaks(line, one, is_small)]
    alone = [one for one in spoken if not one["words"]]
    spoken = alone if len(alone) > len(spoken) / 2 else spoken  # words are either below names or beside them
    names = Counter(bare_name(one["name"]) for one in spoken)
    # Capitals with a colon are certain; all other names need repetition, and company.
    unsure = Counter({name: count for name, count in names.items() if is_small is None or not is_capital(name)})
    often = Counter({name: count for name, count in unsure.items() if count >= OFTEN})
    many = max(MANY, SPOKEN_SHARE * sum(line.gap > 0 for line in lines))
    return names - unsure + (often if often.total() >= many and len(often) > 1 else Counter())


def _speaks(line: Line, found: re.Match[str], is_small: Callable[[str], bool] | None) -> bool:
    name = found["name"]
    is_name = may_be_cue(f"{name}:") or bool(is_small and is_small(name) and not name.casefold().endswith("title"))
    return bool(is_name and _SPEAKER.fullmatch(name)) and not heading_of(line.words)


def _parted(line: Line, found: re.Match[str] | None, names: Counter[str]) -> Iterator[Line]:
    if found is None or not names[bare_name(found["name"])]:
        yield line
        return
    # The cue is forced with @, since a name in lower case is converted to capitals.
    yield Line(0, f"@{found['name'].upper()}", max(line.gap, 1))
    if found["words"]:
        yield Line(0, found["words"], 0)


def _with_small_names(lines: Sequence[Line]) -> list[Line]:
    """Turns names in lower case above their words into cues, if few names are in capitals."""
    is_name = is_small_name if is_uncapped(line.words for line in lines) else is_title_case
    over = [place for place, (one, below) in enumerate(pairwise(lines)) if _is_over(one, below)]
    plain = sum(may_be_cue(lines[place].words) or lines[place].words.startswith("@") for place in over)
    places = [place for place in over if is_name(lines[place].words)]
    names = Counter(bare_name(lines[place].words) for place in places)
    often = {place for place in places if names[bare_name(lines[place].words)] >= OFTEN}
    if len(often) < max(MANY, SPOKEN_SHARE / 2 * len(over)) or len(often) <= plain:
        return list(lines)
    return [
        replace(line, words=f"@{cue_of(line.words).upper()}") if place in often else line
        for place, line in enumerate(lines)
    ]


def _is_over(line: Line, below: Line) -> bool:
    is_alone = line.gap > 0 and below.gap < 2  # noqa: PLR2004  # lines: one empty line may be below a name
    return is_alone and not heading_of(line.words) and not heading_of(below.words)


def _with_room(lines: Sequence[Line]) -> list[Line]:
    """Adds an empty line above names, if most directly follow the words of another."""
    pairs = list(pairwise(lines))
    over = [place for place, (one, below) in enumerate(pairs) if _is_name_over(one, below)]
    tight = [place for place in over if not lines[place].gap]
    names = Counter(bare_name(lines[place].words) for place in tight)
    often = {place for place in tight if names[bare_name(lines[place].words)] >= OFTEN}
    if len(often) < MANY or len(often) <= len(over) / 2:
        return list(lines)
    return _with_wide_action([replace(line, gap=1) if place in often else line for place, line in enumerate(lines)])


def _with_wide_action(lines: Sequence[Line]) -> list[Line]:
    """Adds an empty line above paragraphs of action, if dialogue lines are narrower than theirs."""
    names = {place for place, (one, below) in enumerate(pairwise(lines)) if one.gap and _is_name_over(one, below)}
    # The limit is a high quantile of the widths of the first lines of speeches.
    widths = sorted(len(lines[place + 1].words) for place in names)
    narrow = widths[int(NARROW_SHARE * len(widths))]
    wide = {
        place
        for place, (above, line) in enumerate(pairwise(lines), 1)
        if len(line.words) > narrow + WIDER and place - 1 not in names and _ENDS.search(above.words)
    }
    return [replace(line, gap=max(line.gap, 1)) if place in wide else line for place, line in enumerate(lines)]


def _is_name_over(line: Line, below: Line) -> bool:
    return not below.gap and may_be_cue(line.words) and not is_capital(below.words) and not heading_of(below.words)


def _with_close_words(lines: Sequence[Line]) -> list[Line]:
    """Moves words directly below their names, if most names are followed by an empty line."""
    pairs = list(pairwise(lines))
    direct = sum(may_be_cue(one.words) and below.gap == 0 for one, below in pairs)
    places = [place for place, (one, below) in enumerate(pairs, 1) if _is_far(one, below)]
    names = Counter(bare_name(lines[place - 1].words) for place in places)
    far = {
        place
        for place in places
        if names[bare_name(lines[place - 1].words)] >= OFTEN or lines[place - 1].words.startswith("@")
    }
    if len(far) < OFTEN or len(far) <= direct:
        return list(lines)
    return [replace(line, gap=0) if place in far else line for place, line in enumerate(lines)]


def _forced(lines: Sequence[Line]) -> list[Line]:
    """Forces names that Fountain does not recognise, such as McCLANE, and action that it takes for names."""
    marks = dict(enumerate(map(_mark, pairwise(lines))))
    return [replace(line, words=f"{marks.get(place, '')}{line.words}") for place, line in enumerate(lines)]


def _mark(pair: tuple[Line, Line]) -> str:
    """Prefix that forces the kind of a line: @ for a name, ! for action; empty if none is needed."""
    line, below = pair
    if not line.gap or below.gap or line.words[0] in "@!.>#=~(*_[":
        return ""
    if may_be_cue(line.words):
        return "" if bare_name(line.words).isupper() else "@"
    is_long = len(bare_name(line.words)) > MAX_NAME and line.words.isupper()
    return "!" if is_long and not heading_of(line.words) else ""


def _is_far(name: Line, below: Line) -> bool:
    is_name = may_be_cue(name.words) or name.words.startswith("@")
    return bool(name.gap and below.gap == 1 and is_name) and not is_capital(below.words) and not heading_of(below.words)


def _with_headings(lines: Sequence[Line]) -> Iterator[Line]:
    """Rewrites headings in Fountain's form."""
    place = 0
    while place < len(lines):
        line, end = lines[place], place + 1
        # Inside a paragraph only capitals are a heading.
        found = heading_of(line.words) if line.gap or not place or is_capital(line.words) else None
        if found:
            while end < min(place + 3, len(lines)) and reads_on(
                line, lines[end], lines[end + 1] if end + 1 < len(lines) else None
            ):
                end += 1
            found = joined(line, lines[place + 1 : end])
            mark = "" if opens_heading(found.text) else "."
            number = f" #{found.number}#" if found.number else ""
            line = replace(line, words=f"{mark}{found.text}{number}", gap=max(line.gap, 1))
        yield line
        place = end
