"""The films at a path, and what a table beside them says: films.csv, or samples.csv."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from curation.containers import SUFFIXES, is_film
from curation.errors import DataError
from curation.listing import Candidate, Listing, Stranger
from curation.sample_tables import FILMS, SAMPLES, read_films
from curation.walk import Walk

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

LAYOUT = "films"


def scan_films(path: Path, only: Iterable[str] | None = None) -> Listing:
    """Lists the films at a path without opening one.

    Args:
        path: A film, or a folder of films.
        only: Names right below the folder; None: all.

    Raises:
        DataError: There is none, or the table beside them is wrong.
    """
    if path.is_file():
        if not is_film(path):
            message = f"{path.name} is no film by its name"
            raise DataError(message, f"give a folder, or one of {', '.join(sorted(SUFFIXES))}")
        path, only = path.parent, [path.name]
    folder = path.resolve()
    table = next((folder / name for name in (FILMS, SAMPLES) if (folder / name).is_file()), None)
    walk = Walk(folder, only)
    films = [(name, file) for name, file in walk.files if is_film(file)]
    said = {one.path: one for one in read_films(table)} if table is not None else {}
    listing = Listing(LAYOUT, folder, [], len(films), strangers=walk.links, tables=[table] if table else [])
    listing.candidates = [replace(said.pop(name, Candidate(name, "")), path=name, file=file) for name, file in films]
    if only is None:  # of a part of the folder a table says more than is meant
        listing.candidates += said.values()
    others = [one for one in walk.files if one not in films and one[1] != table]
    listing.others = [_no_film(name, file) for name, file in others]
    listing.empty = walk.empty
    listing.hide_paths = any(one.performer for one in listing.candidates)
    return listing


def _no_film(path: str, file: Path) -> Stranger:
    return Stranger(path, file, "is no film by its name", f"take it out, or name it {', '.join(sorted(SUFFIXES))}")
