"""Samples of a split that a family is scored on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from common.commands import more_groups
from rushes.errors import UserError

if TYPE_CHECKING:
    import pandas as pd

    from curation.store.sample_set import SampleSet


class ScoreError(UserError):
    """Split with too few samples for a score."""


def held_out(samples: SampleSet, split: str, least: int = 1) -> pd.DataFrame:
    """Kept samples of a split, in the order of its array.

    Args:
        samples: The set.
        split: The split.
        least: Number of samples that a score needs.

    Raises:
        ScoreError: There are fewer.
    """
    rows = samples.kept(split)
    if len(rows) < least:
        name, count = samples.info.get("collection", samples.folder.name), samples.table["group"].nunique()
        message = f"{name} has too few samples in the split {split} for a score, {len(rows)} of {least}; in all it has"
        message += f" {count} group{'s' * (count != 1)} (performer, film, document)"
        raise ScoreError(message, more_groups(name))
    return rows
