"""The medium script: ingest, scenes of documents that `rushes.screenplay` reads, checks, near duplicates, and clean."""

from curation.medium import Medium
from curation.quality.reasons import FIRST, below_collection
from curation.store.packing import TEXTS

medium = Medium(
    "script",
    rows="scripts",
    samples="scenes",
    packing=TEXTS,
    reasons=below_collection(
        {
            **FIRST,
            "broken lines": "script.max_broken_lines",
            "no script": "script.min_cues",
            "undecodable": "max_dropped_share",
            "mixed encodings": "max_dropped_share",
            "too short": "script.min_text_length",
            "exact duplicate": "max_dropped_share",
            "another draft": "script.near_document_overlap",
            "near duplicate": "script.near_scene_overlap",
        }
    ),
)
