"""Layouts of samples in a folder or a table: detected, or given by a pattern; listed without opening an image.

{label}/*               class folders
{split}/{label}/*       folders as in Kaggle's FER2013
{label}/{performer}/*   any pattern of {label} {split} {performer} {group} * ** and literal parts
tables                  see curation.annotations.sample_tables
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from curation.annotations.path_patterns import compile_layout, fit, veiled
from curation.annotations.sample_tables import is_table, read_sample_table, table_in
from curation.errors import DataError
from curation.intake.candidates import Candidate, Listing, UnrecognisedFile, split_of
from curation.intake.walk import Walk, no_picture, visible
from curation.store.taxonomy import names_class, resolve

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

CLASS_FOLDERS = "{label}/*"
SPLIT_FOLDERS = "{split}/{label}/*"
SHOWN = 3  # files that an error message names


def scan(path: Path, labels: Sequence[str], layout: str | None = None, only: Iterable[str] | None = None) -> Listing:
    """Lists the samples at a path.

    Args:
        path: A folder, or a CSV file.
        labels: The taxonomy.
        layout: A pattern; None: detect it.
        only: Names directly below the folder; None: all.

    Raises:
        DataError: The layout is not valid, the table has an unknown format, or a folder cannot be read.
    """
    if path.is_file():
        if layout is not None:
            message = f"{path.name} is a table, and a layout is for folders"
            raise DataError(message, "leave --layout out")
        return read_sample_table(path)
    if layout is None:
        path = _unwrapped(path, labels)
        table = table_in(path) if only is None else None
        if table is not None:
            return _beside_table(path, read_sample_table(table))
    return _folders(path, labels, layout, only)


def _unwrapped(folder: Path, labels: Sequence[str]) -> Path:
    # Archives often unpack into a folder that contains one folder and nothing else.
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
    # The rows of FER2013 are not files, and its candidates can be iterated only once.
    named = {candidate.file for candidate in listing.candidates} if listing.total is not None else set()
    walk = Walk(folder.resolve())
    listing.others += walk.links
    listing.others += [no_picture(path, file) for path, file in walk.others if file.name != table.name]
    reason, remedy = f"is not listed in {table.name}", f"add a line for it to {table.name}"
    listing.others += [
        UnrecognisedFile(path, file, reason, remedy) for path, file in walk.pictures if file not in named
    ]
    return listing


def _folders(folder: Path, labels: Sequence[str], layout: str | None, only: Iterable[str] | None) -> Listing:
    folder = folder.resolve()
    walk = Walk(folder, only)
    paths = [path for path, _ in walk.pictures]
    asked, layout = layout, layout or _found_out(paths, labels)
    pattern = compile_layout(layout)
    listing = Listing(layout, folder, [], unrecognised=walk.links, hide_paths="{performer}" in layout)
    listing.others = [no_picture(path, file) for path, file in walk.others]
    listing.empty = [veiled(path, layout) for path in walk.empty]
    if layout != SPLIT_FOLDERS and split_of(layout.split("/", 1)[0]):
        listing.notes.append(f"one split alone, {layout.split('/', 1)[0]}, separates nothing: its samples are split")
    found = [fit(path, file, pattern, layout) for path, file in walk.pictures]
    listing.candidates = [one for one in found if isinstance(one, Candidate)]
    if asked and paths and not listing.candidates and not any(pattern.fullmatch(path) for path in paths):
        raise _misfit(asked, paths, labels, listing.empty)
    listing.unrecognised += [one for one in found if isinstance(one, UnrecognisedFile)]
    listing.total = len(listing.candidates)
    return listing


def _misfit(layout: str, paths: Sequence[str], labels: Sequence[str], empty: Sequence[str]) -> DataError:
    """Error that shows where the files are and which pattern fits them."""
    shown = ", ".join(paths[:SHOWN]) + (f" and {len(paths) - SHOWN:,} more" if len(paths) > SHOWN else "")
    message = f"no file matches {layout}; there are {shown}"
    message += f", and these are empty: {', '.join(empty)}" if empty else ""
    fitting = suggested(paths, labels)
    if fitting:
        return DataError(message, f"these match --layout '{fitting}'")
    remedy = f"one of the folders above a file must be named like a label: {', '.join(labels)}"
    return DataError(message, f"{remedy}; then for example --layout '{CLASS_FOLDERS}'")


def suggested(paths: Sequence[str], labels: Sequence[str]) -> str:
    """Pattern that fits most of the paths, judged by which folders are named like labels and splits.

    Returns:
        Such as `{label}/{performer}/*`; empty if no folder is named like a label.
    """
    depth = Counter(path.count("/") for path in paths).most_common(1)[0][0]
    parts = [path.split("/")[:-1] for path in paths if path.count("/") == depth]
    columns = [{row[place] for row in parts} for place in range(depth)]
    fields = ["{label}" if _are_labels(names, labels) else "{split}" if all(map(split_of, names)) else ""
              for names in columns]  # fmt: skip
    if "{label}" not in fields:
        return ""
    first = fields.index("{label}")
    fields = [field if field != "{label}" or place == first else "" for place, field in enumerate(fields)]
    for spare in ("{performer}", "{group}"):
        if "" in fields:
            fields[fields.index("")] = spare
    return "/".join([*(field or "*" for field in fields), "*"])


def _are_labels(names: set[str], labels: Sequence[str]) -> bool:
    """True if more than half of the names are labels; a few folders may have other names."""
    return 2 * sum(names_class(name, labels) for name in names) > len(names)


def _found_out(paths: Sequence[str], labels: Sequence[str]) -> str:
    tops = {path.split("/", 1)[0] for path in paths if "/" in path}
    if not tops or not all(split_of(top) for top in tops) or all(resolve(top, labels) for top in tops):
        return CLASS_FOLDERS
    # The archive of a train split, unpacked. A lone test folder is taken at its name.
    alone = len(tops) == 1 and {split_of(top) for top in tops} == {"train"}
    return f"{tops.pop()}/{CLASS_FOLDERS}" if alone else SPLIT_FOLDERS
