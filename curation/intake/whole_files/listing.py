"""Lists the films, scripts or takes at a path.

Their metadata come from a table beside them, such as films.csv or samples.csv, else from a layout of the paths.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from curation.annotations.path_patterns import compile_layout, fit
from curation.annotations.sample_tables import SAMPLES, read_beside
from curation.errors import DataError
from curation.intake.candidates import Candidate, Listing, UnrecognisedFile
from curation.intake.walk import Walk
from curation.store.taxonomy import resolve

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from curation.intake.whole_files.kind import FileKind


def scan_files(
    path: Path, kind: FileKind, labels: Sequence[str], only: Iterable[str] | None = None, layout: str | None = None
) -> Listing:
    """Lists the files of a kind at a path without opening one.

    Args:
        path: A file, or a folder of files.
        kind: Their kind.
        labels: The taxonomy, for folders named after a label.
        only: Names directly below the folder; None: all.
        layout: Pattern of the paths, such as `{performer}/*`; None: only a label is read from them.

    Raises:
        DataError: There is no such file, or the table beside them or the layout is wrong.
    """
    if path.is_file():
        if not kind.has(path):
            message = f"{path.name} is not a {kind.one} by its name"
            raise DataError(message, f"give a folder, or one of {', '.join(sorted(kind.suffixes))}")
        path, only = path.parent, [path.name, *(file.name for file in kind.beside(path).files)]
    folder = path.resolve()
    table = next((folder / name for name in (kind.table, SAMPLES) if (folder / name).is_file()), None)
    walk = Walk(folder, only)
    files = [(name, file) for name, file in walk.files if kind.has(file)]
    by_path = {one.path: one for one in read_beside(table, kind.one)} if table is not None else {}
    listing = Listing(f"{kind.one}s", folder, [], len(files), unrecognised=walk.links, tables=[table] if table else [])
    listing.candidates = [replace(by_path.pop(name, Candidate(name, "")), path=name, file=file) for name, file in files]
    if only is None:  # for a part of the folder, the table also describes files that are not meant
        listing.candidates += by_path.values()
    listing.candidates = [_named_beside(one, kind) for one in listing.candidates]
    if layout is not None:
        _apply(layout, listing, kind)
    elif kind.labelled_by_folder:
        listing.candidates = [_labelled(one, folder, labels) for one in listing.candidates]
    known = {*(file for _, file in files), table, *(one for _, file in files for one in kind.beside(file).files)}
    others = [one for one in walk.files if one[1] not in known]
    listing.others = [_unrecognised(name, file, kind) for name, file in others]
    listing.empty = walk.empty
    listing.hide_paths = any(one.performer for one in listing.candidates)
    return listing


def _labelled(candidate: Candidate, folder: Path, labels: Sequence[str]) -> Candidate:
    """Labels a candidate by its nearest folder named after a label; a label from a table takes precedence."""
    names = [*PurePosixPath(candidate.path).parts[-2::-1], folder.name]
    found = candidate.label or next((name for name in names if resolve(name, labels)), "")
    return replace(candidate, label=found)


def _named_beside(candidate: Candidate, kind: FileKind) -> Candidate:
    """Adds the performer that a file beside a candidate names; one from a table takes precedence."""
    if candidate.performer or candidate.file is None:
        return candidate
    return replace(candidate, performer=kind.beside(candidate.file).performer)


def _apply(layout: str, listing: Listing, kind: FileKind) -> None:
    """Adds what the layout reads from the paths, where no table names it; files that do not match are unrecognised."""
    pattern, listing.layout, candidates = compile_layout(layout, labelled=False), layout, list(listing.candidates)
    found = {one.path: fit(one.path, one.file, pattern, layout) for one in candidates if one.file is not None}
    misfits = [one for one in found.values() if isinstance(one, UnrecognisedFile)]
    if misfits and len(misfits) == len(candidates):
        message = f"no {kind.one} matches {layout}"
        raise DataError(message, f"give a layout that reaches the {kind.one}s, such as --layout '{{performer}}/*'")
    listing.unrecognised += misfits
    listing.candidates = [
        _merged(one, found.get(one.path)) for one in candidates if not isinstance(found.get(one.path), UnrecognisedFile)
    ]
    listing.total = len(listing.candidates)


def _merged(candidate: Candidate, read: Candidate | UnrecognisedFile | None) -> Candidate:
    if not isinstance(read, Candidate):
        return candidate
    texts = {name: getattr(candidate, name) or getattr(read, name) for name in ("label", "split", "group", "performer")}
    return replace(candidate, **texts)


def _unrecognised(path: str, file: Path, kind: FileKind) -> UnrecognisedFile:
    if file.suffix.lower() in kind.stray:
        return UnrecognisedFile(path, file, *kind.stray[file.suffix.lower()])
    remedy = f"take it out, or convert it to one of {', '.join(sorted(kind.suffixes))}"
    return UnrecognisedFile(path, file, f"is not a {kind.one} by its name", remedy)
