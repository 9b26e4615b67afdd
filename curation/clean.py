"""Clean, whatever the medium: every sample of a collection with its figures, and the reason to drop it or none."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, cast

from curation.medium import by_name, clean_of
from curation.store.sample_set import SampleSet
from curation.store.source_info import real_sources

if TYPE_CHECKING:
    from pathlib import Path

    from common.assets import Read
    from curation.params import CollectionParams
    from curation.quality.verdicts import Examined


def examine(root: Path, collection: str, params: CollectionParams, read: Read | None = None) -> Examined:
    """Examines a collection.

    Args:
        root: The checkout.
        collection: The collection's name.
        params: Its section of params.yaml.
        read: Reads the assets of its medium; needed only for a medium that has some.

    Raises:
        DataError: There are no samples, or some cannot be read.
    """
    readers = [read] if by_name(params.medium).assets else []
    examined = cast("Examined", clean_of(params.medium).examine(root, collection, params, *readers))
    return replace(examined, info={**examined.info, "starter_only": _starter_only(root, collection, params)})


def _starter_only(root: Path, collection: str, params: CollectionParams) -> bool:
    """True if neither the collection nor its parent holds anything but starter data."""
    if real_sources(root, collection):
        return False
    return params.parent is None or SampleSet(root / "build" / "clean" / params.parent).starter_only
