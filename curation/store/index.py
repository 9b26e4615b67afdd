"""Index of a collection's raw samples, as the stages read it.

    datasets/C/SOURCE/index.parquet   one row a sample, whose bytes are in SOURCE/shard-NNNNNN.tar
                                      films: one row a shot of the film SOURCE/SHA256.mp4 or similar
                                      scripts: one row a document, the file SOURCE/SHA256.fountain or similar
                                      takes: one row a film SOURCE/SHA256.mov or similar, and its SOURCE/SHA256.csv
    datasets/C/splits.csv             id,split: made once, extended, never redrawn
    datasets/C/corrections.csv        id,label,reason: labels that reviewers corrected

SCHEMA has the columns of every index, those of films and scripts among them: every index was written with all of them,
and its bytes are versioned. A medium adds columns of its own by `Medium.columns`; their fields name it in the file.

On disk votes are counts by name, as they were cast: labels travel by name, so a taxonomy may grow or be reordered.
"""

from __future__ import annotations

import hashlib
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from common.commands import python, restore_committed
from common.hashing import sha256_of
from curation.errors import DataError
from curation.store.taxonomy import line_to_add, resolve, shares

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from curation.params import CollectionParams

INDEX = "index.parquet"
SOURCE = "source.json"
SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("source", pa.string()),
        ("sha256", pa.string()),
        ("label", pa.string()),
        ("split", pa.string()),  # as given: train, validation, test, or empty
        ("group", pa.string()),
        ("performer", pa.string()),
        ("votes", pa.map_(pa.string(), pa.float64())),
        ("use", pa.string()),
        ("until", pa.string()),
        ("caption", pa.string()),
        ("shard", pa.string()),
        ("member", pa.string()),
        ("offset", pa.int64()),
        ("size_bytes", pa.int64()),
        ("width", pa.int32()),
        ("height", pa.int32()),
        ("origin", pa.string()),
        # Films: a row is a shot with frames from `first` up to but excluding `end`; `shard` is the file of the film.
        ("film", pa.string()),
        ("first", pa.int64()),
        ("end", pa.int64()),
        ("start_s", pa.float64()),
        ("end_s", pa.float64()),
        # Scripts: a row is a document.
        ("title", pa.string()),
        ("licence", pa.string()),
    ]
)
OF_MEDIUM = b"medium"  # in the metadata of a field: the medium that declares the column
OPTIONAL = ("performer", "use", "until", "caption", "film", "first", "end", "start_s", "end_s", "title", "licence")


def schema_of(medium: str, columns: Mapping[str, str]) -> pa.Schema:
    """Schema that an index is written with.

    Args:
        medium: Name of the medium.
        columns: Its own columns, with the names of their Arrow types.
    """
    own = [pa.field(name, pa.type_for_alias(kind), metadata={OF_MEDIUM: medium}) for name, kind in columns.items()]
    return pa.schema([*SCHEMA, *own])


def collection_folder(root: Path, collection: str) -> Path:
    """Folder of a collection's raw samples."""
    return root / "datasets" / collection


def sources(root: Path, collection: str) -> list[str]:
    """Sources of a collection: its folders with an index."""
    return sorted(
        path.parent.name
        for path in collection_folder(root, collection).glob(f"*/{INDEX}")
        if not path.parent.name.startswith(".")
    )


def read_source_index(folder: Path) -> pd.DataFrame:
    """Index of one source as stored; `votes` are counts by name (a dict) or None.

    The columns are those of SCHEMA, then those of the source's medium. What the file lacks is None in each row.

    Raises:
        DataError: The file is damaged.
    """
    try:
        own = [field for field in pq.read_schema(folder / INDEX) if OF_MEDIUM in (field.metadata or {})]
        table = pq.read_table(folder / INDEX, schema=pa.schema([*SCHEMA, *own]))
    except (pa.ArrowInvalid, OSError) as error:
        message = f"{folder / INDEX} cannot be read: {error}"
        raise DataError(message, restore_committed(folder / INDEX, folder.parents[2])) from error
    votes = [dict(counts) if counts is not None else None for counts in table.column("votes").to_pylist()]
    frame = table.drop_columns(["votes"]).to_pandas()
    own_names = [field.name for field in own]
    for column in (*OPTIONAL, *own_names):
        frame[column] = frame[column].astype(object).where(frame[column].notna(), None)
    frame["votes"] = pd.Series(votes, index=frame.index, dtype=object)
    ordered: pd.DataFrame = frame[[*SCHEMA.names, *own_names]]
    return ordered


