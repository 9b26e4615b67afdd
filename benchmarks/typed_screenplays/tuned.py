"""Styles that the reader was developed on: named ones with one peculiarity each, and random ones with several."""

from __future__ import annotations

import random
from dataclasses import replace

from benchmarks.typed_screenplays.former import FORMER
from benchmarks.typed_screenplays.story import Words
from benchmarks.typed_screenplays.style import Style, flush
from benchmarks.typed_screenplays.web import TITLE_PAGE, WEB

WORDS = Words(
    names=(
        "ANNA", "MARK", "OLD MAN", "DR. HALE", "McCLANE", "COP #2", "MRS. O'BRIEN", "JEAN-LUC", "THE INSPECTOR",
        "2ND GUARD", "MAN IN HAT",
    ),
    places=(
        "MILL", "KITCHEN", "THE OLD STATION", "CAR (MOVING)", "ATTIC", "POLICE STATION - HALL", "ANNA'S ROOM",
        "ROOM 12", "McCLANE'S OFFICE", "2ND FLOOR",
    ),
    insides=("INT.", "EXT."),
)  # fmt: skip
PAGE = Style(words=WORDS, margin=8, name=24, right=44)
AT_MARGIN: dict[str, object] = {"dialogue": 0, "aside": 8, "name": 16}
NUMBERS = ("{n}.", "{n}:", "{n}b", "{n}CCC", "A-{n}", "{n}A", "{n}-{m}", "#{n}")
DOUBLE: dict[str, object] = {"between": 1, "gap": 1, "above": 3, "paragraph": 3, "over": 5}


def _changed(style: Style, *changes: dict[str, object]) -> Style:
    for change in changes:
        style = replace(style, **change)  # type: ignore[arg-type]  # each value is of its field
    return replace(style, far=style.left) if style.left and style.far else style


NAMED: dict[str, Style] = {
    "usual": PAGE,
    "at margin": _changed(PAGE, AT_MARGIN),
    "near margin": replace(PAGE, dialogue=2, aside=8, name=18),
    "narrow": replace(PAGE, margin=0, dialogue=6, aside=10, name=14),
    "wide": replace(PAGE, margin=20, dialogue=12, aside=20, name=30),
    "centred": replace(PAGE, centred=True, name=30, right=60),
    "drift": replace(PAGE, alternate=6, margin=12),
    "drift ten": replace(PAGE, alternate=10, margin=12, pages="number"),
    "drift back": replace(PAGE, alternate=-7, margin=14, pages="continued head"),
    "numbers left": replace(PAGE, left="{n}"),
    "numbers right": replace(PAGE, far="{n}"),
    "numbers both": replace(PAGE, left="{n}", far="{n}", stars=0.07),
    "numbers narrow": replace(_changed(PAGE, AT_MARGIN), left="{n}", far="{n}", number_gap=1),
    **{f"number {form}": replace(PAGE, left=form) for form in NUMBERS},
    "double": _changed(PAGE, DOUBLE),
    "double at margin": _changed(PAGE, DOUBLE, AT_MARGIN),
    "apart": replace(PAGE, gap=1),
    "blanks": replace(PAGE, blank="     "),
    "blanks narrow": replace(PAGE, blank="     ", dialogue=2, aside=6, name=14, margin=4),
    "mixed": replace(PAGE, heading_case="title"),
    "words": replace(PAGE, words=replace(WORDS, insides=("INTERIOR -", "EXTERIOR -"))),
    "marks": replace(PAGE, words=replace(WORDS, insides=("I./E.", "E/I."))),
    "strong": replace(PAGE, strong=True),
    "tags": replace(PAGE, tags=True),
    "small names": replace(PAGE, cue_case="title"),
    "colon": replace(PAGE, cue="{name} {extension}:"),
    "pages": replace(PAGE, pages="number", more=True),
    "heads": replace(PAGE, pages="head", more=True),
    "feeds": replace(PAGE, pages="continued head", more=True, stars=0.07),
    "tabs": replace(PAGE, margin=0, dialogue=8, aside=16, name=24, indent="tabs"),
    "tight": replace(PAGE, above=0),
    "two lines": replace(PAGE, broken=True),
    "title page": replace(PAGE, front=TITLE_PAGE),
    "before": replace(PAGE, opening=True),
    "cp1252": replace(PAGE, encoding="cp1252", newline="\r\n"),
    "flush": flush(PAGE),
    "flush numbers": replace(flush(PAGE), left="{n}", far="{n}"),
    "flush blanks": replace(flush(PAGE), blank="     "),
    "flush colon": replace(flush(PAGE), cue="{name} {extension}:"),
    "flush apart": replace(flush(PAGE), gap=1),
}

_CHOICES: dict[str, tuple[dict[str, object], ...]] = {
    "margin": tuple({"margin": value} for value in (0, 8, 15, 17, 2)),
    "dialogue": tuple({"dialogue": value, "aside": value + 6} for value in (10, 12, 0, 1, 6)),
    "name": tuple({"name": value} for value in (22, 30, 16, 24)),
    "drift": ({}, {"alternate": 6}),
    "numbers": (
        {}, {"left": "{n}"}, {"left": "{n}", "far": "{n}"}, {"far": "{n}"},
        {"left": "{n}", "far": "{n}", "number_gap": 1},
    ),
    "number": tuple({"left": form} for form in NUMBERS),
    "heading": tuple(
        {"heading": form}
        for form in ("{inside} {where} - {time}", "{inside}  {where} - {time}", "{inside} {where}   {time}")
    ),
    "case": ({}, {"heading_case": "title"}),
    "strong": ({}, {"strong": True}),
    "cue": tuple({"cue": form} for form in ("{name}", "{name}:", "{name} (CONT'D)", "{name} (V.O.)")),
    "spacing": ({}, DOUBLE, {"gap": 1}, {"above": 0}),
    "blank": ({}, {"blank": "   "}),
    "pages": tuple({"pages": name} for name in ("", "only feed", "number", "head")),
    "opening": ({}, {"opening": True}),
    "broken": ({}, {"broken": True}),
}  # fmt: skip


def by_lot(seed: int, count: int, changes: int = 3) -> list[Style]:
    """Random styles: first every peculiarity alone, then several in one style."""
    chance = random.Random(seed)  # noqa: S311 - not a secret
    usual = Style(words=WORDS, margin=0)
    styles = [_changed(usual, change) for changes_ in _CHOICES.values() for change in changes_ if change]
    while len(styles) < count:
        names = chance.sample(list(_CHOICES), changes)
        styles.append(_changed(usual, *(chance.choice(_CHOICES[name]) for name in names)))
    return styles[:count]


def tuned(seed: int, count: int) -> dict[str, Style]:
    """All styles that the reader was developed on: the named ones, and so many random ones."""
    return {**NAMED, **WEB, **FORMER, **{f"by lot {number}": style for number, style in enumerate(by_lot(seed, count))}}
