"""The medium image: ingest, checks, near duplicates, crops, and clean."""