def read_sources(root: Path, collection: str) -> pd.DataFrame:
    """Indexes of all sources of a collection, concatenated, as stored."""
    folder = collection_folder(root, collection)
    frames = [read_source_index(folder / name) for name in sources(root, collection)]
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=SCHEMA.names)


def learned_from(names: pd.Series, params: CollectionParams) -> pd.Series:
    """True for each row whose source matches params.yaml."""
    named = [name for name in names.unique() if any(fnmatchcase(name, pattern) for pattern in params.sources)]
    return names.isin(named)


def read_index(root: Path, collection: str, params: CollectionParams) -> pd.DataFrame:
    """Samples of the sources in params.yaml, one row each, in a fixed order, index 0..N-1.

    The columns are those of `read_source_index`, ready for training: `label` is one of the taxonomy, with corrections
    applied (a corrected sample loses its votes, which were for another label); `votes` are shares in the taxonomy's
    order or None; `split` is that of splits.csv; `group` is never empty (the given group, else the performer, else the
    hash) and `grouped` is true if one was given. Samples whose label is no longer in params.yaml are left out;
    `.attrs["left_out"]` counts them by label.

    Raises:
        DataError: There are no samples, a sample has no split, or a correction has an unknown label.
    """
    rows = read_sources(root, collection)
    rows = rows[learned_from(rows["source"], params)].reset_index(drop=True)
    if rows.empty:
        _raise_nothing(root, collection, params)
    rows = _correct(rows, root, collection, params)
    rows = _in_taxonomy(rows, params.labels)
    rows["split"] = _splits(rows, root, collection)
    rows["grouped"] = (rows["group"] != "") | rows["performer"].notna()
    rows["group"] = groups(rows)
    rows["votes"] = pd.Series([counts and shares(counts, params.labels) for counts in rows["votes"]], dtype=object)
    return rows


def groups(rows: pd.DataFrame) -> pd.Series:
    """Groups that must stay in one split: the given group, else the performer, else the sample's hash."""
    given = rows["group"].where(rows["group"] != "", rows["performer"])
    return given.where(given.notna(), rows["sha256"].str[:12]).astype(str)


def read_bytes(root: Path, collection: str, rows: pd.DataFrame) -> Iterator[tuple[Any, bytes]]:
    """Reads the bytes of samples in the order of their position on disk, and checks each hash.

    Yields:
        The row's label in `rows.index`, and the bytes.

    Raises:
        DataError: A shard is missing or damaged.
    """
    for (source, shard), part in rows.groupby(["source", "shard"], sort=True):
        yield from _read_shard(collection_folder(root, collection) / str(source) / str(shard), part)


def check_stored(file: Path, sha256: str) -> None:
    """Checks a file of a source that is stored whole.

    Raises:
        DataError: It is missing or damaged.
    """
    if not file.is_file():
        message = f"{file} is missing, and the index of {file.parent.name} names it"
        raise DataError(message, "make nightly   # fetches it")
    if sha256_of(file) != sha256:
        message = f"{file} is damaged: its hash differs"
        raise DataError(message, restore_committed(file, file.parents[3]))


