"""The medium script: ingest, reading screenplays and plays, checks, near duplicates, and clean."""
