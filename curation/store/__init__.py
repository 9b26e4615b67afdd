"""Samples at rest: the index of a source, shards, splits, consent, and the packed sample set."""
