"""Statistics of documents and their scenes, and the checks that need only these."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pandas as pd
import py3langid

from curation.quality.reasons import mark
from rushes.screenplay_files.text_encoding import LOST, is_mixed

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from curation.params import ScriptCheckParams
    from curation.script.document import Document, Scene

SAMPLE = 20_000  # characters used to identify a language
LEAST = 200  # characters; with fewer the language is unknown
NOTHING = {"headings": 0, "cues": 0, "speakers": 0, "broken": 0.0, "language": ""}
_OPEN_END = re.compile(r"[^\W\d_][,;]?-?$")
FIGURES = ("headings", "cues", "speakers")  # counts with a minimum


def look_at_all(rows: pd.Index, read: Mapping[Any, Document]) -> pd.DataFrame:
    """Statistics of documents, one row each; NOTHING for those that were not read."""
    figures = [_look_at(read[row]) if row in read else NOTHING for row in rows]
    return pd.DataFrame(figures, index=rows)


def _look_at(document: Document) -> dict[str, Any]:
    return {
        "headings": document.headings,
        "cues": len(document.cues),
        "speakers": len(set(document.cues)),
        "broken": round(broken_share(document.scenes), 4),
        "language": language_of(document.scenes),
    }


def broken_share(scenes: Iterable[Scene]) -> float:
    """Share of paragraphs that break off in mid-sentence and continue in the next, as in scans.

    Parentheticals are ignored: a sentence may well continue after one.
    """
    broken = total = 0
    for scene in scenes:
        parts = [one for one in scene.elements if one.kind in {"action", "dialogue", "parenthetical", "character"}]
        total += sum(one.kind in {"action", "dialogue"} for one in parts)
        for first, second in pairwise(parts):
            spoken = first.kind in {"action", "dialogue"} and second.kind == "action"
            broken += bool(spoken and _OPEN_END.search(first.text) and second.text[:1].islower())
    return broken / total if total else 0.0


def language_of(scenes: Iterable[Scene]) -> str:
    """Language of a document (ISO 639-1), from its action and dialogue; empty if there is too little of it."""
    text = "\n".join(scene.words for scene in scenes)[:SAMPLE]
    return str(py3langid.classify(text)[0]) if len(text) >= LEAST else ""


def _too_little(documents: pd.DataFrame, params: ScriptCheckParams) -> pd.Series:
    """Params of every count that is too low in each document: relaxing one of two would keep nothing."""
    lacking = pd.Series("", index=documents.index)
    for figure in FIGURES:
        path = (documents[figure] < getattr(params, f"min_{figure}")).map({True: f"script.min_{figure} ", False: ""})
        lacking = lacking + path
    return lacking.str.strip()


def mark_documents(documents: pd.DataFrame, params: ScriptCheckParams) -> None:
    """Marks documents as a whole: broken lines first, since they break cues too; not a script; another language."""
    share = documents["broken"].map("{:.0%} of the paragraphs continue in the next".format)
    share += f", max_broken_lines {params.max_broken_lines:g}"
    mark(documents, documents["broken"] > params.max_broken_lines, "broken lines", share)
    loosened = _too_little(documents, params)
    for figure in FIGURES:
        least = getattr(params, f"min_{figure}")
        why = documents[figure].map(f"{{:,}} {figure}".format) + f", min_{figure} {least}"
        mark(documents, documents[figure] < least, "no script", why, loosened)
    if params.language:
        other = ~documents["language"].isin(["", params.language])
        mark(documents, other, "another language", "in " + documents["language"] + f", language {params.language}")


def mark_scenes(table: pd.DataFrame, params: ScriptCheckParams) -> None:
    """Marks single scenes: lost bytes, text in a wrong encoding, too little text."""
    mark(table, table["text"].map(lambda text: LOST in text), "undecodable", "bytes that are not letters")
    mark(table, table["text"].map(is_mixed), "mixed encodings", "letters that a wrong encoding makes")
    short = table["signs"].map("{:,} characters of text".format) + f", min_text_length {params.min_text_length}"
    mark(table, table["signs"] < params.min_text_length, "too short", short)
