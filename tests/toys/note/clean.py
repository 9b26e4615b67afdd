"""Clean for notes: one check."""

from __future__ import annotations

from typing import TYPE_CHECKING

from curation.note import medium
from curation.quality.readers import TextReader
from curation.quality.reasons import mark
from curation.quality.verdicts import Examined, places, withhold
from curation.store.consent import read_expired
from curation.store.index import read_bytes, read_index
from curation.store.sample_set import array_names

if TYPE_CHECKING:
    from pathlib import Path

    from curation.params import CollectionParams


def examine(root: Path, collection: str, params: CollectionParams) -> Examined:
    """Reads all notes; those that are too short are dropped."""
    index = read_index(root, collection, params)
    table = index.sort_values(["source", "id"], ignore_index=True).assign(reason="", why="", copy_of=None)
    withhold(table, table["id"], read_expired(root, collection))
    texts = {row: data.decode() for row, data in read_bytes(root, collection, table[table["reason"] == ""])}
    table["text"] = table.index.map(texts.get)
    least = params.note.min_length
    mark(table, table["text"].str.len() < least, "too short", f"shorter than {least} characters")
    table["kept"] = table["reason"] == ""
    table["row"] = places(table)
    table["length"] = table["text"].map(lambda text: len(text.encode())).where(table["row"] >= 0, 0)
    table["offset"] = table.groupby(array_names(table))["length"].cumsum() - table["length"]
    return Examined(medium, table, [], dict(index.attrs.get("left_out", {})), TextReader())
