"""Lists the films or scripts at a path, with metadata from films.csv, scripts.csv or samples.csv beside them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from curation.annotations.sample_tables import SAMPLES, read_beside
from curation.errors import DataError
from curation.intake.candidates import Candidate, Listing, UnrecognisedFile
from curation.intake.walk import Walk
from curation.store.taxonomy import resolve

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from curation.intake.whole_files.kind import FileKind


def scan_files(path: Path, kind: FileKind, labels: Sequence[str], only: Iterable[str] | None = None) -> Listing:
    """Lists the files of a kind at a path without opening one.

    Args:
        path: A file, or a folder of files.
        kind: Their kind.
        labels: The taxonomy, for folders named after a label.
        only: Names directly below the folder; None: all.

    Raises:
        DataError: There is no such file, or the table beside them is wrong.
    """
    if path.is_file():
        if not kind.has(path):
            message = f"{path.name} is not a {kind.one} by its name"
            raise DataError(message, f"give a folder, or one of {', '.join(sorted(kind.suffixes))}")
        path, only = path.parent, [path.name]
    folder = path.resolve()
    table = next((folder / name for name in (kind.table, SAMPLES) if (folder / name).is_file()), None)
    walk = Walk(folder, only)
    files = [(name, file) for name, file in walk.files if kind.has(file)]
    by_path = {one.path: one for one in read_beside(table, kind.one)} if table is not None else {}
    listing = Listing(f"{kind.one}s", folder, [], len(files), unrecognised=walk.links, tables=[table] if table else [])
    listing.candidates = [replace(by_path.pop(name, Candidate(name, "")), path=name, file=file) for name, file in files]
    if only is None:  # for a part of the folder, the table also describes files that are not meant
        listing.candidates += by_path.values()
    if kind.labelled_by_folder:
        listing.candidates = [_labelled(one, folder, labels) for one in listing.candidates]
    others = [one for one in walk.files if one not in files and one[1] != table]
    listing.others = [_unrecognised(name, file, kind) for name, file in others]
    listing.empty = walk.empty
    listing.hide_paths = any(one.performer for one in listing.candidates)
    return listing


def _labelled(candidate: Candidate, folder: Path, labels: Sequence[str]) -> Candidate:
    """Labels a candidate by its nearest folder named after a label; a label from a table takes precedence."""
    names = [*PurePosixPath(candidate.path).parts[-2::-1], folder.name]
    found = candidate.label or next((name for name in names if resolve(name, labels)), "")
    return replace(candidate, label=found)


def _unrecognised(path: str, file: Path, kind: FileKind) -> UnrecognisedFile:
    remedy = f"take it out, or convert it to one of {', '.join(sorted(kind.suffixes))}"
    return UnrecognisedFile(path, file, f"is not a {kind.one} by its name", remedy)