def read_csv(path: Path, columns: tuple[str, ...]) -> pd.DataFrame:
    """Reads a user-editable table of the collection, with all values as text.

    Raises:
        DataError: It cannot be read, lacks a column, or a line lacks a value.
    """
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
    except (ValueError, OSError) as error:
        message = f"{path} cannot be read: {error}"
        raise DataError(message, _fix(path)) from error
    missing = [column for column in columns if column not in table.columns]
    if missing:
        message = f"{path} has no column {', '.join(missing)}"
        raise DataError(message, f"its first line must be: {','.join(columns)}")
    short = table.index[(table[list(columns)] == "").any(axis=1)]
    if len(short):
        message = f"{path}, line {short[0] + 2}: it needs {' and '.join(columns)}"
        raise DataError(message, _fix(path))
    return table


def _fix(path: Path) -> str:
    """The line is a person's: the command keeps the file."""
    return f"fix the line, or restore the file: {restore_committed(path, path.parents[2])}"


def _read_shard(path: Path, rows: pd.DataFrame) -> Iterator[tuple[Any, bytes]]:
    if not path.is_file():
        message = f"{path} is missing, and the index of {path.parent.name} names it"
        raise DataError(message, "make nightly   # fetches it")
    ordered = rows.sort_values("offset")
    places = zip(ordered.index, ordered["offset"], ordered["size_bytes"], ordered["sha256"], strict=True)
    with path.open("rb") as file:
        for row, offset, size_bytes, sha256 in places:
            file.seek(offset)
            data = file.read(size_bytes)
            if hashlib.sha256(data).hexdigest() != sha256:
                message = f"{path} is damaged at byte {offset}: the hash differs"
                raise DataError(message, restore_committed(path, path.parents[3]))
            yield row, data


def _raise_nothing(root: Path, collection: str, params: CollectionParams) -> None:
    there = sources(root, collection)
    if there:
        message = f"none of {collection}'s sources ({', '.join(there)}) matches params.yaml: {params.sources}"
        raise DataError(message, f"name one in params.yaml, under collections.{collection}.sources")
    message = f"{collection} has no samples"
    raise DataError(message, f"ingest some: {python()} -m flows ingest {collection} PATH")


def _correct(rows: pd.DataFrame, root: Path, collection: str, params: CollectionParams) -> pd.DataFrame:
    path = collection_folder(root, collection) / "corrections.csv"
    if not path.is_file():
        return rows
    table = read_csv(path, ("id", "label"))
    labels = [resolve(name, params.labels) for name in table["label"]]
    if None in labels:
        line = labels.index(None)
        message = f"{path}, line {line + 2}: unknown label {table['label'][line]!r}"
        raise DataError(message, line_to_add(collection, params.labels, [table["label"][line]]))
    corrected = rows["id"].map(dict(zip(table["id"], labels, strict=True)))
    changed = corrected.notna() & (corrected != rows["label"])
    rows["label"] = corrected.where(changed, rows["label"])
    rows["votes"] = rows["votes"].where(~changed, None)
    return rows


def _in_taxonomy(rows: pd.DataFrame, labels: list[str]) -> pd.DataFrame:
    # A shot or a document may have no label.
    meant = rows["label"].map({name: name and resolve(name, labels) for name in rows["label"].unique()})
    left_out = rows.loc[meant.isna(), "label"].value_counts().to_dict()
    rows = rows.assign(label=meant)[meant.notna()].reset_index(drop=True)
    rows.attrs["left_out"] = {str(label): int(count) for label, count in left_out.items()}
    return rows


def _splits(rows: pd.DataFrame, root: Path, collection: str) -> pd.Series:
    splits = rows["id"].map(read_splits(root, collection))
    if splits.isna().any():
        message = f"{int(splits.isna().sum()):,} samples of {collection} have no split yet: an ingest was interrupted"
        raise DataError(message, "run: make nightly")
    return splits


def read_splits(root: Path, collection: str) -> dict[str, str]:
    """Splits by id, from splits.csv; empty if it does not exist yet."""
    path = collection_folder(root, collection) / "splits.csv"
    if not path.is_file():
        return {}
    table = read_csv(path, ("id", "split"))
    return dict(zip(table["id"], table["split"], strict=True))
