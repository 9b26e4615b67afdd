"""Prefect, and only here: when a batch runs, what follows what, what happens on failure.

May import every room. What a step does stands in steps, never here.
"""
