"""The medium film: ingest, containers, shot detection, frame sampling, title cards, and clean."""

from __future__ import annotations

from typing import TYPE_CHECKING

from curation.medium import Medium
from curation.quality.reasons import FIRST, PICTURE, below_collection
from curation.store.packing import PICTURES

if TYPE_CHECKING:
    from curation.params import CollectionParams


def _max_frames(params: CollectionParams) -> int:
    return params.shots.max_frames


medium = Medium(
    "film",
    rows="shots",
    samples="frames",
    packing=PICTURES,
    reasons=below_collection(
        {
            **FIRST,
            "black": "frames.max_black",
            "title card": "frames.min_letters",
            "frozen": "frames.min_motion",
            "transition": "frames.max_fade_residual",
            **PICTURE,
        }
    ),
    max_samples=_max_frames,
    slow=True,
)
