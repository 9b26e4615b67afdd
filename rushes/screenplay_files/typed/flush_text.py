"""Rewrites scripts without columns, every line at the margin, as Fountain.

    12 INT. MILL - DAY 12        a heading with its numbers
    ANNA: You are late.          a name with a colon, its words beside it or below
    ANNA      You are late.      a name with its words in a column beside it
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
from rushes.screenplay_files.typed.headings import heading_of, is_capital, joined, reads_on
from rushes.screenplay_files.typed.lines import Line, as_text, lines_of
from rushes.screenplay_files.typed.names import (
    CUT,
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
BROKEN_SHARE = 0.05  # minimum share of lines that end inside a sentence, if lines were broken to fit a column
KEEPING = "  "  # a line of two blanks continues a speech in Fountain
KEEPING_SHARE = 0.1  # maximum share among empty lines if it is deliberate
MAX_LINE = 10_000  # letters of a line that was not broken
_BESIDE = re.compile(r"(?P<name>[^:\n]{1,45}):(?:\s+(?P<words>\S.*))?")
# Other separators between a name in capitals and its words.
_PARTED = (
    re.compile(r"(?P<name>[^:\n]{1,45}?)\s+[-\u2013\u2014]{1,2}\s+(?P<words>\S.*)"),
    re.compile(
        r"(?P<name>[^:\n]{1,45}?)(?<!\bMRS)(?<!\bM[RS])(?<!\b[DJS]R)(?<!\bST)\.[-\u2013\u2014]?\s+(?P<words>\S.*)"
    ),
)
_DASH = _PARTED[0]
_COLUMN = re.compile(r"(?P<name>[^:\n]{1,45}?)\s{2,}(?P<words>\S.*)")
_ENDS = re.compile(r"[.!?:)\u2026-]['\"\u201d\u2019)]*$")
_STOPS = re.compile(r"[.!?\u2026]['\"\u201d\u2019)]*$")
_TWO_ASIDES = re.compile(r"(?P<aside>\([^()]*\))\s*(?P<words>[^\s()].*\))")
_ASIDE = re.compile(r"\([^()]+\)")
_SPEAKER = re.compile(r"[^\W_][\w.'\u2019&# -]*(?:\s*\([^)]*\))?")


def as_fountain(text: str) -> str:
    """Rewrites a text without columns in Fountain's forms."""
    if _keeps_speeches(text):
        return text
    lines = _with_room(_with_small_names(_with_cues(lines_of(text))))
    return as_text(list(_with_headings(_forced(_with_close_words(list(_with_asides_apart(lines)))))))


def _keeps_speeches(text: str) -> bool:
    """True if lines of two blanks are deliberate: there are a few, and no other line consists of blanks."""
    blank = Counter(line for line in text.split("\n") if not line.strip())
    return 0 < blank[KEEPING] <= KEEPING_SHARE * blank[""] and len(blank) == len({KEEPING, ""})


def _with_cues(lines: Sequence[Line]) -> list[Line]:
    """Turns names beside their words or with a colon into cues, if they outnumber plain cues."""
    plain = sum(may_be_cue(one.words) and ":" not in one.words and below.gap == 0 for one, below in pairwise(lines))
    is_small = is_small_name if is_uncapped(line.words for line in lines) else is_title_case
    for form in (_COLUMN, _BESIDE, *_PARTED):
        found = [form.fullmatch(line.words) for line in lines]
        if form is _COLUMN:
            found = _in_column(lines, found)
        names = _speakers(
            lines, found, is_small if form in {_COLUMN, _BESIDE, _DASH} else None, certain=form is _BESIDE
        )
        if names.total() >= OFTEN and names.total() > plain and max(names.values()) >= OFTEN:
            parted = [new for line, one in zip(lines, found, strict=True) for new in _parted(line, one, names)]
            # Below words beside a name, a paragraph may well be more of the speech.
            above = [one for line, one in zip(lines, found, strict=True) if one and not line.gap and not one["words"]]
            tight = sum(_is_one_of(names, one) for one in above)
            return _with_action_apart(parted) if tight > names.total() / 2 else parted
    return list(lines)


