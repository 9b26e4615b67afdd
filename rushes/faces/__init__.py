"""Finding faces in pictures: detectors, the search over parts of a frame, following, and crops."""
