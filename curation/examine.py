"""Which checks a collection goes through: the one place that asks for its medium and its parent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from curation import clean
from curation.clean_films import examine_films
from curation.clean_scripts import examine_scripts
from curation.scenes import examine_joined

if TYPE_CHECKING:
    from pathlib import Path

    from curation.clean import Examined
    from curation.params import CollectionParams


def examine(root: Path, collection: str, params: CollectionParams) -> Examined:
    """Examines a collection.

    Raises:
        DataError: There are no samples, or some cannot be read.
    """
    if params.parent is not None:
        return examine_joined(root, collection, params)
    if params.medium == "film":
        return examine_films(root, collection, params)
    if params.medium == "script":
        return examine_scripts(root, collection, params)
    return clean.examine(root, collection, params)
