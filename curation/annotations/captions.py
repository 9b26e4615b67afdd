"""Image captions from a captions.csv beside the images: columns file,caption; one line an image.

An image is matched by its path below the folder, by the end of that path, or by its file name if no other image has it.
"""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import replace
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from curation.annotations.csv_rows import fault, header_of_table, rows_of
from curation.errors import DataError
from curation.intake.candidates import shown

if TYPE_CHECKING:
    from pathlib import Path

    from curation.intake.candidates import Listing

CAPTIONS = "captions.csv"
COLUMNS = ("file", "caption")


def with_captions(listing: Listing, path: Path) -> Listing:
    """Adds captions to the candidates of a listing if a captions.csv lies beside them.

    Raises:
        DataError: Its columns are wrong, a line is wrong, or it names none of the images.
    """
    places = dict.fromkeys([path, listing.folder] if path.is_dir() else [path.parent])
    file = next((place / CAPTIONS for place in places if (place / CAPTIONS).is_file()), None)
    if file is None or listing.total is None:
        return listing
    captions = _read(file)
    candidates = list(listing.candidates)
    shared = Counter(name for one in candidates for name in _names(one.path))
    found = [_caption(one.path, captions, shared) for one in candidates]
    if candidates and captions and not any(found):
        message = f"{CAPTIONS} names none of {len(candidates):,} pictures"
        raise DataError(message, "its column file must hold their file names, or their paths below the folder")
    pairs = zip(candidates, found, strict=True)
    listing.candidates = [replace(one, caption=text) if text else one for one, text in pairs]
    listing.others = [one for one in listing.others if os.path.realpath(one.file) != os.path.realpath(file)]
    listing.tables.append(file)
    listing.notes.append(f"captions from {CAPTIONS} for {sum(map(bool, found)):,} of {len(candidates):,}")
    return listing


def _read(file: Path) -> dict[str, str]:
    header = header_of_table(file)
    if not set(COLUMNS) <= set(header):
        message = f"{file.name} has no column {' and '.join(name for name in COLUMNS if name not in header)}"
        raise DataError(message, f"its first line must be: {','.join(COLUMNS)}")
    captions: dict[str, str] = {}
    for line, row in rows_of(file):
        name = shown(PurePosixPath(row["file"].replace("\\", "/")).as_posix())
        if captions.setdefault(name, row["caption"]) != row["caption"]:
            raise fault(file, line, f"{name} has another caption above")
    return captions


def _caption(path: str, captions: dict[str, str], shared: Counter[str]) -> str:
    return next((captions[name] for name in _names(path) if shared[name] == 1 and name in captions), "")


def _names(path: str) -> list[str]:
    """Each suffix of the path, from the whole path down to the file name."""
    parts = PurePosixPath(path).parts
    return ["/".join(parts[start:]) for start in range(len(parts))]
