"""Intake of files that are stored unchanged: films, scripts and takes."""
