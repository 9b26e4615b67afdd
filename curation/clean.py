"""Which checks a collection goes through: the one place that asks for its medium and its parent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from curation.film.clean import examine_films
from curation.image.clean import examine as examine_images
from curation.image.derived_images import examine_joined
from curation.script.clean import examine_scripts

if TYPE_CHECKING:
    from pathlib import Path

    from curation.params import CollectionParams
    from curation.quality.verdicts import Examined


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
    return examine_images(root, collection, params)
