"""The medium take: films of one face, with the curves of its units or without; ingest, tracking of the face, clean."""

from curation.face_networks import DETECTOR, FULL_RANGE_DETECTOR, LANDMARKER
from curation.medium import Medium
from curation.quality.reasons import FIRST, below_collection
from curation.store.packing import TAKES

medium = Medium(
    "take",
    rows="takes",
    samples="takes",
    packing=TAKES,
    reasons=below_collection(
        {
            **FIRST,
            "too short": "take.min_frames",
            "no face": "take.min_face_share",
            "still": "take.min_motion",
            "curves do not fit": "take.min_fit",
            "exact duplicate": "max_dropped_share",
        }
    ),
    # `curves` is the file of the curves in the source's folder; None without.
    columns={"fps": "float64", "frames": "int64", "length_s": "float64", "curves": "string", "curves_sha256": "string"},
    slow=True,
    keeps_starter=True,
    assets=(DETECTOR, FULL_RANGE_DETECTOR, *LANDMARKER),
)
