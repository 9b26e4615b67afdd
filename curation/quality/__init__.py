"""Decisions of clean, for every medium: readers, drop reasons, verdicts."""
