"""Intake of files that are stored unchanged: films and scripts."""
