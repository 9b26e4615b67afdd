"""Contents of the report, read from the files of a run."""
