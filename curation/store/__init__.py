"""Storage of samples: source index, shards, splits, consent, and the packed sample set."""
