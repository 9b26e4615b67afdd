"""A toy medium: notes of one line, a sample a file. tests/test_extending.py copies it to curation/note."""

from curation.medium import Medium
from curation.quality.reasons import FIRST, below_collection
from curation.store.packing import TEXTS

medium = Medium(
    "note",
    rows="notes",
    samples="notes",
    packing=TEXTS,
    columns={"words": "int64"},
    reasons=below_collection({**FIRST, "too short": "note.min_length"}),
)
