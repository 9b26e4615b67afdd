"""Readers of script files: Fountain, Final Draft, plain text in columns or without, and plays."""
