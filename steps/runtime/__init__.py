"""Shared parts of the steps: threads, and the report of a failure."""
