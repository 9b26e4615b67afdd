"""Screenplays: elements, Fountain, Final Draft, and export to other formats."""
