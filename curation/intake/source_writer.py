"""Reads and writes the index of one source for an intake, whatever its medium."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from common.atomic import replacing
from curation.medium import by_name
from curation.store.consent import may_train, read_expired
from curation.store.index import INDEX, SOURCE, read_source_index, schema_of
from curation.store.source_info import read_metadata

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from curation.intake.job import Job

Row = dict[str, Any]
TERMS = ("use", "until", "caption")  # the latest values apply, whenever the sample came in


def rows_of(folder: Path) -> list[Row]:
    """The rows of a source; none if it is new."""
    if not (folder / INDEX).is_file():
        return []
    return [{str(name): value for name, value in row.items()} for row in read_source_index(folder).to_dict("records")]


def write_index(job: Job, layout: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Writes source.json, then the index, which commits the samples."""
    before = read_metadata(job.folder)
    metadata = {"starter": job.starter, "licence": job.licence or before.get("licence", "")}
    if credit := job.credit or before.get("credit", ""):
        metadata["credit"] = credit
    metadata |= {"layout": layout, "medium": job.params.medium}
    with replacing(job.folder / SOURCE) as partial:
        partial.write_text(json.dumps(metadata, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    written = [{**row, "votes": list(row["votes"].items()) if row["votes"] else None} for row in rows]
    schema = schema_of(job.params.medium, by_name(job.params.medium).columns)
    with replacing(job.folder / INDEX) as partial:
        pq.write_table(pa.Table.from_pylist(written, schema=schema), partial)


def withheld(job: Job, rows: Sequence[Row]) -> Iterator[str]:
    """Notes on samples that are in but excluded from training; dates are compared when the splits are extended."""
    expired = read_expired(job.root, job.collection)
    ended = sum(row["id"] in expired for row in rows)
    if ended:
        yield f"{ended:,} of {len(rows):,} will not be learned from: their consent has ended (until)"
    uses = Counter(row["use"] for row in rows if not may_train(row["use"]))
    for use, count in uses.most_common(3):
        yield f"{count:,} of {len(rows):,} will not be learned from: their use is {use!r}, without `training`"
