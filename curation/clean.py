"""Clean, whatever the medium: every sample of a collection with its figures, and the reason to drop it or none."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from curation.medium import clean_of

if TYPE_CHECKING:
    from pathlib import Path

    from curation.params import CollectionParams
    from curation.quality.verdicts import Examined


def examine(root: Path, collection: str, params: CollectionParams) -> Examined:
    """Examines a collection.

    Raises:
        DataError: There are no samples, or some cannot be read.
    """
    return cast("Examined", clean_of(params.medium).examine(root, collection, params))
