"""Clean for images: those of the collection itself and, where it has a parent, what the parent has kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

from curation.image.derived_images import examine_joined
from curation.image.own_images import examine_own
from curation.quality.verdicts import Examined, hold_losses, pack_kept

if TYPE_CHECKING:
    from pathlib import Path

    from curation.params import CollectionParams
    from curation.store.sample_set import SampleSet


def clean(root: Path, collection: str, params: CollectionParams, out: Path) -> SampleSet:
    """Examines a collection and packs the kept samples.

    Raises:
        TooManyDropped: A source loses more than `max_dropped_share`; nothing is written.
        DataError: There are no samples, or a split is left with none.
    """
    examined = examine(root, collection, params)
    hold_losses(examined, collection, params)
    return pack_kept(collection, examined, params, out)


def examine(root: Path, collection: str, params: CollectionParams) -> Examined:
    """Runs all checks over all samples, in the order of the medium's reasons.

    Raises:
        DataError: There are no samples, or some cannot be read.
    """
    checked = examine_own if params.parent is None else examine_joined
    return checked(root, collection, params)