def _speakers(
    lines: Sequence[Line],
    found: Sequence[re.Match[str] | None],
    is_small: Callable[[str], bool] | None,
    *,
    certain: bool,
) -> Counter[str]:
    """Number of speeches of each name.

    Names in lower case count only if they are frequent; so do all names unless their form is certain.
    """
    spoken = [one for line, one in zip(lines, found, strict=True) if one and _speaks(line, one, is_small)]
    alone = [one for one in spoken if not one["words"]]
    spoken = alone if len(alone) > len(spoken) / 2 else spoken  # words are either below names or beside them
    names = Counter(bare_name(one["name"]) for one in spoken)
    # Capitals with a colon are certain; all other names need repetition, and company.
    unsure = Counter({name: count for name, count in names.items() if not (certain and is_capital(name))})
    often = Counter({name: count for name, count in unsure.items() if count >= OFTEN})
    many = max(MANY, SPOKEN_SHARE * sum(line.gap > 0 for line in lines))
    return names - unsure + (often if often.total() >= many and len(often) > 1 else Counter())


def _speaks(line: Line, found: re.Match[str], is_small: Callable[[str], bool] | None) -> bool:
    name = found["name"]
    is_name = may_be_cue(f"{name}:") or bool(is_small and is_small(name) and not name.casefold().endswith("title"))
    return bool(is_name and _SPEAKER.fullmatch(name)) and not heading_of(line.words)


def _in_column(lines: Sequence[Line], found: Sequence[re.Match[str] | None]) -> list[re.Match[str] | None]:
    """Those whose words begin in the column in which most do."""
    starts = [line.column + one.start("words") if one else -1 for line, one in zip(lines, found, strict=True)]
    usual = Counter(start for start in starts if start > 0).most_common(1)
    return [one if usual and start == usual[0][0] else None for start, one in zip(starts, found, strict=True)]


def _is_one_of(names: Counter[str], found: re.Match[str] | None) -> bool:
    return found is not None and names[bare_name(found["name"])] > 0


def _parted(line: Line, found: re.Match[str] | None, names: Counter[str]) -> Iterator[Line]:
    if found is None or not _is_one_of(names, found):
        yield line
        return
    # The cue is forced with @, since a name in lower case is converted to capitals.
    yield Line(0, f"@{found['name'].upper()}", max(line.gap, 1))
    if found["words"]:
        yield Line(0, found["words"], 0)


def _with_small_names(lines: Sequence[Line]) -> list[Line]:
    """Turns names in lower case above their words into cues, if few names are in capitals."""
    is_name = is_small_name if is_uncapped(line.words for line in lines) else is_title_case
    # Where no empty line is above names, they follow the end of a sentence.
    for is_over in (_is_over, _is_tight_over):
        over = [place for place in range(len(lines) - 1) if is_over(lines, place)]
        plain = sum(may_be_cue(lines[place].words) or lines[place].words.startswith("@") for place in over)
        places = [place for place in over if is_name(lines[place].words)]
        names = Counter(bare_name(lines[place].words) for place in places)
        often = {place for place in places if names[bare_name(lines[place].words)] >= OFTEN}
        if len(often) >= max(MANY, SPOKEN_SHARE / 2 * len(over)) and len(often) > plain:
            return [
                replace(line, words=f"@{cue_of(line.words).upper()}") if place in often else line
                for place, line in enumerate(lines)
            ]
    return list(lines)


def _is_over(lines: Sequence[Line], place: int) -> bool:
    line, below = lines[place : place + 2]
    is_alone = line.gap > 0 and below.gap < 2  # noqa: PLR2004  # lines: one empty line may be below a name
    return is_alone and not heading_of(line.words) and not heading_of(below.words)


def _is_tight_over(lines: Sequence[Line], place: int) -> bool:
    """True for a line between others of a paragraph, below the end of a sentence."""
    line, below = lines[place : place + 2]
    if not place or line.gap or below.gap:
        return False
    above = lines[place - 1].words
    return bool(_ENDS.search(above) or heading_of(above)) and not heading_of(line.words)


def _with_room(lines: Sequence[Line]) -> list[Line]:
    """Adds an empty line above names, if most directly follow the words of another."""
    pairs = list(pairwise(lines))
    over = [place for place, (one, below) in enumerate(pairs) if _is_name_over(one, below)]
    tight = [place for place in over if not lines[place].gap]
    names = Counter(bare_name(lines[place].words) for place in tight)
    often = {place for place in tight if names[bare_name(lines[place].words)] >= OFTEN}
    if len(often) < MANY or len(often) <= len(over) / 2:
        return list(lines)
    return _with_action_apart([replace(line, gap=1) if place in often else line for place, line in enumerate(lines)])


