"""What is looked at in every work and in every scene of it, and the checks that need nothing but these figures."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pandas as pd
import py3langid

from curation.quality.reasons import mark
from curation.script.text_encoding import LOST, is_mixed

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from curation.params import ScriptParams
    from curation.script.document import Scene, Work

SAMPLE = 20_000  # signs by which a language is told
LEAST = 200  # signs; of fewer nobody knows
NOTHING = {"headings": 0, "cues": 0, "speakers": 0, "broken": 0.0, "language": ""}
_OPEN_END = re.compile(r"[^\W\d_][,;]?-?$")
FIGURES = ("headings", "cues", "speakers")  # what a script has at least so many of


def look_at_all(rows: pd.Index, read: Mapping[Any, Work]) -> pd.DataFrame:
    """The figures of works, one row each; of those that were not read there is nothing."""
    figures = [_look_at(read[row]) if row in read else NOTHING for row in rows]
    return pd.DataFrame(figures, index=rows)


def _look_at(work: Work) -> dict[str, Any]:
    return {
        "headings": work.headings,
        "cues": len(work.cues),
        "speakers": len(set(work.cues)),
        "broken": round(broken_share(work.scenes), 4),
        "language": language_of(work.scenes),
    }


def broken_share(scenes: Iterable[Scene]) -> float:
    """The share of paragraphs that end in the middle of a sentence and go on in the next, as a scan parts lines.

    What a parenthetical parts is not looked at: a sentence may well go on after it.
    """
    broken = total = 0
    for scene in scenes:
        parts = [one for one in scene.elements if one.kind in {"action", "dialogue", "parenthetical", "character"}]
        total += sum(one.kind in {"action", "dialogue"} for one in parts)
        for first, second in pairwise(parts):
            told = first.kind in {"action", "dialogue"} and second.kind == "action"
            broken += bool(told and _OPEN_END.search(first.text) and second.text[:1].islower())
    return broken / total if total else 0.0


def language_of(scenes: Iterable[Scene]) -> str:
    """The language of a work (ISO 639-1), by what is done and said in it; empty where that is too little."""
    text = "\n".join(scene.words for scene in scenes)[:SAMPLE]
    return str(py3langid.classify(text)[0]) if len(text) >= LEAST else ""


def _too_little(works: pd.DataFrame, params: ScriptParams) -> pd.Series:
    """The params of all figures that each work has too little of: changing one of two keeps nothing."""
    lacking = pd.Series("", index=works.index)
    for figure in FIGURES:
        path = (works[figure] < getattr(params, f"min_{figure}")).map({True: f"script.min_{figure} ", False: ""})
        lacking = lacking + path
    return lacking.str.strip()


def mark_works(works: pd.DataFrame, params: ScriptParams) -> None:
    """Marks what a work shows as a whole: broken lines, which break cues too; no script; another language."""
    share = works["broken"].map("{:.0%} of the paragraphs go on in the next".format)
    share += f", max_broken_lines {params.max_broken_lines:g}"
    mark(works, works["broken"] > params.max_broken_lines, "broken lines", share)
    loosened = _too_little(works, params)
    for figure in FIGURES:
        least = getattr(params, f"min_{figure}")
        why = works[figure].map(f"{{:,}} {figure}".format) + f", min_{figure} {least}"
        mark(works, works[figure] < least, "no script", why, loosened)
    if params.language:
        other = ~works["language"].isin(["", params.language])
        mark(works, other, "another language", "in " + works["language"] + f", language {params.language}")


def mark_scenes(table: pd.DataFrame, params: ScriptParams) -> None:
    """Marks what a scene shows by itself: bytes that are lost, letters of another encoding, next to nothing."""
    mark(table, table["text"].map(lambda text: LOST in text), "undecodable", "bytes that are not letters")
    mark(table, table["text"].map(is_mixed), "mixed encodings", "letters that a wrong encoding makes")
    short = table["signs"].map("{:,} characters".format) + f", min_text_length {params.min_text_length}"
    mark(table, table["signs"] < params.min_text_length, "too short", short)
