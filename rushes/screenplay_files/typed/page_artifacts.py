"""Removal of page artifacts from scripts: page numbers, (MORE), revision marks, watermarks, boilerplate of libraries.

They are found in lines of plain text, whatever its layout, and counted by kind. A sentence that a page break divides is
joined. (CONT'D) is part of a cue, and is removed from elements (`tidy`).
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING

from rushes.screenplay_files.typed.headings import heading_of
from rushes.screenplay_files.typed.lines import CLOSE_SHARE
from rushes.screenplay_files.typed.names import bare_name, may_be_cue

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rushes.screenplay.elements import Element

NUMBERS, MORE, CONTINUED = "page numbers", "MORE and CONT'D", "CONTINUED"
REVISIONS, WATERMARKS, LIBRARY, FADE_IN = "revision marks", "watermarks", "Gutenberg boilerplate", "FADE IN"
SPEECHES = "numbers of speeches"
MARKS = (NUMBERS, MORE, CONTINUED, REVISIONS, WATERMARKS, LIBRARY, FADE_IN, SPEECHES)
PAGE_LINES, MIN_PAGE_LINES = 55, 10
MIN_PAGES = 4  # on fewer pages a repeated line proves nothing
PAGES_SHARE = 0.5  # minimum share of pages with a watermark
TURN, EVEN = 3, 0.25  # lines around a page break; relative tolerance of page lengths
EVEN_SHARE = 0.75  # minimum share of distances that equal a page length
COUNTED, COUNTED_SHARE = 3, 0.5  # minimum numbers of a count; minimum share of them that are one higher than the last
MANY_SPEECHES = 6  # minimum numbers before names
MAX_MARK = 100  # maximum number of characters of an artifact

_FEED = "\f"
_NUMBER = re.compile(
    r"\s*(?:page\s+)?(?:[-\u2013\u2014(]\s*)?\d{1,3}[a-z]?(?:\s+of\s+\d{1,3})?\s*[-\u2013\u2014).]?\s*", re.IGNORECASE
)
_MORE = re.compile(r"\s*(?:\(\s*(?:MORE|CONT['\u2019]?D)\s*\)|-+\s*MORE\s*-+)\s*", re.IGNORECASE)
_CONTINUED = re.compile(r"\s*(?:\d+[A-Z]?\s+)?\(?\s*CONTINUED\s*:?\s*\)?\s*(?:\(\d+\))?:?(?:\s+\d+[A-Z]?\.?)?\s*")
_REVISED = re.compile(
    r"\s*(?:\(?(?:white|blue|pink|yellow|green|goldenrod|buff|salmon|cherry|tan)\)?\s+)?"
    r"(?:rev(?:\.|ised|isions?)|draft)[^a-z]*\d{1,4}[./-]\d{1,2}(?:[./-]\d{1,4})?[\s\d.()*-]*",
    re.IGNORECASE,
)
_STAR = re.compile(
    r"(?:(?<=\S)(?:[ \t]{2,}|\t)|(?:(?<=\d)|(?<=\d[A-Z]))[ \t]+|^\s*)[*|][ \t]*$"
)  # in the right margin, or alone on its line
_OPENS = re.compile(r"\s*\*{3} ?START OF (?:THE|THIS) PROJECT GUTENBERG", re.IGNORECASE)
_CLOSES = re.compile(r"\s*(?:\*{3} ?END OF (?:THE|THIS) |End of (?:the )?)Project Gutenberg", re.IGNORECASE)
_FADE_IN = re.compile(r"\s*FADE(?:S)? (?:IN|UP)\s*[:.]?\s*", re.IGNORECASE)
# A running head: words, and the page number far to the right.
_RUNNING_HEAD = re.compile(r"(?P<words>\S.*?\S)\s{4,}(?:page\s+)?(?P<number>\d{1,3})[a-z]?\.?", re.IGNORECASE)
_SPLIT = re.compile(r":|\s{2,}")  # words may be beside a name
_NUMBERED_NAME = re.compile(r"(?P<indent>\s*)(?P<number>\d{1,4})[.):]?\s+(?P<name>[^\W\d_].*)")
_DATED = re.compile(r"\b(?:rev(?:\.|ised|isions?)|draft)(?![a-z])|\d{1,4}[./-]\d{1,2}[./-]\d{1,4}", re.IGNORECASE)
_CONTD = re.compile(r"\(\s*(?:CONT(?:['\u2019]?D|INU(?:ED|ING))?\.?)\s*\)", re.IGNORECASE)
_OPEN_END = re.compile(r"[\w,;\u2019'-]$")


def without_page_marks(lines: Sequence[str]) -> tuple[str, Counter[str]]:
    """Text of lines without page artifacts, and the number of lines by kind."""
    lines, found = _without_library(lines)
    lines, numbered = _without_speech_numbers(lines)
    found[SPEECHES] += numbered
    # Numbers in sequence are a countdown in the story, so they are exempt before lines are removed.
    watermarks = _watermarks(lines)
    heads = _counted_heads(lines)
    kinds = _without_countdowns([_kind(lines, place, watermarks) for place in range(len(lines))])
    kinds = [kind or (NUMBERS if place in heads else "") for place, kind in enumerate(kinds)]
    found += Counter(filter(None, kinds))
    stars = [bool(not kind and _STAR.search(line)) for kind, line in zip(kinds, lines, strict=True)]
    found += Counter({REVISIONS: sum(stars)})
    bare = [_STAR.sub("", line) if star else line for line, star in zip(lines, stars, strict=True)]
    return "\n".join(_joined(bare, kinds)).replace(_FEED, "\n"), +found


def tidy(elements: Iterable[Element], *, paged: bool = False) -> tuple[list[Element], Counter[str]]:
    """Elements without continuation marks; parts of a speech that a page break divides are joined.

    Args:
        elements: Elements of a script.
        paged: True if the script has pages, where `ANNA (CONT'D)` continues the speech of `ANNA (V.O.)`.
    """
    kept: list[Element] = []
    found: Counter[str] = Counter()
    speaker = ""  # of the last speech, until another element follows
    for element in elements:
        mark = _mark(element)
        found[mark] += bool(mark)
        if element.kind == "character":
            name = " ".join(_CONTD.sub("", element.text).split()) or element.text
            # A cue with a mark that repeats the speaker is dropped, which joins the two parts of the speech.
            if not (mark and name in {speaker, bare_name(speaker) if paged else speaker}):
                kept.append(replace(element, text=name))
                speaker = name
        elif not mark:
            speaker = speaker if element.kind in {"dialogue", "parenthetical"} else ""
            _append(kept, element)
    return kept, +found


def _mark(element: Element) -> str:
    """Kind of artifact that an element is; empty for nearly all."""
    if element.kind == "character":
        return MORE if _CONTD.search(element.text) else ""
    if element.kind in {"action", "transition"} and _FADE_IN.fullmatch(element.text):
        return FADE_IN
    text = f"({element.text})" if element.kind == "parenthetical" else element.text
    is_printed = element.kind in {"action", "dialogue", "parenthetical"} and (
        _MORE.fullmatch(text) or _CONTD.fullmatch(text)
    )
    return MORE if is_printed else ""


def _append(kept: list[Element], element: Element) -> None:
    last = kept[-1] if kept else None
    if last is not None and last.kind == element.kind == "dialogue":
        parted = " " if _OPEN_END.search(last.text) else "\n"
        kept[-1] = replace(last, text=f"{last.text}{parted}{element.text}")
    else:
        kept.append(element)


def _without_library(lines: Sequence[str]) -> tuple[list[str], Counter[str]]:
    """Lines between the two by which Project Gutenberg separates a document from its own text."""
    start = next((place + 1 for place, line in enumerate(lines) if _OPENS.match(line)), 0)
    end = next((place for place, line in enumerate(lines) if place >= start and _CLOSES.match(line)), len(lines))
    return list(lines[start:end]), +Counter({LIBRARY: start + len(lines) - end})


def _kind(lines: Sequence[str], place: int, watermarks: set[str]) -> str:
    """Kind of artifact that a line is; empty if it belongs to the script."""
    line = lines[place].replace(_FEED, "").strip()
    if not line or len(line) > MAX_MARK:
        return ""
    if _MORE.fullmatch(line):
        return MORE
    if _CONTINUED.fullmatch(line):
        return CONTINUED
    if _REVISED.fullmatch(line):
        return REVISIONS
    if _normal(line) in watermarks:
        return WATERMARKS
    is_number = _is_running_head(lines, place) or (_NUMBER.fullmatch(line) and _is_alone(lines, place))
    return NUMBERS if is_number else ""


def _is_running_head(lines: Sequence[str], place: int) -> bool:
    """True for words and a page number alone on a line, with a date or draft number, or at the top of a page."""
    line = lines[place].replace(_FEED, "").strip()
    found = _RUNNING_HEAD.fullmatch(line)
    if found is None or heading_of(line) or not _is_alone(lines, place):
        return False
    return bool(_DATED.search(found["words"])) or _FEED in lines[place] or line.endswith(".")


def _counted_heads(lines: Sequence[str]) -> set[int]:
    """Places of lines with the same words and numbers that count pages, whatever is above and below them."""
    found: dict[str, dict[int, int]] = {}
    for place, line in enumerate(lines):
        words = line.replace(_FEED, "").strip()
        head = _RUNNING_HEAD.fullmatch(words) if len(words) <= MAX_MARK else None
        is_below = place > 0 and heading_of(lines[place - 1].strip())  # a heading may take two lines
        if head and not (heading_of(words) or is_below):
            found.setdefault(_normal(head["words"]), {})[place] = int(head["number"])
    counted = [pages for pages in found.values() if _is_count(list(pages.values()))]
    # Lines that are close to each other are on one page.
    apart = [pages for pages in counted if min(b - a for a, b in pairwise(pages)) >= MIN_PAGE_LINES]
    return {place for pages in apart for place in pages}


def _is_count(numbers: Sequence[int]) -> bool:
    """True if most of the numbers are one higher than the number before them."""
    steps = sum(below - above == 1 for above, below in pairwise(numbers))
    return len(numbers) >= COUNTED and steps >= COUNTED_SHARE * (len(numbers) - 1)


def _without_speech_numbers(lines: Sequence[str]) -> tuple[list[str], int]:
    """Lines without the numbers before names, if these count speeches; and how many they are."""
    found = {
        place: one
        for place, line in enumerate(lines)
        if (one := _NUMBERED_NAME.fullmatch(line[:MAX_MARK])) and may_be_cue(_SPLIT.split(one["name"])[0])
    }
    names = {bare_name(_SPLIT.split(one["name"])[0]) for one in found.values()}
    # Unlike the numbered places of scenes, names soon recur.
    is_often = len(found) >= max(MANY_SPEECHES, 2 * len(names))
    if not (is_often and _is_count([int(one["number"]) for one in found.values()])):
        return list(lines), 0
    bare = list(lines)
    for place, one in found.items():  # a name at the margin stays there, any other in its column
        blanks = one.start("name") - one.end("indent") if one["indent"] else 0
        bare[place] = one["indent"] + " " * blanks + lines[place][one.start("name") :]
    return bare, len(found)


def _without_countdowns(kinds: Sequence[str]) -> list[str]:
    """Exempts numbers that closely follow each other, since they are not page numbers."""
    numbers = [place for place, kind in enumerate(kinds) if kind == NUMBERS]
    counted = {place for pair in pairwise(numbers) if pair[1] - pair[0] < MIN_PAGE_LINES for place in pair}
    return ["" if place in counted else kind for place, kind in enumerate(kinds)]


def _is_alone(lines: Sequence[str], place: int) -> bool:
    """True if no line of the script is directly above or below."""
    above, below = (lines[at] if 0 <= at < len(lines) else "" for at in (place - 1, place + 1))
    return _FEED in lines[place] or all(
        not line.strip() or _FEED in line or _CONTINUED.fullmatch(line) for line in (above, below)
    )


def _watermarks(lines: Sequence[str]) -> set[str]:
    """Lines that recur on half of the pages and are alone there; headings, cues and cuts recur too."""
    feeds = sum(_FEED in line for line in lines)
    # Without form feeds, the number of pages is estimated from the number of lines.
    pages = feeds or sum(bool(line.strip()) for line in lines) // PAGE_LINES
    if pages < MIN_PAGES:
        return set()
    is_double = _is_double_spaced(lines)
    found: dict[str, list[int]] = {}
    for place, line in enumerate(lines):
        if _may_be_watermark(lines, place) and (not is_double or _is_at_feed(lines, place)):
            found.setdefault(_normal(line), []).append(place)
    least = max(MIN_PAGES, PAGES_SHARE * pages)
    return {line for line, places in found.items() if len(places) >= least and _is_paged(lines, places)}


def _is_paged(lines: Sequence[str], places: Sequence[int]) -> bool:
    """True if lines recur at page breaks, or at about equal distances; repetition in dialogue does neither."""
    turns = sum(_is_at_feed(lines, place) for place in places)
    gaps = sorted(below - above for above, below in pairwise(places))
    usual = gaps[len(gaps) // 2]
    even = sum(abs(gap - usual) <= EVEN * usual for gap in gaps)
    return turns > PAGES_SHARE * len(places) or (usual >= MIN_PAGE_LINES and even >= EVEN_SHARE * len(gaps))


def _is_double_spaced(lines: Sequence[str]) -> bool:
    """True if hardly any line is directly below another: there, every line is alone."""
    close = sum(bool(above.strip() and line.strip()) for above, line in pairwise(lines))
    return close <= CLOSE_SHARE * sum(bool(line.strip()) for line in lines)


def _is_at_feed(lines: Sequence[str], place: int) -> bool:
    return any(_FEED in near for near in lines[max(place - TURN, 0) : place + TURN + 1])


def _may_be_watermark(lines: Sequence[str], place: int) -> bool:
    line = lines[place].replace(_FEED, "").strip()
    if not line or len(line) > MAX_MARK or heading_of(line) or line[0] in "(#._*>" or line.endswith("TO:"):
        return False
    if may_be_cue(line) and not _is_at_feed(lines, place):
        return False  # if every other line is empty, a name is alone too
    above, below = (lines[at] if 0 <= at < len(lines) else "" for at in (place - 1, place + 1))
    is_alone = all(not near.strip() or _FEED in near or _NUMBER.fullmatch(near) for near in (above, below))
    return (" " in line or "@" in line) and (is_alone or _FEED in lines[place])


def _normal(line: str) -> str:
    """A line with its numbers masked, since pages may differ only in these."""
    return re.sub(r"\d+", "#", " ".join(line.replace(_FEED, "").split()).casefold())


def _joined(lines: Sequence[str], kinds: Sequence[str]) -> Iterable[str]:
    """The remaining lines, without the empty lines where a page break divides a sentence."""
    kept: list[str] = []
    turned = False
    for line, kind in zip(lines, kinds, strict=True):
        turned |= bool(kind) or _FEED in line
        if kind:
            continue
        if line.strip():
            if turned:
                _close_up(kept, line)
            turned = False
        kept.append(line)
    return kept


def _close_up(kept: list[str], line: str) -> None:
    above = next((place for place in range(len(kept) - 1, -1, -1) if kept[place].strip()), None)
    goes_on = line.lstrip(f"{_FEED} \t")[:1].islower()
    if above is not None and goes_on and _OPEN_END.search(kept[above].rstrip()):
        del kept[above + 1 :]
