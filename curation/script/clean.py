"""Clean for scripts: checks documents as a whole, then their scenes; the kept ones are canonical Fountain, in order.

A scene inherits the split, the group and the terms of its document, so no play spans two splits. Of two drafts of one
document the one in test stays, else the one in validation; the same holds for scenes that occur in two documents, so
that nothing is both trained on and evaluated. Documents in another language are kept apart: packed, but in no split.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from common.progress import progress
from curation.errors import RefusedError
from curation.quality.readers import TextReader
from curation.quality.reasons import mark
from curation.quality.verdicts import Examined, copies_found, places, withhold
from curation.script import medium
from curation.script.checks import look_at_all, mark_documents, mark_scenes
from curation.script.document import TAKEN_OUT, read_document
from curation.script.near_duplicates import mark_copies, runs_of
from curation.store.consent import read_expired
from curation.store.index import read_bytes, read_index, sources
from curation.store.sample_set import REASONS_APART, array_names
from curation.store.source_info import credits_by_source, real_sources

if TYPE_CHECKING:
    from pathlib import Path

    from curation.params import CollectionParams, ScriptCheckParams
    from curation.script.document import Document, Scene

UNNAMED = "no genre"
MAX_LOST = 0.01  # share of a document's words; above it needs review
EXTRAS = ("document", "scene", "heading", "speakers", "cues", "language", "licence")
COPIES = ("exact duplicate", "another draft", "near duplicate")
# Columns that a scene inherits from its document.
OF_DOCUMENT = (
    "source", "sha256", "label", "split", "group", "performer", "votes", "use", "until", "caption", "licence",
    "grouped", "language", "reason", "why", "param", "copy_of",
)  # fmt: skip


def examine(root: Path, collection: str, params: CollectionParams) -> Examined:
    """Reads all documents, and runs all checks over them and their scenes.

    Raises:
        DataError: There are no scripts, or one is missing or damaged.
    """
    index = read_index(root, collection, params)
    documents = index.sort_values(["source", "id"], ignore_index=True)
    documents = documents.assign(reason="", why="", copy_of=None, label=documents["label"].replace("", UNNAMED))
    withhold(documents, documents["id"], read_expired(root, collection))
    read = _read(root, collection, documents)
    table = _judged(documents.assign(**look_at_all(documents.index, read)), _scenes(documents, read), params.script)
    _place(table)
    extra = _info(root, collection, table, read)
    left_out = dict(index.attrs.get("left_out", {}))
    return Examined(medium, table, [], left_out, TextReader(), EXTRAS, extra)


def _judged(documents: pd.DataFrame, scenes: pd.DataFrame, params: ScriptCheckParams) -> pd.DataFrame:
    """Scenes marked with the faults of their documents and their own."""
    mark_documents(documents, params)
    parts = scenes.groupby("of")
    texts, runs = parts["text"].agg("".join), parts["runs"].agg(_union)
    mark_copies(documents, texts, runs, params.near_document_overlap, "another draft")
    table = _with_documents(scenes, documents)
    mark_scenes(table, params)
    mark_copies(table, table["text"], table["runs"], params.near_scene_overlap, "near duplicate")
    return table


def _read(root: Path, collection: str, documents: pd.DataFrame) -> dict[Any, Document]:
    """Readable documents by the index label of their row; the others are marked."""
    read: dict[Any, Document] = {}
    wanted = documents[documents["reason"] == ""]
    with progress(total=len(wanted), title="clean: read", unit="document") as bar:
        for row, data in read_bytes(root, collection, wanted):
            suffix = f".{documents['shard'][row].rpartition('.')[2]}"
            try:
                read[row] = read_document(data, suffix)
            except RefusedError as error:
                mark(documents, pd.Series(documents.index == row), "unreadable", error.reason)
            bar.update()
    return read


def _scenes(documents: pd.DataFrame, read: dict[Any, Document]) -> pd.DataFrame:
    """One row a scene, in order; one placeholder row for a document that has none or was not read."""
    nothing = {"scene": 0, "heading": "", "speakers": [], "cues": 0, "text": "", "signs": 0, "runs": runs_of("")}
    scenes = [
        {"of": row, **values}
        for row in documents.index
        for values in ([_row(scene) for scene in read[row].scenes] if row in read else []) or [nothing]
    ]
    ids = [f"{documents['id'][scene['of']]}-{scene['scene']:04d}" for scene in scenes]
    return pd.DataFrame(scenes).assign(id=ids)


def _row(scene: Scene) -> dict[str, Any]:
    return {
        "scene": scene.number,
        "heading": scene.heading,
        "speakers": list(dict.fromkeys(scene.cues)),
        "cues": len(scene.cues),
        "text": scene.text,
        "signs": len(scene.words),
        "runs": runs_of(scene.words),
    }


def _union(runs: pd.Series) -> np.ndarray:
    return np.unique(np.concatenate(list(runs)))


def _with_documents(scenes: pd.DataFrame, documents: pd.DataFrame) -> pd.DataFrame:
    """Scenes with the columns of their documents; if a document is a copy, each of its scenes is a copy too."""
    table = scenes.join(documents[list(OF_DOCUMENT)], on="of").assign(document=scenes["of"].map(documents["title"]))
    known = set(table["id"])
    copies = [
        other and _counterpart(str(other), name, known)
        for other, name in zip(table["copy_of"], table["id"], strict=True)
    ]
    return table.assign(copy_of=pd.Series(copies, index=table.index, dtype=object))


def _counterpart(document: str, scene: str, known: set[str]) -> str:
    """The scene of the same number in another document, or its first if it has fewer."""
    same = f"{document}-{scene.rpartition('-')[2]}"
    return same if same in known else f"{document}-0001"


def _place(table: pd.DataFrame) -> None:
    """Sets kept, and the position of each text in its array, in bytes."""
    table["kept"] = table["reason"] == ""
    table["row"] = places(table)
    table["length"] = table["text"].map(lambda text: len(text.encode())).where(table["row"] >= 0, 0)
    ends = table["length"].groupby(array_names(table)).cumsum()
    table["offset"] = (ends - table["length"]).where(table["row"] >= 0, -1)


def _info(root: Path, collection: str, table: pd.DataFrame, read: dict[Any, Document]) -> dict[str, Any]:
    """Labels that occur, required credit lines, starter sources, and findings by document."""
    real = real_sources(root, collection)
    taken_out = sum((document.taken_out for document in read.values()), Counter[str]())
    apart = table.loc[table["reason"].isin(REASONS_APART), "language"].map("in {}".format).value_counts()
    return {
        "labels": sorted(table.loc[table["kept"], "label"].unique()),
        "credits": credits_by_source(root, collection),
        "starters": [name for name in sources(root, collection) if name not in real],
        "findings": {
            **copies_found(table, COPIES),
            "kept apart": {str(name): int(count) for name, count in sorted(apart.items())},
            "taken out": {kind: taken_out[kind] for kind in TAKEN_OUT},
            "words": _words(read),
        },
        "documents": {
            name: _account(scenes, read.get(scenes["of"].iloc[0]))
            for name, scenes in table.groupby(table["id"].str.rpartition("-")[0])
        },
    }


def _account(scenes: pd.DataFrame, document: Document | None) -> dict[str, Any]:
    first = scenes.iloc[0]
    return {
        "title": first["document"],
        **{name: first[name] for name in ("source", "split", "language")},
        "scenes": int((scenes["scene"] > 0).sum()),
        "kept": int(scenes["kept"].sum()),
        "taken_out": dict(sorted(document.taken_out.items())) if document is not None else {},
        "words": asdict(document.words) if document is not None else {},
    }


def _words(read: dict[Any, Document]) -> dict[str, int]:
    """Words of all documents: left out by reason, and lost; and the number of documents that lost more than a few."""
    accounts = [document.words for document in read.values()]
    left_out = sum((Counter(one.left_out) for one in accounts), Counter[str]())
    return {
        "in the files": sum(one.total for one in accounts),
        **{f"left out: {reason}": count for reason, count in sorted(left_out.items())},
        "lost": sum(one.lost for one in accounts),
        f"documents that lost over {MAX_LOST:.0%}": sum(one.lost > MAX_LOST * one.total for one in accounts),
    }
