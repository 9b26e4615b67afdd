"""The medium film: ingest, containers, shots, sampled frames, title cards, and clean."""
