"""How samples lie in a folder or a table: found out, or told by a pattern; listed without opening a picture.

{label}/*               class folders
{split}/{label}/*       Kaggle's folders of FER2013, and others like it
{label}/{performer}/*   any pattern of {label} {split} {performer} {group} * ** and literal parts
tables                  see curation.sample_tables
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from curation.errors import DataError
from curation.labels import names_class, resolve
from curation.listing import Candidate, Listing, Stranger, split_of
from curation.patterns import compile_layout, fit, veiled
from curation.sample_tables import is_table, read_table, table_in
from curation.walk import Walk, no_picture, visible

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

CLASS_FOLDERS = "{label}/*"
SPLIT_FOLDERS = "{split}/{label}/*"


def scan(path: Path, labels: Sequence[str], layout: str | None = None, only: Iterable[str] | None = None) -> Listing:
    """Lists what lies at a path.

    Args:
        path: A folder, or a CSV file.
        labels: The taxonomy.
        layout: A pattern; None: found out.
        only: Names right below the folder; None: all.

    Raises:
        DataError: The layout is no layout, the table is none that is known, or a folder cannot be read.
    """
    if path.is_file():
        if layout is not None:
            message = f"{path.name} is a table, and a layout is for folders"
            raise DataError(message, "leave --layout out")
        return read_table(path)
    if layout is None:
        path = _unwrapped(path, labels)
        table = table_in(path) if only is None else None
        if table is not None:
            return _beside_table(path, read_table(table))
    return _folders(path, labels, layout, only)


def _unwrapped(folder: Path, labels: Sequence[str]) -> Path:
    # Archives are often unpacked into a folder that holds one folder and nothing else.
    inside = visible(folder)
    while len(inside) == 1 and inside[0].is_dir() and not inside[0].is_symlink():
        name = inside[0].name
        below = visible(inside[0])
        if names_class(name, labels) or split_of(name) or not any(entry.is_dir() or is_table(entry) for entry in below):
            break
        folder, inside = inside[0], below
    return folder


def _beside_table(folder: Path, listing: Listing) -> Listing:
    table = listing.tables[0]
    # The rows of FER2013 are no files, and can be gone through once.
    named = {candidate.file for candidate in listing.candidates} if listing.total is not None else set()
    walk = Walk(folder.resolve())
    listing.others += walk.links
    listing.others += [no_picture(path, file) for path, file in walk.others if file.name != table.name]
    reason, remedy = f"does not stand in {table.name}", f"write a line for it into {table.name}"
    listing.others += [Stranger(path, file, reason, remedy) for path, file in walk.pictures if file not in named]
    return listing


def _folders(folder: Path, labels: Sequence[str], layout: str | None, only: Iterable[str] | None) -> Listing:
    folder = folder.resolve()
    walk = Walk(folder, only)
    layout = layout or _found_out([path for path, _ in walk.pictures], labels)
    pattern = compile_layout(layout)
    listing = Listing(layout, folder, [], strangers=walk.links, hide_paths="{performer}" in layout)
    listing.others = [no_picture(path, file) for path, file in walk.others]
    listing.empty = [veiled(path, layout) for path in walk.empty]
    if layout != SPLIT_FOLDERS and split_of(layout.split("/", 1)[0]):
        listing.notes.append(f"one split alone, {layout.split('/', 1)[0]}, parts nothing: its samples are dealt out")
    found = [fit(path, file, pattern, layout) for path, file in walk.pictures]
    listing.candidates = [one for one in found if isinstance(one, Candidate)]
    listing.strangers += [one for one in found if isinstance(one, Stranger)]
    listing.total = len(listing.candidates)
    return listing


def _found_out(paths: Sequence[str], labels: Sequence[str]) -> str:
    tops = {path.split("/", 1)[0] for path in paths if "/" in path}
    if not tops or not all(split_of(top) for top in tops) or all(resolve(top, labels) for top in tops):
        return CLASS_FOLDERS
    # The archive of a train split, unpacked. A lone test folder is meant as what it says.
    alone = len(tops) == 1 and {split_of(top) for top in tops} == {"train"}
    return f"{tops.pop()}/{CLASS_FOLDERS}" if alone else SPLIT_FOLDERS