def _with_action_apart(lines: Sequence[Line]) -> list[Line]:
    """Adds an empty line between speeches and the action directly below them, and above cuts."""
    names = {place for place, (one, below) in enumerate(pairwise(lines)) if one.gap and _is_name_over(one, below)}
    # The limit is a high quantile of the widths of the first lines of speeches.
    widths = sorted(len(lines[place + 1].words) for place in names if not lines[place + 1].words.startswith("("))
    narrow = widths[int(NARROW_SHARE * len(widths))] if widths else 0
    width = narrow if _is_wrapped(lines) else MAX_LINE
    actions: set[int] = set()
    is_spoken = False
    for place, line in enumerate(lines):
        is_below = place > 0 and not line.gap and place - 1 not in names
        if is_below and (
            CUT.fullmatch(line.words) or (is_spoken and _is_action(lines[place - 1], line, narrow, width))
        ):
            actions.add(place)
        is_spoken = place in names or (is_spoken and not line.gap and place not in actions)
    return [replace(line, gap=1) if place in actions else line for place, line in enumerate(lines)]


def _is_wrapped(lines: Sequence[Line]) -> bool:
    """True if lines were broken to fit a column: some end inside a sentence."""
    close = [one.words for one, below in pairwise(lines) if not below.gap and not is_capital(one.words)]
    return sum(not _ENDS.search(words) for words in close) > BROKEN_SHARE * len(close)


def _is_action(above: Line, line: Line, narrow: int, width: int) -> bool:
    """True if a line below one of a speech is action: it is wider, or its first word would have fitted above."""
    if not _ENDS.search(above.words) or above.words.endswith(")") or line.words.startswith("("):
        return False
    first = line.words.split(maxsplit=1)[0]
    is_early = bool(_STOPS.search(above.words)) and len(above.words) + len(first) < width
    return is_early or len(line.words) > narrow + WIDER


def _is_name_over(line: Line, below: Line) -> bool:
    return not below.gap and may_be_cue(line.words) and not is_capital(below.words) and not heading_of(below.words)


def _with_asides_apart(lines: Sequence[Line]) -> Iterator[Line]:
    """Parts the first bracket from words that end in another, since Fountain takes all of it for a parenthetical."""
    for line in lines:
        found = None if line.gap else _TWO_ASIDES.fullmatch(line.words)
        if found:
            yield replace(line, words=found["aside"])
            yield Line(0, found["words"], 0)
        else:
            yield line


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
    far |= {below for place in far for below in _more(lines, place)}
    return [replace(line, gap=0) if place in far else line for place, line in enumerate(lines)]


def _more(lines: Sequence[Line], place: int) -> Iterator[int]:
    """Paragraphs that continue the speech whose words begin at a place: asides, and what follows these."""
    is_aside = _ASIDE.fullmatch(lines[place].words) is not None
    for below in range(place + 1, len(lines)):
        line = lines[below]
        begins = (
            _ASIDE.fullmatch(line.words) is not None and line.words[1].islower()
        )  # (beat); a direction is a sentence
        if line.gap != 1 or not (begins or is_aside) or may_be_cue(line.words) or heading_of(line.words):
            return
        yield below
        is_aside = begins


def _forced(lines: Sequence[Line]) -> list[Line]:
    """Forces names that Fountain does not recognise, such as McCLANE, and action that it takes for names."""
    return [*(replace(line, words=_forced_words(line, below)) for line, below in pairwise(lines)), *lines[-1:]]


def _forced_words(line: Line, below: Line) -> str:
    """Words with the prefix that forces their kind, if they need one: @ for a name, ! for action."""
    if not line.gap or below.gap or line.words[0] in "@!.>#=~(*_[":
        return line.words
    if may_be_cue(line.words):
        return f"{'' if bare_name(line.words).isupper() else '@'}{cue_of(line.words)}"
    is_other = line.words.isupper() and not heading_of(line.words) and not CUT.fullmatch(line.words)
    return f"{'!' if is_other else ''}{line.words}"


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
