"""The medium image: ingest, checks, near duplicates, crops, and clean."""

from curation.medium import Medium
from curation.quality.reasons import FIRST, PICTURE, below_collection
from curation.store.packing import PICTURES

medium = Medium(
    "image",
    rows="pictures",
    samples="pictures",
    packing=PICTURES,
    reasons=below_collection(
        {
            **FIRST,
            **PICTURE,
            "no train sample": "max_dropped_share",
        }
    ),
    labelled=True,
)
