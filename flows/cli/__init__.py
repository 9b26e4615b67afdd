"""The command line of `python -m flows`: commands, tables, logs, progress."""
